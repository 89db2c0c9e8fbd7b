"""The HTML page of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.study.compare.pairing import base_of
from factory_sim.study.compare.report_content import drawing, report_data
from factory_sim.study.optimise import optimise_study
from factory_sim.study.sweep import sweep_study
from factory_sim.views.html.points_page import optimise_html, sweep_html
from factory_sim.views.html.report_page import html

if TYPE_CHECKING:
    from factory_sim.study_records import Study


def page_of(study: Study, file: str) -> str:
    """Return a comparison, a sweep or an optimisation as one offline HTML file. Raise StudyError.

    file : name of the study file; "": it is not kept.
    """
    if "sweep" in study.header.more:
        return sweep_html(sweep_study.sweep_result(study), drawing(base_of(study)))
    if "optimise" in study.header.more:
        return optimise_html(optimise_study.optimisation_result(study), drawing(base_of(study)))
    return html(report_data(study, file))
