from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from factory_sim.errors import BrokerError
from factory_sim.records import Message
from factory_sim.wire.broker import embedded as broker_module
from factory_sim.wire.broker import servers
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client

INSTALLED = list(servers.installed())

PARENT = """
import signal, sys, time
from factory_sim.wire.broker.embedded import Broker
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background of a shell inherits "ignore"
with Broker(server=sys.argv[1]) as broker:
    print(broker.pid, broker.port, flush=True)
    time.sleep(60)
"""


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int, within_s: float = 60.0) -> bool:
    end = time.monotonic() + within_s
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not lives(pid)


def folders() -> set[Path]:
    """The folders of this process's brokers."""
    return set(Path(tempfile.gettempdir()).glob(f"factory-sim-broker-{os.getpid()}-*"))


@pytest.mark.parametrize("server", INSTALLED)
def test_the_broker_runs_within_its_context_and_leaves_nothing(server: str) -> None:
    before = folders()
    with Broker(server=server) as broker:
        pid = broker.pid
        assert len(folders() - before) == 1
        with Client(broker.url) as client:
            client.subscribe(["a"])
            client.publish([Message("a", b"1")])
            assert [m.payload for m in client.messages(1.5)] == [b"1"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert folders() == before
    assert broker.pid == 0


@pytest.mark.parametrize("server", INSTALLED)
def test_the_broker_can_require_user_and_password(server: str) -> None:
    login = {"user": 'an"na', "password": 'p"w $x{}'}
    with Broker(server=server, **login) as broker:
        place = f"127.0.0.1:{broker.port}"
        Client(f"mqtt://an%22na@{place}", password=login["password"]).close()
        for wrong in (f"mqtt://an%22na:no@{place}", f"mqtt://{place}"):
            with pytest.raises(BrokerError, match="refused"):
                Client(wrong)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ends it with a killed parent")
@pytest.mark.parametrize("server", INSTALLED)
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_broker_ends_with_its_parent(server: str, sent: int) -> None:
    command = [sys.executable, "-c", PARENT, server]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": "src"}
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[0])
        assert lives(pid)
        parent.send_signal(sent)
        parent.wait(60)
    assert ends(pid)


@pytest.mark.parametrize("server", INSTALLED)
@pytest.mark.parametrize("qos", [0, 1])
def test_drops_for_a_stopped_subscriber_are_reported(server: str, qos: int) -> None:
    count, payload = 4_000, bytes(10_000)
    with (
        Broker(server=server, max_pending=4_000_000) as broker,
        Client(broker.url) as stopped,
        Client(broker.url, reconnect_timeout_s=1.0) as sender,
    ):
        stopped.subscribe(["x"], qos=qos)
        with suppress(BrokerError):  # mosquitto disconnects the publisher at its memory limit
            sender.publish([Message("x", payload, qos=1)] * count)
            sender.flush()
        dropped = broker.drops
        received = sum(1 for _ in stopped.messages(3.0))
        assert dropped > 0 or received == count


@pytest.mark.skipif(os.name != "posix", reason="process ids mean something else there")
def test_the_next_start_removes_files_of_a_killed_parent() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = Path(tempfile.mkdtemp(prefix=f"factory-sim-broker-{gone.pid}-"))
    ours = Path(tempfile.mkdtemp(prefix=f"factory-sim-broker-{os.getpid()}-"))
    with Broker():
        assert not left.exists()
        assert ours.exists()
    ours.rmdir()


def test_a_port_in_use_is_reported_with_advice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(BrokerError, match=f"mqtt://127.0.0.1:{port}: Address already in use.*--broker"),
            Broker(port=port),
        ):
            pass


def test_an_impossible_port_is_refused() -> None:
    with pytest.raises(BrokerError, match="expected a port from 0 to 65535"), Broker(port=70_000):
        pass


@pytest.mark.parametrize("server", INSTALLED)
def test_a_free_port_that_is_asked_for_is_used(server: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Broker(server=server, port=port) as broker:
        assert broker.url == f"mqtt://127.0.0.1:{port}"
        Client(broker.url).close()


def test_a_port_lost_to_another_program_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = broker_module.free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], choose(), choose(), choose()]
        monkeypatch.setattr(broker_module, "free_port", lambda: ports.pop(0))
        with Broker() as broker:
            assert ports == []
            Client(broker.url).close()


def test_the_error_without_a_server_names_both_servers_and_the_alternative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(BrokerError, match=r"nats-server .*or mosquitto .*--broker URL"), Broker():
        pass


def test_an_unknown_server_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BrokerError, match="Did you mean mosquitto"), Broker(server="mosqito"):
        pass


@pytest.mark.parametrize(
    ("script", "timeout_s", "said"),
    [
        ("#!/bin/sh\necho the disk is full\nexit 3\n", 60.0, "ended at once"),
        ("#!/bin/sh\necho hm\nsleep 20\n", 1.5, "within 1.5 s"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_server_that_does_not_start_shows_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, timeout_s: float, said: str
) -> None:
    program = tmp_path / "nats-server"
    program.write_text(script)
    program.chmod(0o700)
    monkeypatch.setattr(servers, "find", lambda _: ("nats", str(program)))
    monkeypatch.setattr(broker_module, "START_TIMEOUT_S", timeout_s)
    with pytest.raises(BrokerError, match=f"{said}; its log ends with:\n  (the disk is full|hm)"), Broker():
        pass
