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
from factory_sim.wire.options import password_of
from factory_sim.wire.stream import Stream
from factory_sim.wire.tls import context

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.records import Message
    from factory_sim.wire.address import Address
    from factory_sim.wire.options import Options

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
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

    def take(self, stream: Stream, head: int, body: bytes) -> bool:
        """Let paho read a packet; whether the connection has survived it."""
        stream.give(head, body)
        return self.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS and self.stream is stream

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
        _fail(address, f"its certificates cannot be read ({options.ca_file} {options.cert_file}): {error}")


def _fail(address: Address, reason: str) -> NoReturn:
    raise BrokerError(address.shown, reason) from None
