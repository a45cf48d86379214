"""python -m flipbot: as the command."""

import sys

from flipbot import main

if __name__ == "__main__":
    sys.exit(main())
