"""What all answers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from factory_sim.results.record import Record
from factory_sim.views import frames

if TYPE_CHECKING:
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
        return frames.record_frame(self.result)

    def _repr_html_(self) -> str:
        return frames.html(self.to_pandas(), heading=repr(self)[1:-1])
