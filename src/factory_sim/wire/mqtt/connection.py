"""The only file that knows paho: how a connection is set up, and the packets that paho reads and writes itself."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from factory_sim.errors import BrokerError
from factory_sim.wire.mqtt.client_options import PASSWORD_VARIABLE, password_of
from factory_sim.wire.mqtt.packets import REFUSED
from factory_sim.wire.mqtt.socket_stream import Stream
from factory_sim.wire.mqtt.tls import context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from factory_sim.records import Message
    from factory_sim.wire.mqtt.broker_url import Address
    from factory_sim.wire.mqtt.client_options import Options

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_OTHER_VERSION = (0x01, 0x84)  # reasons of a broker that does not speak this version of MQTT, in 3.1.1 and in 5
_FOR_EVER = 2**32 - 1  # a session that does not expire


class Connection(paho.Client):
    """paho, on a stream that it takes for its socket.

    version : a key of MQTT, "5" or "3.1.1".
    check : refuses a will that brokers disconnect on.
    """

    def __init__(self, address: Address, options: Options, version: str, check: Callable[[Message], None]) -> None:
        self._address, self._options, self._check, self.is_5 = address, options, check, version == "5"
        super().__init__(
            CallbackAPIVersion.VERSION2,
            options.client_id or f"factory-sim-{uuid4().hex[:12]}",
            clean_session=None if self.is_5 else options.clean_session,
            protocol=_PROTOCOLS[version],
            reconnect_on_failure=False,
        )
        self.connect_timeout = options.connect_timeout_s
        self.is_online = False  # greeted by the broker, and not lost since, as far as is known
        self.refused = ""  # why the broker refused us: final
        self.waiting: dict[int, str] = {}  # packet's number -> topic filters that are not granted yet
        self.receive_maximum = options.window  # messages that the broker takes before it acknowledges
        self.on_connect, self.on_disconnect, self.on_subscribe = self._greeted, self._lost, self._granted
        self.user = options.user or address.user
        if self.user:
            self.username_pw_set(self.user, password_of(options.password, address.password) or None)
        if address.tls:
            self.tls_set_context(_trust(address, options))

    @property
    def stream(self) -> Stream | None:
        """What it reads and writes; None: not connected."""
        found = self.socket()
        return found if isinstance(found, Stream) else None

    def open(self) -> None:
        """Connect a socket and ask for a session; the answer has yet to come. Raises OSError."""
        self.connect(self._address.host, self._address.port, self._options.keepalive_s, **self._session())
        stream = self.stream
        if stream is not None:
            stream.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, filters: Mapping[str, int]) -> None:
        """Subscribe, with a QoS for each filter; `waiting` is empty when all is granted."""
        _, number = self.subscribe(list(filters.items()))
        if number is not None:
            self.waiting[number] = ", ".join(filters)

    def take(self, stream: Stream, head: int, body: bytes) -> bool:
        """Let paho read a packet; whether the connection has survived it."""
        stream.give(head, body)
        return self.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS and self.stream is stream

    def what_else(self) -> str:
        """What a peer may be that did not answer as a broker does."""
        if self._options.mqtt == "5":
            return "; does it speak MQTT 5? Try --mqtt auto"
        other = "without TLS" if self._address.tls else "with TLS (mqtts://)"
        return f"; is this the port of an MQTT broker, or one {other}?"

    def leave(self) -> None:
        """Say goodbye. The will is not published, unless MQTT 5 is told that it should be."""
        with_will = self.is_5 and self._options.will_at_goodbye
        self.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message") if with_will else None)
        stream = self.stream
        if stream is not None:
            stream.close()

    def next_number(self) -> int:
        """Of a packet; paho numbers its own by the same count."""
        return self._mid_generate()

    def _greeted(self, _c: Any, _u: Any, _flags: Any, reason: Any, said_5: Any) -> None:
        if reason.is_failure:
            if reason.value not in _OTHER_VERSION:
                who = f"user {self.user!r}" if self.user else "a client without user and password"
                said = str(reason).lower()
                self.refused = f"the broker refused {who}: {said}. Check the name and {PASSWORD_VARIABLE}"
            return
        self.is_online = True
        self.waiting.clear()
        self.receive_maximum = min(self._options.window, getattr(said_5, "ReceiveMaximum", self._options.window))

    def _lost(self, *_: Any) -> None:
        self.is_online = False

    def _granted(self, _c: Any, _u: Any, number: int, reasons: Any, _p: Any) -> None:
        filters = self.waiting.pop(number, "")
        if any(reason.value >= REFUSED for reason in reasons):
            self.refused = f"the broker refused to grant {filters}"

    def _create_socket(self) -> Stream:
        """The CONNECT follows at once: its will is asked for here, as an attempt that finds nobody has none."""
        stream = Stream(super()._create_socket())
        will = self._options.will() if callable(self._options.will) else self._options.will
        if will is not None:
            self._check(will)
            self.will_set(will.topic, will.payload, will.qos, will.retain)
        return stream

    def _session(self) -> dict[str, Any]:
        """What MQTT 5 says about the session; 3.1.1 has said it in its constructor."""
        if not self.is_5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if self._options.clean_session else _FOR_EVER
        return {"clean_start": self._options.clean_session, "properties": properties}


def _trust(address: Address, options: Options) -> ssl.SSLContext:
    try:
        return context(options.ca_file, options.cert_file, options.key_file)
    except (OSError, ssl.SSLError) as error:
        files = {"--ca": options.ca_file, "--cert": options.cert_file, "--key": options.key_file}
        given = ", ".join(f"{option} {file}" for option, file in files.items() if file)
        _fail(address, f"our own files for TLS cannot be used ({given}): {error}")


def _fail(address: Address, reason: str) -> NoReturn:
    raise BrokerError(address.shown, reason) from None
