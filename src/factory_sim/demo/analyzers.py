"""The analyzers of the demo: processes that never import the simulator, and what they find."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from factory_sim.demo.headline import figures
from factory_sim.errors import FactoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.demo.setting import Watcher
    from factory_sim.plant.spec import Plant
    from factory_sim.results.demo import Figures

READY = "listening"  # first line of an analyzer that has subscribed
PATIENCE_S = 300.0  # for an analyzer to finish after the last message


class AnalyzerError(FactoryError):
    """An analyzer process that ended without a result."""


class Analyzer:
    """`factory-sim listen` as a process of its own, which never imports the simulator."""

    def __init__(self, url: str, root: str) -> None:
        self._root = root
        self._folder = tempfile.TemporaryDirectory(prefix="factory-sim-")
        self._file = Path(self._folder.name) / "kpis.json"
        words = ["listen", "--broker", url, "--root", root, "--json", str(self._file), "--quiet"]
        self._process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "factory_sim", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        """Return the running analyzer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the analyzer if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def wait_until_ready(self) -> None:
        """Wait until it has subscribed; from then on it misses nothing."""
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith(READY):
            raise self._error()

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def result(self) -> dict[str, Any]:
        """Return its JSON after the end of the feed."""
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            message = f"The analyzer of {self._root} did not finish within {PATIENCE_S:g} s."
            raise AnalyzerError(message) from None
        if self._process.returncode or not self._file.exists():
            raise self._error()
        found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return found

    def _error(self) -> AnalyzerError:
        _, said = self._process.communicate()
        code = self._process.returncode
        return AnalyzerError(f"The analyzer of {self._root} ended with code {code}:\n{said.strip()}")


class Analyzers:
    """The analyzers of all plants, and what they have found."""

    def __init__(self, plants: Mapping[str, Plant], watcher: Watcher) -> None:
        self.of: dict[str, Analyzer] = {}
        self._plants, self._watcher = plants, watcher
        self._received: dict[str, dict[str, Any]] = {}
        self._found: dict[str, Figures] = {}

    def start(self, name: str, analyzer: Analyzer) -> None:
        """Add the analyzer of a plant."""
        self.of[name] = analyzer

    def look(self) -> None:
        """Report the figures of every analyzer that has ended since the last look."""
        for name, analyzer in self.of.items():
            if analyzer.is_done:
                self.conclude(name)

    def conclude(self, name: str) -> None:
        """Wait until an analyzer has ended, and report its figures, once."""
        if name in self._received:
            return
        self._received[name] = self.of[name].result()
        self._found[name] = figures(self._received[name]["kpis"], self._plants[name])
        self._watcher.found(name, self._found[name])

    def finish(self) -> tuple[dict[str, dict[str, Any]], dict[str, Figures]]:
        """Wait for the others; return the JSON and the figures of each."""
        for name in self.of:
            self.conclude(name)
        return self._received, self._found
