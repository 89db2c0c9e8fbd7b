"""`python -m factory_sim` is the command `factory-sim`."""

import signal
import sys


def main() -> int:
    """As `cli.main`; Ctrl-C while that is still being loaded ends as it does later. SIGTERM is like Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from factory_sim.cli import main as run  # noqa: PLC0415 - it takes half a second

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
