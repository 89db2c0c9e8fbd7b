"""Start factory_sim from a fresh clone; only Python 3.11 or newer is needed.

python3 run.py               the demo
python3 run.py test          the tests (--all: also the long ones; other words go to pytest)
python3 run.py COMMAND ...   any factory-sim command; `python3 run.py --help` lists them

The first start creates .venv beside this file and installs the package there (installation.py).
Python 2.7 must be able to read this file, so that it can report which version is needed.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)


def too_old():
    """Return which Python is needed, and how to start the newest one that is installed."""
    numbers = (OLDEST[0], OLDEST[1], sys.version_info[0], sys.version_info[1], sys.executable)
    text = "factory_sim needs Python {}.{} or newer; this is {}.{} ({}): ".format(*numbers)
    for minor in range(20, OLDEST[1] - 1, -1):
        name = "python3.{}".format(minor)
        if runs(name):
            return text + "start it with `{} {}`.".format(name, sys.argv[0])
    return text + "install one, for example from python.org."


def runs(name):
    """Return whether there is a Python of that name; a version manager's shim may be there without one."""
    try:
        with open(os.devnull, "w") as null:
            return subprocess.call([name, "-c", ""], stdout=null, stderr=null) == 0
    except OSError:
        return False


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        sys.exit(too_old())
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import installation

    sys.exit(installation.main(sys.argv[1:]))
