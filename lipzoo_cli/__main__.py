"""`python -m lipzoo_cli`: the `lipzoo` command."""

import sys

from lipzoo_cli import main

if __name__ == "__main__":
    sys.exit(main())
