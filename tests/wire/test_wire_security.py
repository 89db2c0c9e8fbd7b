# ruff: noqa: S104, S106 - addresses and passwords of the tests themselves
"""Who may listen and who may connect: brokers that others can reach, client certificates, wrong passwords over TLS."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from factory_sim.errors import BrokerError
from factory_sim.records import Message
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import PASSWORD_VARIABLE, ClientOptions
from factory_sim.wire.mqtt.tls import trust
from wire_brokers import TOOLS, Authority, mosquitto

needs_mosquitto = pytest.mark.skipif(not TOOLS["mosquitto"], reason="mosquitto")
needs_openssl = pytest.mark.skipif(not TOOLS["openssl"], reason="certificates are made with openssl")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
@pytest.mark.parametrize("login", [{}, {"user": "u"}, {"password": "p"}])
def test_a_broker_that_others_can_reach_does_not_start_without_authentication(host: str, login: dict[str, str]) -> None:
    with pytest.raises(BrokerError, match="without authentication") as caught:
        Broker(host=host, **login)
    assert host in str(caught.value)  # what was asked for, not where it would be reached


@pytest.mark.parametrize("server", ["nats", pytest.param("mosquitto", marks=needs_mosquitto)])
def test_a_broker_on_every_address_requires_its_password(server: str) -> None:
    with Broker(host="0.0.0.0", user="plant", password="right", server=server) as broker:
        with Client(broker.url, user="plant", password="right") as client:
            assert client.connections == 1
        for options in ({}, {"user": "plant", "password": "wrong"}, {"user": "other", "password": "right"}):
            with pytest.raises(BrokerError, match="refused"):
                Client(broker.url, **options)


def test_secrets_are_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "s3cret")
    assert "s3cret" not in repr(ClientOptions(password="s3cret", key_file="s3cret"))


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def folders() -> set[Path]:
    """The folders of this process's brokers."""
    return set(Path(tempfile.gettempdir()).glob(f"factory-sim-broker-{os.getpid()}-*"))


@needs_openssl
@pytest.mark.parametrize("server", ["nats", pytest.param("mosquitto", marks=needs_mosquitto)])
@pytest.mark.parametrize("password", ["right", 'größer "$x" {é}\\x41 \u2603'])
def test_our_own_broker_supports_tls_and_reveals_no_secret(server: str, password: str, ca: Authority) -> None:
    before = folders()
    with Broker(server=server, host="0.0.0.0", user="anna", password=password, **ca.signs("own")) as broker:
        assert broker.url == f"mqtts://127.0.0.1:{broker.port}"
        login = {"ca_file": ca.file, "user": "anna"}
        with Client(broker.url, **login, password=password) as client:
            client.subscribe(["a"])
            client.publish([Message("a", b"1")])
            assert [m.payload for m in client.messages(1.5)] == [b"1"]
        with pytest.raises(BrokerError, match="the broker refused user 'anna'"):
            Client(broker.url, **login, password="wrong")
        with pytest.raises(BrokerError, match=r"or one with TLS \(mqtts://\)"):
            Client(f"mqtt://127.0.0.1:{broker.port}", connect_timeout_s=0.5)
        (folder,) = folders() - before
        if sys.platform == "linux":
            assert password.encode() not in Path(f"/proc/{broker.pid}/cmdline").read_bytes()
            assert all(file.stat().st_mode & 0o077 == 0 for file in (folder, *folder.glob("*conf*")))
        assert password not in (folder / "log").read_text()


def test_tls_needs_a_certificate_and_its_key() -> None:
    with pytest.raises(BrokerError, match="both the broker's certificate and its key"):
        Broker(cert_file="cert.pem")


@needs_openssl
def test_a_key_of_another_certificate_is_found_at_the_start(ca: Authority) -> None:
    one, other = ca.signs("one"), ca.signs("other")
    mixed = one | {"key_file": other["key_file"]}
    with pytest.raises(BrokerError, match=r"does not match|Unable to load server key"), Broker(**mixed):
        pass


@needs_openssl
def test_a_key_of_another_certificate_of_ours_is_named_with_it(ca: Authority) -> None:
    mine, other = ca.signs("mine"), ca.signs("another")
    with pytest.raises(BrokerError, match=r"our own files .*--cert \S+mine\.pem, --key \S+another\.key"):
        Client("mqtts://127.0.0.1:1", ca_file=ca.file, cert_file=mine["cert_file"], key_file=other["key_file"])


@needs_openssl
@needs_mosquitto
@pytest.mark.parametrize("version", ["3.1.1", "5", "auto"])
def test_an_untrusted_broker_is_refused_at_once_with_the_reason(tmp_path: Path, version: str, ca: Authority) -> None:
    def refused(because: str, trusted: str, **certificate: Any) -> None:
        shown = ca.signs("shown", **certificate)
        tls = (f"certfile {shown['cert_file']}", f"keyfile {shown['key_file']}", "allow_anonymous true")
        with mosquitto(tmp_path, *tls) as port, pytest.raises(BrokerError, match=because):
            Client(f"mqtts://127.0.0.1:{port}", ca_file=trusted, mqtt=version, reconnect_timeout_s=1e9)

    refused("not trusted:.*certificate has expired", ca.file, days=-1)
    refused("not trusted:.*not valid for '127.0.0.1'", ca.file, subject="DNS:example.org")
    refused("not trusted:.*(unable to get|self-signed)", Authority(tmp_path, "stranger").file)


def older(*files: str) -> ssl.SSLContext:
    """TLS 1.2: a refused certificate is said in the handshake, not after it."""
    found = trust(*files)
    found.maximum_version = ssl.TLSVersion.TLSv1_2
    return found


@needs_openssl
@needs_mosquitto
@pytest.mark.parametrize("tls", ["tlsv1.3", "tlsv1.2"])
def test_a_problem_with_our_own_certificate_is_always_reported(tmp_path: Path, tls: str, ca: Authority) -> None:
    server, mine, old = ca.signs("server"), ca.signs("client"), ca.signs("old", days=-1)
    foreign = Authority(tmp_path, "stranger").signs("foreign")
    lines = [f"certfile {server['cert_file']}", f"keyfile {server['key_file']}", f"cafile {ca.file}"]
    lines += ["require_certificate true", "allow_anonymous true"]
    with mosquitto(tmp_path, *lines) as port, pytest.MonkeyPatch.context() as patch:
        if tls == "tlsv1.2":
            patch.setattr("factory_sim.wire.mqtt.tls.trust", older)
        url, trust = f"mqtts://127.0.0.1:{port}", {"ca_file": ca.file}
        for version in ("3.1.1", "5"):
            Client(url, **trust, **mine, mqtt=version).close()
            for certificate, because in (
                ({}, "it demands a certificate of its clients: .*Give --cert and --key"),
                (old, r"our certificate .*old\.pem is not accepted, it has expired"),
                (foreign, r"our certificate .*foreign\.pem is not accepted, the broker does not trust its authority"),
            ):
                for _ in range(5):  # it used to depend on a race
                    with pytest.raises(BrokerError, match=because):
                        Client(url, **trust, **certificate, mqtt=version)
