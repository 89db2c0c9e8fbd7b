"""Loaded plants and their tables."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from factory_sim import views
from factory_sim.api.arguments import Changes, path_of, refuse, texts_of, writing
from factory_sim.study.arms import Variant
from factory_sim.views.html import plant_drawing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from factory_sim.plant import spec
    from factory_sim.views.frames import DataFrame


class Table:
    """A table with named columns, made when it is needed.

    Examples
    --------
    >>> import factory_sim as fs
    >>> machines = fs.load("line.yaml").machines
    >>> len(machines), machines.to_dict()[0]["machine"]
    (3, 'M001')
    >>> machines.to_pandas()["cycle_time_s"].round().tolist()
    [37.0, 45.0, 35.0]
    """

    def __init__(self, make: Callable[[], DataFrame]) -> None:
        self._make = make

    def to_pandas(self) -> DataFrame:
        """Return the table as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            One row per entry; units are part of the column names.
        """
        return self._make()

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the table as a list of rows.

        Returns
        -------
        list of dict
            Column name to value, one dict per row.
        """
        return [{str(name): value for name, value in row.items()} for row in self._make().to_dict("records")]

    def __len__(self) -> int:
        return len(self._make())

    def __repr__(self) -> str:
        return repr(self._make())

    def _repr_html_(self) -> str:
        return views.frames.html(self._make())


class Plant:
    """A loaded plant: what it consists of, and how it was loaded.

    Returned by `load`. Every call that takes the name of a plant also takes this object, and loads the file again with
    the same changes, so that studies can be resumed and replayed.

    Examples
    --------
    >>> import factory_sim as fs
    >>> plant = fs.load("line.yaml", {"WASH.buffer": 5})
    >>> plant.name, plant.changes, len(plant.machines)
    ('line', ('WASH.buffer=5',), 3)
    """

    def __init__(self, resolved: spec.Plant) -> None:
        self._spec = resolved

    @property
    def name(self) -> str:
        """Name of the plant, as its file has it."""
        return self._spec.name

    @property
    def title(self) -> str:
        """Title of the plant or scenario."""
        return self._spec.title

    @property
    def file(self) -> str:
        """Path or packaged name that the plant was loaded from."""
        return variant_of(self).file

    @property
    def changes(self) -> tuple[str, ...]:
        """Changes that were applied to the file."""
        return variant_of(self).overrides

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved plant: equal digests mean equal plants."""
        return self._spec.digest

    @property
    def machines(self) -> Table:
        """Machines with operation, section, kind, mean cycle time [s], power when busy [W] and failure modes."""
        return Table(partial(views.frames.machine_frame, self._spec))

    @property
    def operations(self) -> Table:
        """Operations with section, number of machines, mean cycle time [s], buffer places and next operation."""
        return Table(partial(views.frames.operation_frame, self._spec))

    @property
    def sensors(self) -> Table:
        """Sensors with unit, kind, period [s], measuring range and resolution in their unit of measure."""
        return Table(partial(views.frames.sensor_frame, self._spec))

    def draw(self, path: str | os.PathLike[str] | None = None) -> str:
        """Draw the plant: sections in flow order, operations, machines, buffers and transport.

        Parameters
        ----------
        path : str or path, optional
            File for the drawing, `.svg`.

        Returns
        -------
        str
            The drawing as SVG.

        Raises
        ------
        ConfigError
            When the file cannot be written.

        Examples
        --------
        >>> import factory_sim as fs
        >>> fs.load("line.yaml").draw().startswith("<svg")
        True
        """
        found = plant_drawing.svg(plant_drawing.outline(self._spec))
        if path is not None:
            file = path_of("path", path)
            with writing(file):
                file.write_text(found, encoding="utf-8")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the plant's identity and its tables.

        Returns
        -------
        dict
            `name`, `title`, `file`, `changes`, `digest`, and `machines`, `operations`, `sensors` as lists of rows.
        """
        about = {"name": self.name, "title": self.title, "file": self.file, "changes": list(self.changes)}
        tables = {name: getattr(self, name).to_dict() for name in ("machines", "operations", "sensors")}
        return {**about, "digest": self.digest, **tables}

    def to_pandas(self) -> DataFrame:
        """Return the operations as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            The table `operations`, one row per operation in flow order.
        """
        return self.operations.to_pandas()

    def __repr__(self) -> str:
        counts = f"{len(self._spec.operations)} operations, {len(self._spec.machines)} machines"
        return f"<Plant {self.name}: {counts}{f', changes={list(self.changes)}' if self.changes else ''}>"

    def _repr_html_(self) -> str:
        return views.frames.html(self.to_pandas(), heading=repr(self)[1:-1])


PlantLike: TypeAlias = "str | os.PathLike[str] | Plant"


def load(plant: str | Path | Plant, changes: Changes = None) -> Plant:
    """Load a plant or scenario.

    Parameters
    ----------
    plant : str, path or Plant
        A plant or scenario file, the name of a packaged one such as `"gearbox_line"`, or a loaded plant.
    changes : mapping, Change, str or list of these, optional
        Changes to apply on top: `{"OP410.cycle_time": "34 s"}`, `"agv.count+2"` or `fs.Change("agv.count", 2, "+")`.

    Returns
    -------
    Plant
        The checked plant.

    Raises
    ------
    ConfigError
        When a file cannot be read or used; carries all problems at once.

    Examples
    --------
    >>> import factory_sim as fs
    >>> fs.load("line.yaml")
    <Plant line: 3 operations, 3 machines>
    >>> fs.load("line.yaml", ["WASH.buffer+2", fs.Change("CUT.buffer", 4)]).changes
    ('WASH.buffer+2', 'CUT.buffer=4')
    """
    return Plant(variant_of(plant, changes).load())


def variant_of(plant: PlantLike, changes: Changes = None) -> Variant:
    """Return how a plant with changes is loaded. Raise ConfigError when it cannot be loaded again."""
    texts = texts_of(changes)
    if isinstance(plant, Plant):
        origin = plant._spec.origin  # noqa: SLF001 - the module's own class
        if origin is None:
            refuse("plant", "was not loaded from a file", "Use fs.load.")
        return Variant(origin.file, origin.groups, (*origin.changes, *texts))
    if not isinstance(plant, str | os.PathLike) or not str(plant):
        refuse(
            "plant", f"expected a plant's name or file, or a loaded plant, got {plant!r}", "Example: 'gearbox_line'."
        )
    return Variant(os.fspath(plant), None, texts)


def file_and_changes(plant: Plant) -> tuple[str, tuple[str, ...]]:
    """Return what a snapshot keeps of a plant. Raise ConfigError when that is not all."""
    if variant_of(plant).changes is not None:
        refuse("plant", "a snapshot keeps a file and changes, not a choice of groups", "Load the scenario without one.")
    return plant.file, plant.changes


def resolved(plant: PlantLike, changes: Changes = None) -> Plant:
    """Return the loaded plant itself, or load it where it is a name or is changed."""
    return plant if isinstance(plant, Plant) and changes is None else load(plant, changes)  # type: ignore[arg-type]


def spec_of(plant: Plant) -> spec.Plant:
    """Return the resolved plant that the engines read."""
    return plant._spec  # noqa: SLF001 - the module's own class
