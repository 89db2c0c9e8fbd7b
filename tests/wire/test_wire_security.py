# ruff: noqa: S104, S106 - addresses and passwords of the tests themselves
"""Who may listen and who may connect: brokers that others can reach, client certificates, wrong passwords over TLS."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from factory_sim.errors import BrokerError
from factory_sim.wire.broker import Broker
from factory_sim.wire.client import Client
from factory_sim.wire.options import PASSWORD_VARIABLE, Options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(not (MOSQUITTO and shutil.which("openssl")), reason="mosquitto and openssl")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
@pytest.mark.parametrize("login", [{}, {"user": "u"}, {"password": "p"}])
def test_a_broker_that_others_can_reach_does_not_start_without_authentication(host: str, login: dict[str, str]) -> None:
    with pytest.raises(BrokerError, match="without authentication"):
        Broker(host=host, **login)


@pytest.mark.parametrize("server", ["nats", pytest.param("mosquitto", marks=needs_mosquitto)])
def test_a_broker_on_every_address_asks_for_its_password(server: str) -> None:
    with Broker(host="0.0.0.0", user="plant", password="right", server=server) as broker:
        with Client(broker.url, user="plant", password="right") as client:
            assert client.connections == 1
        for options in ({}, {"user": "plant", "password": "wrong"}, {"user": "other", "password": "right"}):
            with pytest.raises(BrokerError, match="refused"):
                Client(broker.url, **options)


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "s3cret")
    assert "s3cret" not in repr(Options(password="s3cret", key_file="s3cret"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A mosquitto that demands client certificates of our authority."""
    folder = tmp_path_factory.mktemp("mtls")

    def openssl(*words: object) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=folder)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2", "-extfile", "names")  # fmt: skip
    with Broker(server="mosquitto") as plain:
        port = plain.port  # free again in a moment
    (folder / "conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nrequire_certificate true\nuser root\n"
        f"cafile {folder}/ca.pem\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\n"
    )
    with subprocess.Popen([str(MOSQUITTO), "-c", folder / "conf"], stderr=subprocess.DEVNULL) as process:
        time.sleep(0.3)
        yield f"mqtts://127.0.0.1:{port}", folder
        process.terminate()


@needs_mosquitto
def test_a_client_certificate_opens_the_door(secure: tuple[str, Path]) -> None:
    url, folder = secure
    certificate = {"cert_file": str(folder / "client.pem"), "key_file": str(folder / "client.key")}
    with Client(url, ca_file=str(folder / "ca.pem"), **certificate) as client:
        assert client.connections == 1


@needs_mosquitto
def test_without_a_client_certificate_the_door_stays_shut_at_once(secure: tuple[str, Path]) -> None:
    url, folder = secure
    begun = time.monotonic()
    with pytest.raises(BrokerError, match=r"TLS|closed the connection|certificate"):
        Client(url, ca_file=str(folder / "ca.pem"))
    assert time.monotonic() - begun < 5


@needs_mosquitto
def test_an_authority_that_is_not_the_broker_s_is_named(secure: tuple[str, Path]) -> None:
    url, folder = secure
    with pytest.raises(BrokerError, match="not trusted"):
        Client(url, ca_file=str(folder / "client.pem"))
