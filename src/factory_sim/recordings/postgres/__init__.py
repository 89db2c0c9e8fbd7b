"""A feed in PostgreSQL: event rows, samples by the minute and KPIs, written once each, for Grafana."""

from importlib.resources import files


def dashboard() -> str:
    """Return the Grafana dashboard of the tables, as JSON."""
    return files(__name__).joinpath("grafana_dashboard.json").read_text(encoding="utf-8")
