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

INSTALLED = []
for one in servers.SERVERS:
    try:
        INSTALLED.append(servers.find(one)[0])
    except BrokerError:
        continue

PARENT = """
import signal, sys, time
from factory_sim.wire.broker.embedded import Broker
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background of a shell inherits "ignore"
with Broker(server=sys.argv[1]) as broker:
    print(broker.pid, broker.port, flush=True)
    time.sleep(60)
"""


def lives(pid: int) -> bool:
    """Whether a process runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int, within_s: float = 60.0) -> bool:
    end = time.monotonic() + within_s
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not lives(pid)


@pytest.mark.parametrize("server", INSTALLED)
def test_it_runs_within_its_context_and_leaves_nothing(server: str) -> None:
    with Broker(server=server) as broker:
        pid, folder = broker.pid, broker._folder
        assert folder is not None
        assert folder.exists()
        with Client(broker.url) as client:
            client.subscribe(["a"])
            client.publish([Message("a", b"1")])
            assert [m.payload for m in client.messages(0.3)] == [b"1"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not folder.exists()
    assert broker.pid == 0


@pytest.mark.parametrize("server", INSTALLED)
def test_it_can_ask_for_user_and_password(server: str) -> None:
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
def test_it_ends_with_its_parent(server: str, sent: int) -> None:
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


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("server", INSTALLED)
@pytest.mark.parametrize("qos", [0, 1])
def test_a_subscriber_that_stands_still_costs_bounded_memory_and_what_it_loses_is_told(
    server: str, qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_MAX_PENDING", 4_000_000)
    count, payload = 4_000, bytes(10_000)
    with (
        Broker(server=server) as broker,
        Client(broker.url) as still,
        Client(broker.url, reconnect_timeout_s=1.0) as sender,
    ):
        still.subscribe(["x"], qos=qos)
        with suppress(BrokerError):  # mosquitto disconnects the publisher at its memory's end
            sender.publish([Message("x", payload, qos=1)] * count)
            sender.flush()
        dropped = broker.drops
        assert resident_mb(broker.pid) < 80
        got = sum(1 for _ in still.messages(0.5))
        assert dropped > 0 or got == count


@pytest.mark.skipif(os.name != "posix", reason="process ids mean something else there")
def test_files_of_a_killed_parent_go_with_the_next_start() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = Path(tempfile.mkdtemp(prefix=f"factory-sim-broker-{gone.pid}-"))
    ours = Path(tempfile.mkdtemp(prefix=f"factory-sim-broker-{os.getpid()}-"))
    with Broker():
        assert not left.exists()
        assert ours.exists()
    ours.rmdir()


def test_a_port_that_is_in_use_is_named_with_a_way_out() -> None:
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
    choose = broker_module._free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], choose()]
        monkeypatch.setattr(broker_module, "_free_port", lambda: ports.pop(0))
        with Broker() as broker:
            assert ports == []
            Client(broker.url).close()


def test_without_a_server_both_are_named_and_the_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(BrokerError, match=r"nats-server .*or mosquitto .*--broker URL"), Broker():
        pass


def test_an_unknown_server_is_told_the_right_name() -> None:
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
