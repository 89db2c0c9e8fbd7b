"""`python -m factory_sim` is the command `factory-sim`."""

import sys

from factory_sim.cli import main

if __name__ == "__main__":
    sys.exit(main())
