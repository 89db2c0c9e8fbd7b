"""`validate exact`: the engine against a table of values known from theory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory_sim.api.arguments import writing
from factory_sim.cli import options
from factory_sim.results.record import file_header
from factory_sim.views.text.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.validation.exact.row_run import Result
    from factory_sim.validation.exact.table_rows import Row


def exact(
    file: Annotated[Path, typer.Argument(help="A JSON table: top-level lists of rows with model, metric and value.")],
    *,
    out: options.JsonFile = None,
    workers: Annotated[int, typer.Option(help="Processes that share the rows.", min=1)] = 2,
    minutes: Annotated[float, typer.Option(help="Rows that are not precise by then count as missed.", min=0)] = 9.5,
    engine: Annotated[str, typer.Option(help="auto, simpy (the reference) or calendar (compiled).")] = "auto",
    seed: options.Seed = 1,
) -> None:
    """Simulate every row of a table of exact values until its interval is within 0.5 %, and check the exact value.

    The intervals are simultaneous with 99 % confidence (Bonferroni). Exit code 1 if a row misses, or is not precise
    enough in time. Ctrl-C keeps the finished rows.

    Example: factory-sim validate exact truth/tandem_exact.json --json exact.json
    """
    from factory_sim.study.pool import Pool
    from factory_sim.validation.exact import table
    from factory_sim.validation.exact import table_rows as tables

    rows = tables.read(file)
    table.check(rows)
    width = max(len(row.name) for row in rows)
    say(f"{'name':<{width}}  {'exact':>11} {'simulated':>11}  {'interval':<24} inside")
    results: list[Result] = []
    interrupted = False
    try:
        with Pool(workers, engine) as pool, options.bar("rows", len(rows)) as progress:
            for result in table.answers(rows, pool, minutes, seed):
                results.append(result)
                progress(len(results))
                say(_line(result, width))
                if out is not None:
                    _write(out, rows, results)
    except KeyboardInterrupt:
        interrupted = True
    if out is not None:
        _write(out, rows, results)  # also when no row was finished
    say(_verdict(rows, results))
    if interrupted:
        raise typer.Exit(130)
    if not all(result.ok for result in results):
        raise typer.Exit(1)


def _line(result: Result, width: int) -> str:
    found = result.estimate
    interval = f"[{found.low:.6g}, {found.high:.6g}]"
    return f"{result.row.name:<{width}}  {result.row.value:11.6g} {found.value:11.6g}  {interval:<24} {_word(result)}"


def _word(result: Result) -> str:
    if not result.inside:
        return "NO"
    if not result.sound:
        return "yes, but drawn times or arrivals deviate from their means"
    return "yes" if result.precise else "yes, but wider than 0.5 % at the time limit"


def _verdict(rows: Sequence[Row], results: Sequence[Result]) -> str:
    good = sum(result.ok for result in results)
    text = f"{good} of {len(rows)} rows hold, at 99 % confidence for all together"
    return text if len(results) == len(rows) else f"{text}; {len(rows) - len(results)} were not finished"


def _write(out: Path, rows: Sequence[Row], results: Sequence[Result]) -> None:
    """Write all rows so far in the order of the file; the file is replaced as a whole."""
    done = {result.row.key: result for result in results}
    found = [_json(done[row.key]) for row in rows if row.key in done]
    whole = {
        **file_header(),
        "confidence": 0.99,
        "rows_in_file": len(rows),
        "complete": len(found) == len(rows),
        "rows": found,
    }
    draft = out.with_name(out.name + ".part")
    with writing(out):
        draft.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(out)


def _json(result: Result) -> dict[str, Any]:
    row, found = result.row, result.estimate
    return {
        "name": row.name,
        "key": row.key,
        "model": row.model,
        "metric": row.metric,
        "exact": row.value,
        "simulated": found.value,
        "interval": [found.low, found.high],
        "inside": result.inside,
        "half_width_share": found.half_width / abs(row.value) if row.value else None,
        "precise": result.precise,
        "inputs_as_distributed": result.sound,
        "without_controls": found.plain,
        "without_controls_half_width": found.plain_half_width,
        "batch_correlation": found.memory,
        "engine": result.engine,
        "parts": result.parts,
        "seconds": round(result.seconds, 2),
    }
