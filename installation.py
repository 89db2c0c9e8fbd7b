"""The environment of `run.py`: .venv beside this file, with the package and its libraries.

It is installed with uv if there is one, else with pip; later starts find it installed. A command that needs a further
library installs it on first use.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from run import OLDEST

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "factory_sim.json"  # what is installed; {} while an installation is running
LOCK = VENV / "factory_sim.lock"
TESTING = ("test", "bench", "validate")  # commands that need the libraries of the tests
PARALLEL = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]  # of pytest; the last of two -n counts
ADD = "--install-extra"  # from factory_sim itself: install the extra that follows
FULL = "The disk is full. Free about 2 GB, then start again: the installation continues."
# Words in the output of uv and pip -> what to do.
CAUSES = {
    "No space left on device": FULL,
    "os error 28": FULL,
    "Temporary failure in name resolution": "",
    "Failed to establish a new connection": "",
    "Could not find a version that satisfies": "",
    "No matching distribution found": "",
    "Failed to fetch": "",
    "dns error": "",
    "Connection refused": "",
    "Read timed out": "",
}
NO_NETWORK = (
    "No package index can be reached. Check the network or the proxy, then start again: the installation continues."
)


def main(words: list[str]) -> int:
    """Install what is missing, then run the command in `words` in place of this process."""
    extras = ["test"] if words and words[0] in TESTING else words[1:] if words[:1] == [ADD] else []
    message, code = prepared(extras)
    if message:
        return say(message, code)
    if words[:1] == [ADD]:
        return 0
    os.environ["FACTORY_SIM_START"] = str(ROOT / "run.py")  # where a command that misses an extra can install it
    if words[:1] == ["test"]:
        os.chdir(str(ROOT))
        return become([str(PYTHON), "-m", "pytest", *PARALLEL, *words[1:]])
    return become([str(PYTHON), "-m", "factory_sim", *words])


def prepared(extras: list[str]) -> tuple[str, int]:
    """Install what is missing; return what to do and the exit code when that is not possible, else an empty text."""
    try:
        VENV.mkdir(exist_ok=True)
        with locked(LOCK):
            prepare(extras)
    except StopError as stop:
        return str(stop), 1
    except OSError as error:
        return FULL if error.errno == errno.ENOSPC else f"Cannot prepare {VENV}: {error}", 1
    except KeyboardInterrupt:
        return "\nInterrupted. Start again: the installation continues with what has been downloaded.", 130
    return "", 0


class StopError(Exception):
    """A message to the user, who must do something first."""


def say(text: str, code: int = 1) -> int:
    """Print a message to standard error and return the exit code."""
    print(text, file=sys.stderr)
    return code


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock `path` against a second start; the system releases the lock when this process ends."""
    with path.open("a") as file:
        if not lock(file, wait=False):
            print("Another start is installing; this one waits for it ...", flush=True)
            lock(file, wait=True)
        yield


def lock(file: IO[str], *, wait: bool) -> bool:
    """Lock a file; without `wait`, return at once whether that was possible."""
    try:
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415 - exists on Windows only

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - exists elsewhere only

            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - so a pip that outlives us holds the lock
    except OSError as error:
        if wait or error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            raise
        return False
    return True


def prepare(extras: list[str]) -> None:
    """Bring .venv to the state that pyproject.toml describes; return at once when it has it."""
    have = read_stamp()
    extras = sorted({*have.get("extras", []), *extras})
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
    compile_in_background()


def read_stamp() -> dict[str, Any]:
    """Return what the last finished installation recorded; {} after an interrupted one."""
    try:
        return json.loads(STAMP.read_text())
    except FileNotFoundError:
        return {"extras": []}
    except ValueError:
        return {}


def wanted(extras: list[str]) -> dict[str, Any]:
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
    for path in sorted(VENV.iterdir(), key=lambda path: not path.name.startswith("discarded-")):
        if path.is_dir() and not path.is_symlink():
            aside = VENV / ("discarded-" + path.name)  # a process that still byte-compiles there finds it no more
            path.rename(aside)
            shutil.rmtree(str(aside), ignore_errors=True)
        elif path != LOCK:
            path.unlink()


def make_venv() -> None:
    """Create the environment, without pip; the base is not the Python of a .venv that was just emptied."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    print(f"Creating an environment in {VENV} ...", flush=True)
    code, output = quietly([base, "-m", "venv", "--without-pip", str(VENV)])
    if code:
        raise StopError(failure(output, f"{base} -m venv failed"))


def install(extras: list[str]) -> None:
    """Install the package in editable mode, and its dependencies, with uv or pip."""
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    print("Installing factory_sim and its libraries (once) ...", flush=True)
    uv = shutil.which("uv")
    if uv and quietly([uv, "pip", "install", "--python", str(PYTHON), "--editable", target])[0] == 0:
        return
    options = ["--disable-pip-version-check", "--no-input", "--no-compile", "--progress-bar", "off", "--retries", "2"]
    code, output = quietly([str(PYTHON), *pip(), "install", *options, "pip", "--editable", target])
    if code:
        raise StopError(failure(output, "The installation failed"))


def pip() -> list[str]:
    """Return the arguments with which .venv runs pip: its own, or the one that Python carries in a wheel."""
    if quietly([str(PYTHON), "-c", "import pip"])[0] == 0:
        return ["-m", "pip"]
    try:
        import ensurepip  # noqa: PLC0415 - Debian ships Python without it
    except ImportError:
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        message = "This Python has neither pip nor ensurepip.\n  On Debian or Ubuntu: apt install " + name
        raise StopError(message) from None
    bundled = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if bundled:
        return [str(bundled[-1] / "pip")]
    code, output = quietly([str(PYTHON), "-m", "ensurepip"])
    if code:
        raise StopError(failure(output, "ensurepip failed"))
    return ["-m", "pip"]


def failure(output: str, what: str) -> str:
    """Return one sentence about a known cause, else the last lines of the output."""
    for words, advice in CAUSES.items():
        if words in output:
            return advice or NO_NETWORK
    return f"{output}\n{what} (above). Start again when the cause is removed: the installation continues."


def compile_in_background() -> None:
    """Start to byte-compile the libraries, once, at low priority, in a process that outlives this one."""
    code = (
        "import compileall, os, sysconfig\n"
        "getattr(os, 'nice', int)(19)\n"
        "compileall.compile_dir(sysconfig.get_path('purelib'), quiet=2)"
    )
    null = subprocess.DEVNULL  # Ctrl-C does not reach the group; in a new session Linux would ignore the low priority
    subprocess.Popen([str(PYTHON), "-c", code], stdin=null, stdout=null, stderr=null, process_group=0)


def quietly(command: list[str]) -> tuple[int, str]:
    """Run `command` with one line of progress; return its exit code and the last lines of its output."""
    env = dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")
    tail: list[str] = []
    done = threading.Event()
    with subprocess.Popen(
        command, env=env, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for raw in process.stdout or ():
                line = raw.decode("utf-8", "replace").rstrip()
                tail = [*tail[-19:], line]
                show(line)
                if line.startswith("Installing collected packages: "):
                    threading.Thread(
                        target=count, args=(line.partition(": ")[2].split(", "), done), daemon=True
                    ).start()
        finally:
            done.set()
    show("")
    return process.returncode, "\n".join(tail)


def count(names: list[str], done: threading.Event) -> None:
    """Show which library pip has just installed, until `done`: pip itself reports nothing meanwhile."""
    seen = set()
    while not done.wait(0.2):
        for place in (VENV / "lib").glob("python*/site-packages/*.dist-info/RECORD"):
            name = place.parent.name.partition("-")[0]
            if name not in seen:
                seen.add(name)
                show(f"{len(seen)} of {len(names)} installed: {name}")


def show(line: str) -> None:
    """Show the line of progress; where output is a file, only the milestones."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 3
        print("\r  " + line.strip()[:width].ljust(width), end="\r", flush=True)
    elif line.startswith(("Collecting", "Installing collected", "Resolved", "Installed")):
        print("  " + line[:100], flush=True)


def become(command: list[str]) -> int:
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
