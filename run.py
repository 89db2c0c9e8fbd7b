"""Start factory_sim from a fresh clone; only Python 3.11 or newer is needed.

python3 run.py               the demo
python3 run.py test          the tests (--all: also the long ones; other words go to pytest)
python3 run.py COMMAND ...   any factory-sim command; `python3 run.py --help` lists them

The first start creates .venv beside this file and installs the package there; later starts find it installed.
This file must stay readable for old Pythons, so that it can report which version is needed.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "factory_sim.json"  # what is installed; {} while an installation is running
LOCK = VENV / "factory_sim.lock"
TESTING = ("test", "bench", "validate")  # commands that need the libraries of the tests


def main(words: "list[str]") -> int:
    """Install what is missing, then run the command in `words` in place of this process."""
    if sys.version_info < OLDEST:
        return say(too_old())
    try:
        VENV.mkdir(exist_ok=True)
        with locked(LOCK):
            prepare(testing=bool(words) and words[0] in TESTING)
    except StopError as stop:
        return say(str(stop))
    except OSError as error:
        return say(f"Cannot prepare {VENV}: {error}")
    except KeyboardInterrupt:
        return say("\nInterrupted. The next start installs again from the beginning.", 130)
    if words[:1] == ["test"]:
        os.chdir(ROOT)
        return become([str(PYTHON), "-m", "pytest", *words[1:]])
    return become([str(PYTHON), "-m", "factory_sim", *words])


class StopError(Exception):
    """A message to the user, who must do something first."""


def say(text: str, code: int = 1) -> int:
    """Print a message to standard error and return the exit code."""
    print(text, file=sys.stderr)
    return code


def too_old() -> str:
    """Return which Python is needed, and the newest one that is installed."""
    numbers = (*OLDEST, *sys.version_info[:2])
    text = "factory_sim needs Python {}.{} or newer; this is {}.{} ({}).".format(*numbers, sys.executable)
    newer = [name for name in (f"python3.{minor}" for minor in range(20, OLDEST[1] - 1, -1)) if shutil.which(name)]
    return text + (f"\n  Try: {newer[0]} run.py" if newer else "\n  Install one, for example from python.org.")


@contextlib.contextmanager
def locked(path: Path) -> "object":
    """Lock `path` against a second start; the system releases the lock when this process ends."""
    with path.open("a") as file:
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415 - exists on Windows only

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - exists elsewhere only

            fcntl.flock(file, fcntl.LOCK_EX)
            os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - so a pip that outlives us holds the lock
        yield


def prepare(*, testing: bool) -> None:
    """Bring .venv to the state that pyproject.toml describes; return at once when it has it."""
    have = read_stamp()
    extras = sorted({*have.get("extras", []), *(["test"] if testing else [])})
    if have == wanted(extras):
        return
    if have == {} or not healthy():  # an interrupted installation leaves incomplete packages
        clear()
    STAMP.write_text("{}")
    if not PYTHON.exists():
        make_venv()
    install(extras)
    shelf = STAMP.with_suffix(".new")
    shelf.write_text(json.dumps(wanted(extras), indent=1))
    shelf.replace(STAMP)


def read_stamp() -> "dict":
    """Return what the last finished installation recorded; {} after an interrupted one."""
    try:
        return json.loads(STAMP.read_text())
    except FileNotFoundError:
        return {"extras": []}
    except ValueError:
        return {}


def wanted(extras: "list[str]") -> "dict":
    """Return all that an installation depends on, the place of the checkout and the system Python included."""
    return {
        "pyproject": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest(),
        "root": str(ROOT),
        "python": os.path.realpath(str(PYTHON)),
        "extras": extras,
    }


def healthy() -> bool:
    """Return whether .venv is absent, or contains a Python that runs and finds its library."""
    if not PYTHON.exists():
        return not any(path for path in VENV.iterdir() if path != LOCK)
    code = "import os, sys, sysconfig as s; sys.exit({} > sys.version_info or not os.path.isdir(s.get_path('purelib')))"
    try:
        return quietly([str(PYTHON), "-c", code.format(OLDEST)])[0] == 0
    except OSError:
        return False


def clear() -> None:
    """Empty .venv, except for the lock file."""
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        elif path != LOCK:
            path.unlink()


def make_venv() -> None:
    """Create the environment with uv if it is installed, else with this Python."""
    base = getattr(sys, "_base_executable", None) or sys.executable  # not the Python of a .venv that was just emptied
    print(f"Creating an environment in {VENV} ...", flush=True)
    uv = shutil.which("uv")
    if uv and quietly([uv, "venv", "--quiet", "--allow-existing", "--python", base, str(VENV)])[0] == 0:
        return
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian ships Python without it
    except ImportError:
        name = "python{}.{}-venv".format(*sys.version_info[:2])
        message = (
            "This Python has no ensurepip, so it cannot create an environment.\n  On Debian or Ubuntu: apt install "
        )
        raise StopError(message + name) from None
    code, output = quietly([base, "-m", "venv", str(VENV)])
    if code:
        message = f"{base} -m venv failed:\n{output}"
        raise StopError(message)


def install(extras: "list[str]") -> None:
    """Install the package in editable mode, and its dependencies."""
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    print("Installing factory_sim and its dependencies (once; some minutes on a slow connection) ...", flush=True)
    uv = shutil.which("uv")
    if uv and quietly([uv, "pip", "install", "--python", str(PYTHON), "--editable", target])[0] == 0:
        return
    if quietly([str(PYTHON), "-c", "import pip"])[0]:
        quietly([str(PYTHON), "-m", "ensurepip"])
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    code, output = quietly([str(PYTHON), "-m", "pip", "install", *options, "--editable", target])
    if code:
        message = (
            f"{output}\nThe installation failed (above). It needs a package index: check the network, then start again."
        )
        raise StopError(message)
    print("Installed.", flush=True)


def quietly(command: "list[str]") -> "tuple[int, str]":
    """Run `command` with one line of progress; return its exit code and the last lines of its output."""
    env = dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1")
    tail = []
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=env, close_fds=False, **pipes) as process:
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            tail = [*tail[-19:], line]
            show(line)
    show("")
    return process.returncode, "\n".join(tail)


def show(line: str) -> None:
    """Show the line of progress; where output is a file, only the milestones."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 3
        print("\r  " + line.strip()[:width].ljust(width), end="\r", flush=True)
    elif line.startswith(("Installing collected", "Resolved", "Installed")):
        print("  " + line[:100], flush=True)


def become(command: "list[str]") -> int:
    """Replace this process by `command`, which then receives signals and sets the exit code."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # more threads cost up to 4.6 times on our small products
    if os.name != "nt":
        sys.stdout.flush()
        os.execv(command[0], command)
    with subprocess.Popen(command) as process:  # Windows cannot replace a process
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the child received it too and ends
                continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
