"""Where a page is served."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from factory_sim.errors import ConfigError

HOST, PORT = "127.0.0.1", 8800


@dataclass(frozen=True, slots=True)
class PageAddress:
    """Where a page is served."""

    host: str = HOST
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> PageAddress:
        """Return the address in `HOST:PORT`. Raises ValueError."""
        host, _, port = text.rpartition(":")
        number = int(port)
        if not host or not 0 <= number < 2**16:
            msg = "expected HOST:PORT"
            raise ValueError(msg)
        return cls(host.strip("[]"), number)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """The page for a browser on this machine."""
        host = {"0.0.0.0": HOST, "::": "::1"}.get(self.host, self.host)  # noqa: S104 - recognised, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def check(self, password: str) -> None:
        """Raise ConfigError for an address that other machines reach without a password."""
        if not self.is_loopback and not password:
            argument, hint = "page_address", "Give --page-password-file FILE."
            raise ConfigError.of(argument, f"other machines could read the page at {self.host}", hint)
