from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from factory_sim.errors import BrokerError
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")
CONNECTED = b"\x20\x02\x00\x00"  # CONNACK, accepted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-signed certificates for 127.0.0.1 (`here`) and for example.org (`there`)."""
    made = tmp_path_factory.mktemp("tls")
    for name, subject in (("here", "IP:127.0.0.1"), ("there", "DNS:example.org")):
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-keyout",
                made / f"{name}.key",
                "-out",
                made / f"{name}.pem",
                "-subj",
                f"/CN={name}",
                "-addext",
                f"subjectAltName={subject}",
                "-days",
                "2",
            ],
            check=True,
            capture_output=True,
        )
    return made


@contextmanager
def tls_server(folder: Path, name: str) -> Iterator[str]:
    """Shakes hands, accepts an MQTT client, waits until it leaves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")

    def serve() -> None:
        plain, _ = server.accept()
        with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
            connection.recv(100)
            connection.sendall(CONNECTED)
            while connection.recv(100):
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"mqtts://127.0.0.1:{server.getsockname()[1]}"
        thread.join(30)


def test_a_broker_whose_authority_is_trusted_is_accepted(folder: Path) -> None:
    with tls_server(folder, "here") as url, Client(url, ca_file=str(folder / "here.pem"), mqtt="3.1.1") as client:
        assert client.address.tls


def test_a_broker_of_an_unknown_authority_is_refused_at_once(folder: Path) -> None:
    with tls_server(folder, "here") as url, pytest.raises(BrokerError, match=r"not trusted: self.signed"):
        Client(url, ca_file=str(folder / "there.pem"))


def test_a_certificate_for_another_host_is_refused_at_once(folder: Path) -> None:
    with tls_server(folder, "there") as url, pytest.raises(BrokerError, match=r"not trusted:.*not valid for '127"):
        Client(url, ca_file=str(folder / "there.pem"))


def test_a_port_without_tls_is_reported() -> None:
    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"what?" * 10)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(BrokerError, match="no TLS connection"):
            Client(f"mqtts://127.0.0.1:{server.getsockname()[1]}")
        thread.join(30)


def test_a_certificate_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "rubbish.pem").write_text("no certificate")
    for name in ("missing.pem", "rubbish.pem"):
        with pytest.raises(BrokerError, match=f"cannot be used .--ca .*{name}"):
            Client("mqtts://127.0.0.1:1", ca_file=str(tmp_path / name))
