"""The command line: one module per verb, imported when that verb runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from helpers.errors import CourseError, ExitCode
from helpers.paths import CHECKOUT
from helpers.setup import signals
from helpers.setup.console import say

# Each verb is a module with run(args), perhaps add_arguments(parser), and its --help as docstring.
VERBS = {
    "lab": "set up the course and open JupyterLab",
    "present": "show a chapter as live slides",
    "test": "set up the course and run the test suite",
    "doctor": "check your setup and show how to fix it",
    "clean": "remove what the course created on the engine",
    "rehearse": "run chapters as a class would see them",
    "engine": "keep the private engine running while you work",
    "grade": "grade an exercise from a file",
    "progress": "show your progress in the exercises",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code. A CourseError is printed as one message."""
    try:
        args = _parse(sys.argv[1:] if argv is None else argv)
        signals.treat_as_ctrl_c()
        # Whatever this command starts imports this checkout's helpers, also in a shared environment.
        paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
        return args.run(args)
    except CourseError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say("stopped")
        return ExitCode.STOPPED


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m helpers", description="Set up, run and test the hands-on Docker course."
    )
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary)
        if name in argv[:1]:
            module = import_module(f"helpers.cli.{name}")
            verb.description = module.__doc__
            verb.set_defaults(run=module.run)
            if hasattr(module, "add_arguments"):
                module.add_arguments(verb)
    return parser.parse_args(argv)
