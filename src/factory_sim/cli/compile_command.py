"""`compile`: everything that is compiled on first use, now."""

from __future__ import annotations

from factory_sim.views.text.terminal import say


def compile() -> None:  # noqa: A001 - the name of the command
    """Compile all kernels now, so that no later command waits for it: about a minute, once on this machine.

    They are kept beside the package, or in the user's cache, until the sources change.

    Example: factory-sim compile
    """
    import time

    from factory_sim.analysis import warm_kernels
    from factory_sim.sim import engines
    from factory_sim.views.text.progress_bar import ProgressBar

    began = time.monotonic()
    parts = {
        "analysis": lambda: warm_kernels.warm(studies=True),
        "sensing": _sense,
        "the simulation engine": engines.compile_now,
    }
    with ProgressBar() as bar:
        for done, (name, compile_part) in enumerate(parts.items()):
            bar.update(f"compiling {name}", done, len(parts))
            compile_part()
    say(f"All kernels are compiled ({time.monotonic() - began:.0f} s).")


def _sense() -> None:
    """Publish a minute of the reference line in memory."""
    from factory_sim import registry
    from factory_sim.live.publish import RunSetup, publish
    from factory_sim.wire.loopback import Exchange, Loopback

    publish(registry.load("gearbox_line"), RunSetup(duration_s=60.0), Loopback(Exchange()))
