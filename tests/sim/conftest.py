"""Where the helpers of these tests stand: beside them, and the random plants one folder up."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
