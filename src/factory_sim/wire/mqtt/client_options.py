"""The options of a client."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.records import Message
    from factory_sim.wire.presence import Presence

PASSWORD_VARIABLE = "FACTORY_SIM_MQTT_PASSWORD"  # noqa: S105 - the name of a variable

VERSIONS = {"auto": ("5", "3.1.1"), "5": ("5",), "3.1.1": ("3.1.1",)}  # of MQTT, in the order in which to try them


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a client behaves and identifies itself; its repr hides secrets."""

    client_id: str = ""  # empty: generated; no spaces, the embedded broker refuses them
    user: str = ""  # takes precedence over the URL's
    password: str = field(default="", repr=False)  # takes precedence over the URL's and the environment's
    keepalive_s: int = 300  # the broker disconnects a caller that stays away one and a half times as long
    window: int = 1_000  # unacknowledged messages (MQTT numbers 65,535), and
    window_bytes: int = 16 * 1024 * 1024  # unacknowledged bytes; one message is always allowed
    max_payload: int = 1024 * 1024 - 4096  # the embedded broker disconnects above 1 MiB, its own headers included
    connect_timeout_s: float = 5.0
    reconnect_timeout_s: float = 30.0  # how long a connection may be lost before BrokerError
    silence_s: float = 30.0  # without an acknowledgement that is due, after which a connection counts as lost
    stop_silence_s: float = 2.0  # of silence, after which a stopped program no longer waits
    allow_offline_start: bool = False  # an absent broker is no error at the start either, until a message is sent
    is_stopped: Callable[[], bool] = field(default=lambda: False, repr=False)  # Ctrl-C: do not wait for a dead broker
    back_off_s: tuple[float, float] = (0.2, 0.25)  # pause before the first and before every further attempt
    clean_session: bool = True  # False: the broker keeps subscription and messages under `client_id`
    # What the broker publishes when this client dies; a function is called right before each CONNECT.
    will: Message | Callable[[], Message] | None = None
    will_on_disconnect: bool = False  # MQTT 5: ask the broker to publish it then too; 3.1.1 cannot
    presence: Presence | None = None  # published after every connect, as a heartbeat, and as a will unless one is given
    filters: tuple[str, ...] = ()  # subscribed to at QoS 1 after every connect, before `opening` is sent
    opening: Callable[[], Sequence[Message]] | None = None  # what is sent first after every connect
    mqtt: str = "auto"  # "5", "3.1.1", or "auto": 5, and where the broker does not support it 3.1.1
    expiry_s: int = 0  # MQTT 5: how long a broker keeps data that it could not deliver; 0: forever
    ca_file: str = ""  # mqtts: PEM of the authorities; empty: the system's
    cert_file: str = ""  # mqtts: PEM of this client's certificate
    key_file: str = field(default="", repr=False)


def password_of(*given: str) -> str:
    """Return the first password that is not empty, else the environment's."""
    return next(filter(None, given), os.environ.get(PASSWORD_VARIABLE, ""))
