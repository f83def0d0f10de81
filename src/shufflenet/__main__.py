"""``python -m shufflenet`` is the program ``shufflenet``."""

import sys

from shufflenet.cli import main

if __name__ == "__main__":
    sys.exit(main())
