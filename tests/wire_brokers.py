"""Brokers that are not ours, and an authority that makes certificates for them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH = f"{os.environ['PATH']}:/usr/sbin"
TOOLS = {name: shutil.which(name, path=PATH) for name in ("mosquitto", "mosquitto_sub", "mosquitto_passwd", "openssl")}
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@contextmanager
def mosquitto(folder: Path, *lines: str) -> Iterator[int]:
    """Debian's mosquitto with its own defaults, on a free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    file = folder / f"{port}.conf"
    file.write_text("\n".join((f"listener {port} 127.0.0.1", *lines, "user root" if os.geteuid() == 0 else "")))
    with subprocess.Popen([str(TOOLS["mosquitto"]), "-c", str(file)], stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.01)
            yield port
        finally:
            server.terminate()


class Authority:
    """Makes `<name>.pem` and `<name>.key` in a folder, with openssl."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder, self.name = folder, name
        self._openssl("req", "-x509", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")

    @property
    def file(self) -> str:
        """Whom to trust."""
        return str(self.folder / f"{self.name}.pem")

    def signs(self, name: str, *, subject: str = "IP:127.0.0.1", days: int = 2) -> dict[str, str]:
        """A certificate and its key, as options of a client or broker; `days` below zero: it has expired."""
        self._openssl("req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / "names").write_text(f"subjectAltName={subject}\n")
        self._openssl(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            f"{self.name}.pem",
            "-CAkey",
            f"{self.name}.key",
            "-CAcreateserial",
            "-out",
            f"{name}.pem",
            "-days",
            str(days),
            "-extfile",
            "names",
        )
        return {f"{kind}_file": str(self.folder / f"{name}.{end}") for kind, end in (("cert", "pem"), ("key", "key"))}

    def _openssl(self, *words: str) -> None:
        subprocess.run([str(TOOLS["openssl"]), *words], check=True, capture_output=True, cwd=self.folder)
