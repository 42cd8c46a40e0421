"""The command line: a thin layer on top of all others, whose imports are made when needed.

Exit codes: 0 fine, 1 a chapter or test failed, 2 the machine lacks something or the command was
mistyped. Standard library only until the environment exists.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from helpers.engine.owner import CHECKOUT
from helpers.errors import CourseError
from helpers.setup import signals
from helpers.setup.console import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; every error a user can cause is one message and exit code 2."""
    args = _parser().parse_args(argv)
    signals.treat_as_ctrl_c()
    # Whatever this command starts imports this checkout's helpers, also in a shared environment.
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    try:
        return args.run(args)
    except CourseError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("stopped")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m helpers", description="The hands-on Docker course: set up, run, test.")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    lab = verbs.add_parser(
        "lab", help="set up what is missing and open JupyterLab",
        description="Set up what is missing and open JupyterLab on this machine. Ctrl-C stops it, "
                    "and all that it started.")
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.add_argument("--port", type=int, help="the port (default: 8888, or the next free one)")
    lab.add_argument("--reset", metavar="CHAPTER",
                     help="first put one chapter back as it was delivered, your changes kept aside")
    lab.set_defaults(run=_lab)

    test = verbs.add_parser("test", help="set up what is missing and run the whole suite",
                            description="Set up what is missing and run the whole suite. "
                                        "Arguments after -- go to pytest: test -- -k caching")
    test.add_argument("pytest_args", nargs="*", metavar="-- PYTEST_ARG")
    test.set_defaults(run=_test)

    doctor = verbs.add_parser(
        "doctor", help="what is here, what is missing, what to type",
        description="Look at Python, the engine and its parts, disk and ports; for each that is "
                    "missing, the line to type. Exit code 2 if anything is missing.")
    doctor.set_defaults(run=_doctor)

    clean = verbs.add_parser(
        "clean", help="remove what the course made, and only that",
        description="Remove the containers, networks, volumes and images that the course made. "
                    "On your own engine those are the ones with the course's label; on the "
                    "private engine also what you made there by hand; its base images stay.")
    clean.set_defaults(run=_clean)

    rehearse = verbs.add_parser(
        "rehearse", help="execute chapters as a class would see them",
        description="Execute chapters as a class would see them, with the time of each. Exit code "
                    "1 if one fails: its chapter, cell and message are shown.")
    rehearse.add_argument("chapters", nargs="*", metavar="CHAPTER",
                          help="any unique beginning, e.g. 04 (default: all)")
    rehearse.add_argument("--save", action="store_true",
                          help="write the outputs into the tracked notebooks")
    rehearse.set_defaults(run=_rehearse)

    engine = verbs.add_parser(
        "engine", help="keep the private engine up while working",
        description="Keep the private engine up while you work in a terminal of your own. start: "
                    "it stays up after this command; stop: no longer; status: which engine runs; "
                    "env: lines for the shell, used as  eval \"$(python3 -m helpers engine env)\"")
    engine.add_argument("action", choices=("start", "stop", "status", "env"))
    engine.set_defaults(run=_engine)

    grade = verbs.add_parser(
        "grade", help="grade an exercise from a file",
        description="Grade an exercise. Exit code 0 passed, 1 not passed, 2 could not be checked.")
    grade.add_argument("task_id", metavar="TASK_ID", help="e.g. 04-predict-the-cache")
    grade.add_argument("file", metavar="FILE", help="your answer, as JSON")
    grade.set_defaults(run=_grade)
    return parser


def _in_environment() -> None:
    """Go on in the environment's own Python; returns only when already there."""
    from helpers.setup import environment

    python = environment.ensure()
    if not environment.is_inside():
        os.execv(python, [str(python), "-m", "helpers", *sys.argv[1:]])


def _lab(args: argparse.Namespace) -> int:
    from helpers.cli.lab import lab

    return lab(browser=not args.no_browser, port=args.port, reset=args.reset)


def _test(args: argparse.Namespace) -> int:
    from helpers.cli.suite import run_suite

    return run_suite(args.pytest_args)


def _doctor(args: argparse.Namespace) -> int:
    from helpers.engine.doctor import examine

    report = examine()
    print(report.text())
    return 0 if report.ok else 2


def _clean(args: argparse.Namespace) -> int:
    from helpers.engine.find import connect, find_own
    from helpers.engine.private import PrivateEngine

    if find_own() is None and not PrivateEngine().root.is_dir():
        print("nothing to clean: the course has not been set up here")
        return 0
    _in_environment()
    from helpers.engine.cleanup import clean
    from helpers.engine.vm import accelerator

    accelerator.forget()
    engine = connect()
    print(clean(engine, also_unlabelled=engine.kind == "private").text())
    return 0


def _rehearse(args: argparse.Namespace) -> int:
    from helpers.cli.work import chapter_path

    for prefix in args.chapters:      # a mistyped one is said before anything is started
        chapter_path(prefix)
    _in_environment()
    from helpers.cli.ready import ready_engine
    from helpers.cli.rehearse import rehearse

    return rehearse(args.chapters, save=args.save, engine=ready_engine())


def _engine(args: argparse.Namespace) -> int:
    from helpers.cli.engine import run_action

    return run_action(args.action)


def _grade(args: argparse.Namespace) -> int:
    _in_environment()
    from helpers.exercises.cli import grade_file

    return grade_file(args.task_id, args.file)
