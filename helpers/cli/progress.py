"""Show your progress in the exercises, or print it as JSON to hand in.

Reads progress.json from the work folder that you are in, or from work/ if you are outside one.
"""

from __future__ import annotations

import argparse

from helpers.cli.work import WORK
from helpers.errors import ExitCode
from helpers.exercises import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--export", action="store_true", help="print your attempts as JSON to hand in"
    )


def run(args: argparse.Namespace) -> int:
    """Print the map of the exercises, or the JSON."""
    tries = progress.read(progress.find_file() or WORK / progress.FILE)
    print(progress.to_json(tries) if args.export else progress.make_map(tries).text())
    return ExitCode.SUCCESS
