"""Draw docs/generated/report.png, the picture of the README: python docs/make_picture.py.

It needs Chromium. An existing study may be given instead: python docs/make_picture.py retrofit.study.jsonl.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "generated" / "report.png"
SIZE = "1100,760"  # of the first screen


def main(words: list[str]) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("Chromium is not installed. On Debian or Ubuntu: apt install chromium")
    with TemporaryDirectory() as name:
        folder = Path(name)
        study = Path(words[0]) if words else folder / "retrofit.study.jsonl"
        program = [sys.executable, "-m", "factory_sim"]
        if not words:
            run = [*program, "compare", "gearbox_line", "retrofit", "--study", str(study)]
            subprocess.run(run, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        page = folder / "report.html"
        subprocess.run([*program, "report", str(study), "--out", str(page)], cwd=ROOT, check=True)
        flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", "--virtual-time-budget=5000"]
        target = [f"--window-size={SIZE}", f"--screenshot={PICTURE}", page.as_uri()]
        subprocess.run([browser, *flags, *target], check=True, stderr=subprocess.DEVNULL)
    print(f"Wrote {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
