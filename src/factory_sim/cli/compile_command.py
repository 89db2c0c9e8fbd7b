"""`compile`: everything that is compiled on first use, now."""

from __future__ import annotations

import typer


def compile() -> None:  # noqa: A001 - the name of the command
    """Compile all kernels of this machine now, so that no later command waits for it.

    They are kept beside the package, or in the user's cache; nothing is compiled again until the sources change.

    Example: factory-sim compile
    """
    import time

    from factory_sim.api.kernels import compile_all
    from factory_sim.views.text.progress_bar import ProgressBar

    began = time.monotonic()
    with ProgressBar() as bar:
        for done, total, name in compile_all():
            bar.update(f"compiling {name}", done, total)
    typer.echo(f"All kernels are compiled ({time.monotonic() - began:.0f} s).")
