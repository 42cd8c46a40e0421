"""Show how far you are in the exercises, or print it as JSON for handing in.

It reads work/progress.json, or the one of the work folder that you are in.
"""

from __future__ import annotations

import argparse

from helpers.cli.work import WORK
from helpers.errors import ExitCode
from helpers.exercises import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--export", action="store_true", help="print your tries as JSON, for handing in"
    )


def run(args: argparse.Namespace) -> int:
    """Print the map of the exercises, or the JSON."""
    tries = progress.read(progress.find_file() or WORK / progress.FILE)
    print(progress.to_json(tries) if args.export else progress.make_map(tries).text())
    return ExitCode.SUCCESS
