"""One MQTT connection, the only file that uses paho: its setup, and the packets that paho reads and writes itself."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from factory_sim.errors import BrokerError
from factory_sim.wire.mqtt import tls
from factory_sim.wire.mqtt.client_options import PASSWORD_VARIABLE, password_of
from factory_sim.wire.mqtt.packets import REFUSED
from factory_sim.wire.mqtt.socket_stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from factory_sim.records import Message
    from factory_sim.wire.mqtt.broker_url import Address
    from factory_sim.wire.mqtt.client_options import ClientOptions

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_OTHER_VERSION = (0x01, 0x84)  # reasons of a broker that does not support this version of MQTT, in 3.1.1 and in 5
_NEVER_EXPIRES = 2**32 - 1  # of a session
_ENDING_S = 0.5  # a broker that is ending refuses subscriptions before it closes its connections


class Connection(paho.Client):
    """A paho client on a `Stream`; paho has no public way to replace its socket.

    version : a key of MQTT, "5" or "3.1.1".
    check : refuses a will that brokers disconnect on.
    """

    def __init__(
        self, address: Address, options: ClientOptions, version: str, check: Callable[[Message], None]
    ) -> None:
        self._address, self._options, self._check, self.is_5 = address, options, check, version == "5"
        super().__init__(
            CallbackAPIVersion.VERSION2,
            options.client_id or f"factory-sim-{uuid4().hex[:12]}",
            clean_session=None if self.is_5 else options.clean_session,
            protocol=_PROTOCOLS[version],
            reconnect_on_failure=False,
        )
        self.is_online = False  # accepted by the broker, and not lost since, as far as is known
        self._refused = ""
        self._denied, self._denied_at = 0, 0.0  # subscriptions refused in a row; when the last was
        self.waiting: dict[int, str] = {}  # packet id -> topic filters that are not granted yet
        self.receive_maximum = options.window  # messages that the broker accepts before it acknowledges
        self.on_connect, self.on_disconnect, self.on_subscribe = self._connected, self._lost, self._granted
        self.on_socket_open = self._set_will
        self.user = options.user or address.user
        if self.user:
            self.username_pw_set(self.user, password_of(options.password, address.password) or None)
        self._context = _trust(address, options) if address.tls else None

    @property
    def refused(self) -> str:
        """Why the broker refused the client or a subscription, which is final; empty: it did not."""
        is_ending = self._denied == 1 and (not self.is_online or time.monotonic() < self._denied_at + _ENDING_S)
        return "" if is_ending else self._refused

    @property
    def stream(self) -> Stream | None:
        """The connected socket; None: not connected."""
        found = self.socket()
        return found if isinstance(found, Stream) else None

    def open(self) -> None:
        """Connect a socket and send a CONNECT, without waiting for the answer. Raises OSError."""
        self.connect(self._address.host, self._address.port, self._options.keepalive_s, **self._session())

    def ask(self, filters: Mapping[str, int]) -> None:
        """Subscribe, with a QoS for each filter; `waiting` is empty when all are granted."""
        _, packet_id = self.subscribe(list(filters.items()))
        if packet_id is not None:
            self.waiting[packet_id] = ", ".join(filters)

    def take(self, stream: Stream, head: int, body: bytes) -> bool:
        """Let paho read a packet. Return whether the connection has survived it."""
        stream.give(head, body)
        return self.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS and self.stream is stream

    def hint(self) -> str:
        """Return what a peer may be that did not answer like a broker."""
        if self._options.mqtt == "5":
            return "; does it speak MQTT 5? Try --mqtt auto"
        other = "without TLS" if self._address.tls else "with TLS (mqtts://)"
        return f"; is this the port of an MQTT broker, or one {other}?"

    def leave(self) -> None:
        """Disconnect. The will is not published, unless MQTT 5 is asked to."""
        with_will = self.is_5 and self._options.will_on_disconnect
        self.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message") if with_will else None)
        stream = self.stream
        if stream is not None:
            stream.close()

    def next_id(self) -> int:
        """Return a packet id; paho numbers its own packets by the same count, which has no public name."""
        return self._mid_generate()

    def _connected(self, _c: Any, _u: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            if reason.value not in _OTHER_VERSION:
                client = f"user {self.user!r}" if self.user else "a client without user and password"
                words = str(reason).lower()
                self._denied = 0  # this is no broker that is ending
                self._refused = f"the broker refused {client}: {words}. Check the name and {PASSWORD_VARIABLE}"
            return
        self.is_online, self._refused = True, ""
        self.waiting.clear()
        self.receive_maximum = min(self._options.window, getattr(properties, "ReceiveMaximum", self._options.window))

    def _lost(self, *_: Any) -> None:
        self.is_online = False

    def _granted(self, _c: Any, _u: Any, packet_id: int, reasons: Any, _p: Any) -> None:
        if any(reason.value >= REFUSED for reason in reasons):  # it stays in `waiting`
            self._denied, self._denied_at = self._denied + 1, time.monotonic()
            self._refused = f"the broker refused to grant {self.waiting.get(packet_id, '')}"
            return
        self.waiting.pop(packet_id, "")
        if not self.waiting:
            self._denied, self._refused = 0, ""

    def _create_socket(self) -> Stream:
        return Stream(tls.connect(self._address, self._options.connect_timeout_s, self._context))

    def _set_will(self, *_: Any) -> None:
        """Set the will between the socket's connection and the CONNECT: an attempt that finds no broker needs none."""
        will = self._options.will() if callable(self._options.will) else self._options.will
        if will is None and self._options.presence is not None:
            will = self._options.presence.offline
        if will is not None:
            self._check(will)
            self.will_set(will.topic, will.payload, will.qos, will.retain)

    def _session(self) -> dict[str, Any]:
        """Return the arguments of MQTT 5 about the session; 3.1.1 sets it in the constructor."""
        if not self.is_5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if self._options.clean_session else _NEVER_EXPIRES
        return {"clean_start": self._options.clean_session, "properties": properties}


def _trust(address: Address, options: ClientOptions) -> ssl.SSLContext:
    try:
        return tls.trust(options.ca_file, options.cert_file, options.key_file)
    except (OSError, ssl.SSLError) as error:
        files = {"--ca": options.ca_file, "--cert": options.cert_file, "--key": options.key_file}
        given = ", ".join(f"{option} {file}" for option, file in files.items() if file)
        raise BrokerError(address.display_url, f"our own files for TLS cannot be used ({given}): {error}") from None
