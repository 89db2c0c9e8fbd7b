"""What all answers have in common; what was published, and what arrived of a feed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from factory_sim import views
from factory_sim.api.arguments import one_of
from factory_sim.results.feed import ListenResult, PublishResult
from factory_sim.results.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.api.kpi_table import KpiTable
    from factory_sim.results.record import Json
    from factory_sim.views.frames import DataFrame

ResultT = TypeVar("ResultT", bound=Record)


class Answer(Generic[ResultT]):
    """One record, as plain data, as a table and in a notebook."""

    def __init__(self, result: ResultT) -> None:
        self.result = result  # the whole answer as one record

    def to_dict(self) -> dict[str, Json]:
        """Return the answer as plain data.

        Returns
        -------
        dict
            The fields of the record; the content of `--json` of the command of the same name.
        """
        return self.result.to_dict()

    def to_pandas(self) -> DataFrame:
        """Return the answer as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            One row with the fields of the record.
        """
        return views.frames.record_frame(self.result)

    def _repr_html_(self) -> str:
        return views.frames.html(self.to_pandas(), heading=repr(self)[1:-1])


class Publication(Answer[PublishResult]):
    """What a run has published. Returned by `publish`.

    Attributes
    ----------
    result : factory_sim.results.feed.PublishResult
        What was published, as one record.

    Examples
    --------
    >>> import factory_sim as fs
    >>> sent = fs.publish("line.yaml", broker_url, duration="5 min", speed="max", progress=False)
    >>> sent.result.good_parts > 0, len(sent.to_pandas())
    (True, 1)
    """

    def __repr__(self) -> str:
        return f"<Publication below {self.result.root}: {self.result.readings:,} readings>"


class Feed(Answer[ListenResult]):
    """What arrived of a feed, and its KPIs. Returned by `listen`.

    Attributes
    ----------
    result : factory_sim.results.feed.ListenResult
        Counts, findings and KPIs as one record.

    Examples
    --------
    >>> import factory_sim as fs
    >>> feed = fs.listen(broker_url, root="line/feed", progress=False)
    >>> feed.result.ended, feed.kpis()["operation.oee", "WASH"] > 0
    (True, True)
    """

    def __init__(self, result: ListenResult, kpis: KpiTable, windows: Mapping[str, KpiTable] | None = None) -> None:
        super().__init__(result)
        self._kpis, self._windows = kpis, windows or {}

    def kpis(self, window: str = "") -> KpiTable:
        """Return the KPIs of the window, or of the part of it that has arrived.

        Parameters
        ----------
        window : str
            One of `result.windows`, such as `"1 h"` or `"last shift"`; `""`: the whole window of a run of at most two
            days, else the present shift.

        Returns
        -------
        KpiTable
            All KPIs; energy comes from the meters that the analyzer trusts.

        Raises
        ------
        ConfigError
            When the feed has no such window.
        """
        return self._windows[one_of("window", window, self._windows)] if window else self._kpis

    def to_pandas(self) -> DataFrame:
        """Return the KPIs as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            The table of `kpis()`, one row per value.
        """
        return self._kpis.to_pandas()

    def __repr__(self) -> str:
        counts = self.result.feed
        return f"<Feed of {self.result.plant}: {counts.readings:,} readings, {counts.lost:,} lost>"

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>{self._kpis._repr_html_()}"
