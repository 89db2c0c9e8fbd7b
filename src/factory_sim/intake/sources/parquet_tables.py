"""Parquet files, read row group by row group, and only the columns that are mapped."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from factory_sim.errors import ConfigError
from factory_sim.intake.sources.column_tables import Long, Places, Wide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import Observations

_ROWS = 131_072


def observations(stream: IO[bytes], name: str, source: SourceMap, context: Context) -> Iterator[Observations]:
    """Yield the observations of a file."""
    try:
        file = parquet.ParquetFile(stream)
        names = file.schema_arrow.names
        table = (Long if source.layout == "long" else Wide)(source, context, names, name)
        texts = [
            field.name for field in file.schema_arrow if pa.types.is_string(field.type) and field.name in table.columns
        ]
        if texts:
            stream.seek(0)
            file = parquet.ParquetFile(stream, read_dictionary=texts)
        rows = 0
        for batch in file.iter_batches(_ROWS, columns=table.columns):
            yield from table.read(batch, Places(name, "row", np.arange(rows + 1, rows + batch.num_rows + 1)))
            rows += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError.of(
            name, f"is not a readable Parquet file: {first}", "Other tables need a source `csv:`."
        ) from None
