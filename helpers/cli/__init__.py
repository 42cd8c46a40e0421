"""The command line: a thin layer on top of all others, which are imported when a verb runs.

Exit codes: 0 fine, 1 a chapter or test failed, 2 the machine lacks something or the command was
mistyped.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from helpers.errors import CourseError
from helpers.paths import CHECKOUT
from helpers.setup import signals
from helpers.setup.console import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code. Print a CourseError as one message and return 2."""
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
        prog="python3 -m helpers", description="Set up, run and test the hands-on Docker course."
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    lab = verbs.add_parser(
        "lab",
        help="set up the course and open JupyterLab",
        description="Set up what is missing and open JupyterLab on this machine. Ctrl-C stops "
        "JupyterLab and everything it started.",
    )
    lab.add_argument(
        "--no-browser", action="store_true", help="print the address without opening a browser"
    )
    lab.add_argument("--port", type=int, help="port to use (default: 8888, or the next free one)")
    lab.add_argument(
        "--reset",
        metavar="CHAPTER",
        help="restore one chapter first; your version is kept under another name",
    )
    lab.set_defaults(run=_lab)

    test = verbs.add_parser(
        "test",
        help="set up the course and run the test suite",
        description="Set up what is missing and run the test suite. "
        "Arguments after -- go to pytest, for example: test -- -k caching",
    )
    test.add_argument(
        "--quick", action="store_true", help="only the tests without engine and browser (20 s)"
    )
    test.add_argument("pytest_args", nargs="*", metavar="-- PYTEST_ARG")
    test.set_defaults(run=_test)

    doctor = verbs.add_parser(
        "doctor",
        help="check your setup and show how to fix it",
        description="Check Python, the engine and its plugins, disk space and ports, and show the "
        "command that fixes each problem. Exit code 2 if there is a problem.",
    )
    doctor.set_defaults(run=_doctor)

    clean = verbs.add_parser(
        "clean",
        help="remove what the course created, and nothing else",
        description="Remove the containers, networks, volumes and images that the course created. "
        "On your engine, these are the ones with the course's label. On the private engine, "
        "what you created by hand is removed too; the base images stay.",
    )
    clean.set_defaults(run=_clean)

    rehearse = verbs.add_parser(
        "rehearse",
        help="execute chapters as a class would see them",
        description="Execute chapters as a class would see them, and show how long each takes. If "
        "one fails, its cell and error message are shown and the exit code is 1.",
    )
    rehearse.add_argument(
        "chapters",
        nargs="*",
        metavar="CHAPTER",
        help="the start of a chapter's name, for example 04 (default: all)",
    )
    rehearse.add_argument(
        "--save", action="store_true", help="save the outputs in the tracked notebooks"
    )
    rehearse.set_defaults(run=_rehearse)

    engine = verbs.add_parser(
        "engine",
        help="keep the private engine running while you work",
        description="Keep the private engine running while you work in a terminal. start: keep it "
        "running after this command; stop: stop it; status: show which engine is running; "
        'env: print shell settings, used as  eval "$(python3 -m helpers engine env)"',
    )
    engine.add_argument("action", choices=("start", "stop", "status", "env"))
    engine.set_defaults(run=_engine)

    grade = verbs.add_parser(
        "grade",
        help="grade an exercise from a file",
        description="Grade an exercise. Exit code: 0 passed, 1 not passed, 2 not checked.",
    )
    grade.add_argument("task_id", metavar="TASK_ID", help="for example 04-predict-the-cache")
    grade.add_argument("file", metavar="FILE", help="your answer, as JSON")
    grade.set_defaults(run=_grade)
    return parser


def _lab(args: argparse.Namespace) -> int:
    from helpers.cli.lab import lab

    return lab(browser=not args.no_browser, port=args.port, reset=args.reset)


def _test(args: argparse.Namespace) -> int:
    from helpers.cli.suite import run_quick, run_suite

    return (run_quick if args.quick else run_suite)(args.pytest_args)


def _doctor(args: argparse.Namespace) -> int:
    from helpers.experiments.doctor.measure import examine

    report = examine()
    print(report.text())
    return 0 if report.ok else 2


def _clean(args: argparse.Namespace) -> int:
    from helpers.engine.cleanup import clean
    from helpers.engine.find import connect, find_user_engine
    from helpers.engine.private import PrivateEngine
    from helpers.vm import accelerator

    if find_user_engine() is None and not PrivateEngine().root.is_dir():
        print("nothing to clean: the course has not been set up here")
        return 0
    accelerator.forget()
    engine = connect()
    print(clean(engine, also_unlabelled=engine.kind == "private").text())
    return 0


def _rehearse(args: argparse.Namespace) -> int:
    from helpers.cli.ready import ready_engine
    from helpers.cli.rehearse import rehearse
    from helpers.cli.work import chapter_path

    for prefix in args.chapters:  # report a mistyped one before anything is started
        chapter_path(prefix)
    return rehearse(args.chapters, save=args.save, engine=ready_engine())


def _engine(args: argparse.Namespace) -> int:
    from helpers.cli.engine import run_action

    return run_action(args.action)


def _grade(args: argparse.Namespace) -> int:
    from helpers.cli.grade import grade_file

    return grade_file(args.task_id, args.file)
