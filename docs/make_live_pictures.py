"""Take docs/generated/live_page.png and live_page_phone.png, the pictures of docs/live_page.md.

python docs/make_live_pictures.py: runs the reference line for some minutes and opens its page; it needs Chromium and
playwright.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "generated"
SIZES = {"live_page": (1280, 900), "live_page_phone": (390, 844)}
RUN = "run gearbox_line --speed 60 --duration 8h --start plant"
WATCHED_S = 90  # of real time, before the pictures are taken


def main() -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not installed. On Debian or Ubuntu: apt install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - after the check

    broker, page = free_port(), free_port()
    words = [*RUN.split(), "--port", str(broker), "--page", "--page-address", f"127.0.0.1:{page}"]
    run = subprocess.Popen([sys.executable, "-m", "factory_sim", *words], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{page}/"
        wait_for(url)
        time.sleep(WATCHED_S)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for name, (width, height) in SIZES.items():
                shown = browser.new_page(viewport={"width": width, "height": height})
                shown.goto(url)
                shown.wait_for_timeout(4000)
                shown.screenshot(path=PICTURES / f"{name}.png")
                print(f"Wrote docs/generated/{name}.png")
            browser.close()
    finally:
        run.terminate()
        run.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    for _ in range(240):
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - our own page
                return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"{url} does not answer.")


if __name__ == "__main__":
    main()
