"""Broker URLs: `mqtt://[user[:password]@]host[:port]`, or `mqtts://` for TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from factory_sim.errors import BrokerError

PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXPECTED = "expected mqtt://[user@]host[:port], or mqtts:// for TLS"


class BrokerAddressError(BrokerError):
    """A text that is not the address of a broker: invalid input, no missing server."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's address; its repr hides the password."""

    tls: bool
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def display_url(self) -> str:
        """The URL without user and password, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse(url: str) -> Address:
    """Return the address in `url`. Raises BrokerAddressError that shows what was expected and never a password."""
    public = _without_secret(url)
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise BrokerAddressError(public, f"{error}; {_EXPECTED}") from None
    if parts.scheme not in PORTS or "//" not in url:
        hint = f"Did you mean mqtt://{public}?" if "//" not in url else f"{parts.scheme!r} is not MQTT"
        raise BrokerAddressError(public, f"{_EXPECTED}. {hint}")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment or port == 0:
        raise BrokerAddressError(public, _EXPECTED)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Address(parts.scheme == "mqtts", parts.hostname, port or PORTS[parts.scheme], user, password)


def _without_secret(url: str) -> str:
    start, at, rest = url.rpartition("@")
    scheme, slashes, _ = start.partition("//")
    return f"{scheme + slashes if slashes else ''}{rest}" if at else url
