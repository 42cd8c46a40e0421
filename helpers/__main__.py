"""`python3 -m helpers VERB`: enter the course's Python environment, then run the verb."""

from __future__ import annotations

import sys

from helpers.bootstrap import enter

if __name__ == "__main__":
    enter(sys.argv[1:])
    from helpers.cli import main

    sys.exit(main())
