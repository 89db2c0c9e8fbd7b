"""The live page of a feed beside its listener: where it is served, what it offers, what it concludes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.api.arguments import optional_path, refuse
from factory_sim.api.client_arguments import first_line
from factory_sim.api.progress import ProgressEvent
from factory_sim.errors import require_extra

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from factory_sim.api.client_arguments import PathLike
    from factory_sim.api.progress import Report
    from factory_sim.live import listen as listening
    from factory_sim.live.page.live_page import LivePage, WhatIf
    from factory_sim.live.page.page_address import PageAddress

PAGE_ADDRESS = "127.0.0.1:8800"
_SHARE = 0.1  # of the time, at most, that conclusions for the page may take


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a page is served."""

    address: PageAddress
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Offers:
    """What a page can show beside the present: the past, and what-if changes."""

    folder: Path | None = None  # of a recording
    run_id: str = ""  # of a run that is played again
    what_if: WhatIf | None = None


def past_of(record: PathLike | None) -> Offers:
    """Return what the page of a feed offers that is recorded in a folder, or not at all."""
    return Offers(optional_path("record", record))


def shown(page: bool, address: str, password_file: PathLike | None, *, is_published: bool = True) -> Shown | None:
    """Return where the page is served that arguments ask for; None: none is. Raises ConfigError and PageError."""
    if not page:
        if address != PAGE_ADDRESS or password_file is not None:
            given = "page_password_file" if password_file is not None else "page_address"
            refuse(given, "concerns the live page, which is not asked for", "Add --page, in Python page=True.")
        return None
    if not is_published:
        refuse("page", "shows a published run; this one is not published", "Leave it out, or name a broker.")
    require_extra("page", "The live page")
    from factory_sim.live.page.page_address import PageAddress  # noqa: PLC0415 - same

    try:
        where = PageAddress.parse(address)
    except ValueError:
        refuse("page_address", f"expected HOST:PORT, got {address!r}", f"Example: {PAGE_ADDRESS}")
    password = "" if password_file is None else first_line("page_password_file", password_file)
    where.check(password)
    return Shown(where, password)


@contextmanager
def serving(where: Shown, root: str, report: Report, offers: Offers = Offers()) -> Iterator[LivePage]:
    """Serve the page of the feed below `root`. Raises PageError."""
    from factory_sim.live.page.live_page import LivePage, Recording  # noqa: PLC0415 - few listeners show a page
    from factory_sim.live.page.server import PageServer  # noqa: PLC0415 - an extra

    recording = Recording(offers.folder, offers.run_id) if offers.folder is not None else None
    page = LivePage(root, what_if=offers.what_if, recording=recording)
    with PageServer(page, where.address, where.password) as server:
        report(ProgressEvent(stage="subscribed", message=f"Live page: {server.address.url}"))
        yield page


def conclude(page: LivePage, listener: listening.Listener, *, at_once: bool = False) -> None:
    """Show on a page what a listener concludes, unless the last time was too long and too short ago."""
    begin_s = time.monotonic()
    if not listener.counts.readings or (begin_s < page.conclude_due_s and not at_once):
        return
    from factory_sim.live.page.conclusions import concluded  # noqa: PLC0415 - the analysis is slow to import

    page.conclude(concluded(listener))
    end_s = time.monotonic()
    page.conclude_due_s = end_s + (end_s - begin_s) / _SHARE
