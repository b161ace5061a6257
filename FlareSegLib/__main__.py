"""python -m FlareSegLib: the same as the command flareseg."""

import sys

from FlareSegLib.command.main import main

if __name__ == "__main__":
    sys.exit(main())
