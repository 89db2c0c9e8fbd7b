"""`validate feed`: endurance proofs of the feed on this machine."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from factory_sim.api.arguments import one_of, seconds
from factory_sim.cli import options
from factory_sim.results.record import file_header
from factory_sim.views.text.terminal import say

PARTS = ("soak", "fuzz", "kills", "pause")
PUBLISHERS = 2  # killed, beside the brokers
JOURNALED = ("machine", "uns", "bulk")
Parts = Annotated[list[str] | None, typer.Option(help=f"Only this one: {', '.join(PARTS)}. May be repeated.")]
Minutes = Annotated[
    float, typer.Option(help="soak: length of the run with every sensor at 10 Hz; the full proof takes 10.", min=0.1)
]
P99 = Annotated[
    float,
    typer.Option(help="soak: highest accepted p99 latency [ms]; judged where the CPUs were not overloaded.", min=1),
]
Payloads = Annotated[int, typer.Option(help="fuzz: number for each reader; the full proof takes 1000000.", min=1)]
Kills = Annotated[int, typer.Option(help="kills: of the broker; the publisher is killed twice as well.", min=1)]
PauseTime = Annotated[str, typer.Option(metavar="TIME", help="pause: full proof 5 min.")]
Formats = Annotated[list[str] | None, typer.Option("--format", help=f"kills: {', '.join(JOURNALED)}. May be repeated.")]


class Result(Protocol):
    """The result of one proof."""

    def problems(self) -> list[str]:
        """Return the limits that were missed."""

    def text(self) -> list[str]:
        """Return lines for the terminal."""


def feed(
    *,
    part: Parts = None,
    minutes: Minutes = 1.0,
    p99: P99 = 25.0,
    payloads: Payloads = 20_000,
    kills: Kills = 10,
    pause: PauseTime = "1 min",
    payload_format: Formats = None,
    plant: Annotated[str, typer.Option(help="Plant of soak, kills and pause.")] = "gearbox_line",
    seed: Annotated[int, typer.Option(help="fuzz: which payloads.")] = 1,
    json: options.JsonFile = None,
) -> None:
    """Run the endurance proofs of the feed with real processes: soak, fuzz, kills, a stopped consumer.

    Exit code 1 if a limit is missed. Linux only.

    Example: factory-sim validate feed --part kills --kills 10
    """
    from factory_sim.validation.feed.processes import need_linux

    need_linux()
    for one in part or []:
        one_of("part", one, PARTS)
    for one in payload_format or []:
        one_of("payload_format", one, JOURNALED)
    found: dict[str, list[dict[str, Any]]] = {}
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="factory-sim-validate-") as name:
        folder = Path(name)
        makers: dict[str, Callable[[], Iterable[Result]]] = {
            "soak": lambda: _soak(folder, minutes, p99, plant),
            "fuzz": lambda: _fuzz(folder, payloads, seed),
            "kills": lambda: _kills(folder, payload_format or ["machine"], kills, plant),
            "pause": lambda: _pause(folder, seconds("pause", pause), plant),
        }
        for one in part or PARTS:
            for result in makers[one]():
                say("\n".join(result.text()))
                problems += result.problems()
                found.setdefault(one, []).append(dataclasses.asdict(result))  # type: ignore[call-overload]
    options.write_json(json, {**file_header(), **found, "problems": problems})
    for problem in problems:
        say(f"  ! {problem}", err=True)
    if problems:
        raise typer.Exit(1)


def _soak(folder: Path, minutes: float, p99: float, plant: str) -> list[Result]:
    from factory_sim.validation.feed.soak import soak

    with options.console().status(f"soak: {minutes:g} minutes ..."):
        return [soak(folder, minutes, plant=_absolute(plant), limit_ms=p99)]


def _fuzz(folder: Path, payloads: int, seed: int) -> Iterator[Result]:
    from factory_sim.validation.feed.fuzz import GENUINE_EVERY, fuzz
    from factory_sim.validation.feed.readers import readers

    all_readers = readers(folder)
    foreign = [message for reader in all_readers.values() for message in reader.genuine]
    for reader in all_readers.values():
        done = itertools.count(GENUINE_EVERY, GENUINE_EVERY)
        with options.bar(f"fuzz {reader.name}", payloads) as progress:
            result = fuzz(reader, payloads, seed, foreign, lambda: progress(next(done)))  # noqa: B023 - called here only
        yield result


def _kills(folder: Path, formats: list[str], n_brokers: int, plant: str) -> Iterator[Result]:
    from factory_sim.validation.feed.kills import kills

    for name in formats:
        with options.console().status(f"kills: {n_brokers} brokers and {PUBLISHERS} publishers, {name} ..."):
            result = kills(
                folder / f"kills-{name}",
                payload_format=name,
                n_brokers=n_brokers,
                n_publishers=PUBLISHERS,
                plant=_absolute(plant),
            )
        yield result


def _pause(folder: Path, seconds: float, plant: str) -> list[Result]:
    from factory_sim.validation.feed.pause import pause

    with options.console().status(f"pause: a consumer stopped for {seconds:g} s ..."):
        return [pause(folder / "pause", seconds, plant=_absolute(plant))]


def _absolute(plant: str) -> str:
    """Return a file name as an absolute path; the name of a built-in plant is unchanged."""
    return str(Path(plant).resolve()) if Path(plant).exists() else plant
