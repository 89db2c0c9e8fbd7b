"""Registry of sensor kinds, behaviours, policies, formats, links, KPIs and plants, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant import load as loader
from factory_sim.plant.catalogue import PROFILES, Catalogue
from factory_sim.sensing.kinds import KINDS
from factory_sim.sim.reference.behaviours import BEHAVIOURS
from factory_sim.sim.reference.policies import POLICIES

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.plant.spec import LinkProfile, Plant


def catalogue() -> Catalogue:
    """Return the names that a plant file may use."""
    return Catalogue(KINDS, tuple(BEHAVIOURS), tuple(POLICIES))


def load(path: str | Path) -> Plant:
    """Load the plant of a file or of a packaged name; raise ConfigError with all of its problems."""
    return loader.load(path, catalogue())


def listed() -> dict[str, dict[str, str]]:
    """Return the topics of `factory-sim list`, each a mapping of a name to one sentence."""
    from factory_sim.analysis.kpis import KPIS  # noqa: PLC0415 - a run needs no KPIs
    from factory_sim.wire.formats import FORMATS  # noqa: PLC0415 - a run needs no formats

    return {
        "sensors": {name: f"{kind.help} [{kind.unit_text}]" for name, kind in KINDS.items()},
        "behaviours": {name: behaviour.title for name, behaviour in BEHAVIOURS.items()},
        "policies": {name: (policy.__doc__ or "").partition("\n")[0] for name, policy in POLICIES.items()},
        "formats": {name: entry.title for name, entry in FORMATS.items()},
        "links": {name: _link(profile) for name, profile in PROFILES.items()},
        "kpis": {name: f"{kpi.source} [{kpi.unit}]" for name, kpi in KPIS.items()},
        "plants": {name: str(path) for name, path in loader.packaged().items()},
    }


def _link(profile: LinkProfile) -> str:
    delay = f"{profile.latency_s * 1e3:g} ms, jitter {profile.jitter_s * 1e3:g} ms"
    outages = f", {profile.outage_s:g} s cut off every {profile.outage_every_s / 3600:g} h" if profile.outage_s else ""
    return f"{delay}, loss {profile.loss * 100:g} %{outages}"
