"""KPIs by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np

from factory_sim import views
from factory_sim.api.arguments import one_of
from factory_sim.views.kpi_dict import kpi_dict, things

if TYPE_CHECKING:
    from factory_sim import records
    from factory_sim.results.record import Json
    from factory_sim.views.frames import DataFrame


class KpiTable:
    """KPIs of the line, its sections, operations and machines.

    Attributes
    ----------
    record : factory_sim.records.KpiTable
        The values as float64 arrays, shape () for the line, else (n,), with their units.

    Examples
    --------
    >>> import factory_sim as fs
    >>> kpis = fs.simulate("line.yaml", duration="1 h").kpis()
    >>> kpis["line.good_parts"] > 60
    True
    >>> 0 < kpis["operation.oee", "WASH"] < 1
    True
    """

    def __init__(self, table: records.KpiTable) -> None:
        self.record = table  # the values as arrays

    @overload
    def __getitem__(self, key: str) -> float: ...
    @overload
    def __getitem__(self, key: tuple[str, str]) -> float: ...
    def __getitem__(self, key: str | tuple[str, str]) -> float:
        """Return one value: `kpis["line.good_parts_per_h"]` or `kpis["operation.oee", "OP410"]`."""
        name, of = (key, "line") if isinstance(key, str) else key
        values = self.values(name)
        one_of(f"name of a KPI per {self.record.kpis[name].per}", of, values)
        return values[of]

    def values(self, name: str) -> dict[str, float]:
        """Return all values of one KPI.

        Parameters
        ----------
        name : str
            Name of the KPI, such as `"operation.oee"`; `factory-sim list kpis` lists them.

        Returns
        -------
        dict of str to float
            By operation, machine or section; a KPI of the line has the key `"line"`. NaN: not defined.

        Raises
        ------
        ConfigError
            When there is no such KPI; the message names the nearest one.
        """
        kpi = self.record.kpis[one_of("KPI", name, self.record.kpis)]
        return dict(zip(things(self.record, kpi.per), np.reshape(kpi.values, -1).tolist(), strict=True))

    def to_pandas(self) -> DataFrame:
        """Return all KPIs as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            One row per value, with the columns `kpi`, `per`, `name`, `value`, `unit`, `low`, `high` and `note`: bounds
            where a state is unknown for some time, and why a value is not defined or what it assumes.
        """
        return views.frames.kpi_frame(self.record)

    def to_dict(self) -> dict[str, Json]:
        """Return all KPIs as plain data.

        Returns
        -------
        dict
            KPI to `unit`, `per`, `better`, `source` and, by name, `values` (None: not defined), `reasons` (why),
            `marks` (assumptions and causes), and the bounds `low` and `high`.
        """
        return kpi_dict(self.record)

    def __len__(self) -> int:
        return len(self.record.kpis)

    def __repr__(self) -> str:
        return repr(self._line())

    def _repr_html_(self) -> str:
        return views.frames.html(self._line())

    def _line(self) -> DataFrame:
        frame = self.to_pandas()
        return frame[frame["per"] == "line"]
