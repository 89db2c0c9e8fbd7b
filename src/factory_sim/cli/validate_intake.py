"""`validate intake`: stop rules and cycle detection against data of third parties."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import options

if TYPE_CHECKING:
    from factory_sim.validation.intake_cases import IntakeResult

_UMH = "Folder with stop-rule cases of the United Manufacturing Hub: *.golden."
_NIST = "Folder with days of machines, DAY.csv and DAY.cycles.csv, and counters, *.part_count.csv."
Folder = Annotated[Path | None, typer.Option(help=_UMH, exists=True, file_okay=False)]


def intake(
    *,
    umh: Folder = None,
    nist: Annotated[Path | None, typer.Option(help=_NIST, exists=True, file_okay=False)] = None,
    out: options.JsonFile = None,
) -> None:
    """Run cases of real machines: stop rules, cycles by state word, cycles detected from loads.

    Exit code 1 unless every case is right and every day's state word yields exactly the cycles listed. A case that
    cannot be read is not right. The accuracy of detected cycles is reported; below a confidence of 0.6 a day has none.

    Example: factory-sim validate intake --nist tests/intake/data/nist --json intake.json
    """
    from factory_sim.validation import intake_cases

    if umh is None and nist is None:
        options.refuse("expected --umh DIR, --nist DIR or both")
    cases, days = [], []
    if umh is not None:
        cases += intake_cases.stop_cases(umh)
    if nist is not None:
        for case, day in intake_cases.days_of(nist):
            cases.append(case)
            days += [day] if day is not None else []
    if not cases:
        options.refuse("the folders contain no case")
    found = intake_cases.result_of(cases, days)
    options.answered(out, found, _text(found), ok=found.ok)


def _text(found: IntakeResult) -> str:
    lines = [f"{sum(case.ok for case in found.cases)} of {len(found.cases)} cases are right"]
    lines += [f"  {case.name}: {case.reason}" for case in found.cases if not case.ok]
    for day in found.days:
        shown = f"{day.found} found, {day.hit} of {day.true} hit" if day.reported else "not derivable"
        lines.append(f"  {day.name}: cycles from loads, confidence {day.confidence:.2f}: {shown}")
    if found.recall is not None and found.precision is not None:
        rates = f"recall {found.recall:.2f}, precision {found.precision:.2f}"
        lines.append(f"{found.days_reported} of {len(found.days)} days reported: {rates}")
    return "\n".join(lines)
