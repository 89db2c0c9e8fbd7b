"""Programs as a user starts them, and their resource use from /proc (Linux only)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from factory_sim.errors import FactoryError
from factory_sim.wire.broker.embedded import Broker, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUSY = 0.25  # share of the time in which a process waits for a CPU; above it latencies are not judged
END_S = 120.0  # how long a program may take to end by itself, or to begin

EMPTY = ("--warm-up", "0 s")  # options of `run`: from empty, at once


@dataclass
class Usage:
    """Memory and CPU time of a process, sampled from time to time."""

    pid: int
    rss_mb: list[float] = field(default_factory=list)
    _times: list[tuple[float, float, float]] = field(default_factory=list)  # clock, CPU, waiting for a core [s]

    def look(self) -> None:
        """Sample once more; an ended process keeps its last values."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
            ran_ns, waited_ns, _ = Path(f"/proc/{self.pid}/schedstat").read_text(encoding="ascii").split()
        except (FileNotFoundError, ProcessLookupError):
            return
        resident = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")), None)
        if resident is not None:
            self.rss_mb.append(int(resident) / 1024)
            self._times.append((time.monotonic(), int(ran_ns) / 1e9, int(waited_ns) / 1e9))

    @property
    def share(self) -> float:
        """Return CPU seconds per second of the main thread between the first and the last sample."""
        return self._rate(1)

    @property
    def waiting(self) -> float:
        """Return the seconds per second in which the process waited for a CPU."""
        return self._rate(2)

    @property
    def growth_mb(self) -> float:
        """Return the mean memory of the last tenth of the samples less that of the first tenth [MB]."""
        n = max(1, len(self.rss_mb) // 10)
        return sum(self.rss_mb[-n:]) / n - sum(self.rss_mb[:n]) / n

    def _rate(self, column: int) -> float:
        first, last = self._times[0], self._times[-1]
        return (last[column] - first[column]) / (last[0] - first[0]) if last[0] > first[0] else 0.0


@dataclass(frozen=True, slots=True)
class Program:
    """A command that was started; its output is in `log`, after that of its predecessors."""

    process: subprocess.Popen[bytes]
    log: Path

    def wrote(self, words: str) -> int:
        """Return how often the log contains `words`."""
        return self.log.read_text(encoding="utf-8", errors="replace").count(words)

    def has_ended(self) -> bool:
        """Return whether it ended with code 0; raise FactoryError for another code."""
        if self.process.poll() not in (None, 0):
            fail(f"a program ended with exit code {self.process.returncode}", self.log)
        return self.process.returncode == 0


@contextmanager
def program(log: Path, *words: str) -> Iterator[Program]:
    """Start `factory-sim WORDS` with its output in `log`; kill it at the end if it still runs."""
    with (
        log.open("ab") as out,
        subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "factory_sim", *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out
        ) as process,
    ):
        try:
            yield Program(process, log)
        finally:
            process.kill()


@dataclass
class Crowd:
    """The load of the machine: the share of time in which a process waited for a CPU."""

    _begun: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), _stalled_s()))

    @property
    def share(self) -> float:
        """Return the share since the object was created."""
        clock, stalled = self._begun
        return (_stalled_s() - stalled) / max(1e-9, time.monotonic() - clock)


def _stalled_s() -> float:
    """Return the seconds since boot in which a process waited for a CPU; 0 where the kernel does not report it."""
    try:
        words = Path("/proc/pressure/cpu").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return next(int(word.removeprefix("total=")) for word in words if word.startswith("total=")) / 1e6


class Mortal(Broker):
    """A broker that can be killed: it loses everything that it stored, and its successor uses its port."""

    def __init__(self) -> None:
        super().__init__(port=free_port())
        self.kills = 0

    def kill(self, away_s: float = 0.0) -> None:
        """Kill the broker with SIGKILL and start the next one `away_s` later."""
        os.kill(self.pid, signal.SIGKILL)
        self.__exit__()
        time.sleep(away_s)
        self.__enter__()
        self.kills += 1


def need_linux() -> None:
    """Raise FactoryError on other systems than Linux."""
    if not Path("/proc/self/status").exists():
        message = "this self-test looks at processes through /proc: it runs on Linux only"
        raise FactoryError(message)


def wait_for(what: str, happened: Callable[[], bool], log: Path, timeout_s: float = END_S) -> None:
    """Wait until a condition holds. Raises FactoryError with the end of `log`."""
    end = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > end:
            fail(f"{what} did not come within {timeout_s:g} s", log)
        time.sleep(0.005)


def wait_for_end(of: str, *programs: Program) -> None:
    """Wait until all programs have ended. Raises FactoryError with the end of the first one's log."""
    wait_for(f"the end of {of}", lambda: all(each.has_ended() for each in programs), programs[0].log, 4 * END_S)


@contextmanager
def listening(out: Path, root: str, url: str, *words: str) -> Iterator[Program]:
    """Start `factory-sim listen`, which writes its result to `out`; return when it listens."""
    command = ("listen", "--root", root, "--broker", url, "--quiet", "--json", str(out), *words)
    with program(out.with_suffix(".log"), *command) as listener:
        wait_for("the listener", lambda: listener.wrote("listening below") > 0, listener.log)
        yield listener


def fail(what: str, log: Path) -> NoReturn:
    """Raise FactoryError with the end of `log`."""
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
    message = f"{what}; its log ends with:\n{tail}"
    raise FactoryError(message)


def unjudged(crowd: float) -> str:
    """Return the remark that latencies are not judged, where the machine was overloaded."""
    return f"; not judged: CPUs overloaded {crowd:.0%} of the time" if crowd >= BUSY else ""
