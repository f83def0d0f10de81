"""``python -m shufflenet`` is the program ``shufflenet``."""

import sys

from shufflenet.cli import program

if __name__ == "__main__":
    sys.exit(program())
