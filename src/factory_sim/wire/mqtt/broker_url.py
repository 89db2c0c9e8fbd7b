"""Where a broker is: `mqtt://[user[:password]@]host[:port]`, or `mqtts://` for TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from factory_sim.errors import BrokerError

PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXPECTED = "expected mqtt://[user@]host[:port], or mqtts:// for TLS"


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's address; the password does not show in its repr."""

    tls: bool
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The URL without user and password, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse(url: str) -> Address:
    """The address in `url`. Raises BrokerError that says what was expected and never shows a password."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise BrokerError(_without_secret(url), f"{error}; {_EXPECTED}") from None
    if parts.scheme not in PORTS or "//" not in url:
        shown = _without_secret(url)
        hint = f"Did you mean mqtt://{shown}?" if "//" not in url else f"{parts.scheme!r} is not MQTT"
        raise BrokerError(shown, f"{_EXPECTED}. {hint}")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment or port == 0:
        raise BrokerError(_without_secret(url), _EXPECTED)
    return Address(
        tls=parts.scheme == "mqtts",
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _without_secret(url: str) -> str:
    start, at, rest = url.rpartition("@")
    scheme, slashes, _ = start.partition("//")
    return f"{scheme + slashes if slashes else ''}{rest}" if at else url
