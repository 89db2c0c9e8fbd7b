"""The page beside a publisher: a process of its own listens to the broker and serves, so that it slows no publisher.

The publisher's process sends it a job on standard input, and reads lines of JSON: its address and remarks, and twice a
second how far it is. It ends when its input ends: also when its parent was killed.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Event, Thread
from typing import IO, TYPE_CHECKING

from factory_sim.analysis.warm_kernels import warm
from factory_sim.api.page.serving import Offers, Shown, conclude, serving
from factory_sim.api.progress import ProgressEvent
from factory_sim.clock import US_PER_S
from factory_sim.errors import BrokerError, FactoryError, PageError
from factory_sim.live import listen as listening
from factory_sim.live.pacing import rest
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory_sim.api.progress import Report
    from factory_sim.live.page.live_page import LivePage
    from factory_sim.wire.mqtt.client_options import ClientOptions

    Hold = Callable[[int, float], None]

STAYS = "The run has ended. Its page is served until Ctrl-C."
LAG_S = 5.0  # of real time, that a page may be behind the publisher beside it
_START_S, _END_S = 120.0, 5.0
_IDLE_S, _TURN_S = 2.0, 0.1  # without progress, after which a page is not waited for
_NICE = 5  # of the page's process: the publisher goes first
_PROGRAM = "from factory_sim.api.page.beside import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What a page's process is for."""

    where: Shown
    url: str
    options: ClientOptions
    root: str
    offers: Offers


# ---- the publisher's side


@contextmanager
def watched(
    where: Shown, url: str, options: ClientOptions, root: str, report: Report, offers: Offers
) -> Iterator[Hold]:
    """Serve the page of the feed that this process publishes. Raises PageError.

    Yield a function that waits while the page is more than LAG_S behind an instant of the run [µs] at a speed.
    """
    job = _Job(where=where, url=url, options=replace(options, is_stopped=_never), root=root, offers=offers)
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,  # Ctrl-C reaches the publisher alone; in a new session Linux would ignore its priority
    ) as process:
        page = _Page(process, report)
        try:
            page.begin(job)
            yield partial(page.hold, options.is_stopped)
            page.wait_for_end(options.is_stopped)
        finally:
            page.end()


def stay(where: Shown | None, report: Report, stop: Event, wait: Callable[[float], None]) -> None:
    """Let the page of a run that has ended be looked at until `stop` is set; `wait` services the connection."""
    if where is not None and not stop.is_set():
        report(ProgressEvent(stage="subscribed", message=STAYS))
        rest(math.inf, stop, wait)


class _Page:
    """A page's process, as its publisher sees it."""

    def __init__(self, process: subprocess.Popen[bytes], report: Report) -> None:
        self._process, self._report = process, report
        self._reached_us, self._readings, self._error = -1, 0, ""
        self._listens, self._has_ended = Event(), Event()
        self._reader = Thread(target=self._read, name="page", daemon=True)

    def begin(self, job: _Job) -> None:
        """Start to serve; return when the page listens to the feed. Raises PageError."""
        assert self._process.stdin is not None
        self._reader.start()
        with suppress(BrokenPipeError):  # it has ended; the reason was read, or follows
            pickle.dump(job, self._process.stdin)
            self._process.stdin.flush()
        self._listens.wait(_START_S)
        if self._error or not self._listens.is_set():
            raise PageError(self._error or f"The page did not start within {_START_S:g} s.")

    def hold(self, is_stopped: Callable[[], bool], t_us: int, speed: float) -> None:
        """Wait while the page is behind, as long as it advances: a publisher that is too fast would show the past."""
        wanted_us = t_us - (max(LAG_S * speed, LAG_S) * US_PER_S if math.isfinite(speed) else math.inf)
        seen_us, idle_until_s = -1, time.monotonic() + _IDLE_S
        while not self._has_ended.is_set() and not is_stopped() and self._reached_us < wanted_us:
            if self._reached_us > seen_us:
                seen_us, idle_until_s = self._reached_us, time.monotonic() + _IDLE_S
            elif time.monotonic() > idle_until_s:
                return
            time.sleep(_TURN_S)

    def wait_for_end(self, is_stopped: Callable[[], bool]) -> None:
        """Wait until the page has received the end of the run, as long as it receives anything."""
        seen = -1
        while self._readings > seen and not is_stopped() and not self._has_ended.wait(_END_S):
            seen = self._readings

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if text := said.get("message"):
                self._report(ProgressEvent(stage="subscribed", message=text))
            self._reached_us, self._readings = said.get("reached_us", self._reached_us), said.get("readings", 0)
            self._error = said.get("error", self._error)
            if said.get("listens"):
                self._listens.set()
            if said.get("ended"):
                self._has_ended.set()
        self._error = self._error or "The process of the page has ended."
        self._has_ended.set()
        self._listens.set()


def _never() -> bool:
    return False


# ---- the page's process


def main() -> None:
    """Serve the page of the job on standard input until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICE)
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # what a library prints is no line for the publisher
    job: _Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our parent
    stop = Event()
    Thread(target=_end_with_input, args=(stop,), daemon=True).start()
    try:
        _serve(job, stop, partial(_say, out))
    except FactoryError as error:
        _say(out, error=str(error))


def _serve(job: _Job, stop: Event, say: Callable[..., None]) -> None:
    with serving(job.where, job.root, lambda event: say(message=event.message), job.offers) as page:
        listener = listening.Listener(job.root, store=page)
        warm()  # so that the broker need not wait for a compiler
        Thread(target=_tell, args=(page, listener, stop, say), daemon=True).start()
        try:
            with Client(job.url, replace(job.options, is_stopped=stop.is_set)) as client:
                ready = partial(say, listens=True)
                listening.listen(listener, client, ready=ready, watch=partial(conclude, page), stop=stop)
            conclude(page, listener, at_once=True)
        except BrokerError as error:
            say(message=f"! The live page has lost its feed: {error}", listens=True)
        say(ended=True)
        stop.wait()


def _tell(page: LivePage, listener: listening.Listener, stop: Event, say: Callable[..., None]) -> None:
    """Report twice a second how far the page is."""
    while not stop.wait(2 * _TURN_S):
        say(reached_us=page.reached_us, readings=listener.counts.readings)


def _say(out: IO[bytes], **said: object) -> None:
    with suppress(OSError, ValueError):  # the publisher has ended
        out.write(json.dumps(said).encode() + b"\n")
        out.flush()


def _end_with_input(stop: Event) -> None:
    sys.stdin.buffer.read()
    stop.set()
