"""Keep the private engine running while you work in a terminal.

start: start it and leave it running. stop: stop it. status: show which engine is running.
env: print the settings that make your shell use it.
"""

from __future__ import annotations

import argparse
import shlex

from helpers.cli.ready import ready_engine
from helpers.engine import find
from helpers.engine.private import STANDING, PrivateEngine
from helpers.errors import ExitCode
from helpers.setup.console import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    parser.epilog = 'To use the settings: eval "$(python3 -m helpers engine env)"'
    parser.add_argument("action", choices=ACTIONS)


def run(args: argparse.Namespace) -> int:
    """Run one action and print its result."""
    print(ACTIONS[args.action]())
    return ExitCode.SUCCESS


def _start() -> str:
    if user := find.find_user_engine():
        return f"Your own engine is running: version {user.version} at {user.host}."
    engine = ready_engine()
    PrivateEngine().leases.take(STANDING)
    return (
        f"The private engine {engine.version} is running.\n"
        'To use it in this terminal: eval "$(python3 -m helpers engine env)"\n'
        "To stop it: python3 -m helpers engine stop"
    )


def _stop() -> str:
    others = PrivateEngine().stop()
    if others:
        return f"Still in use by {len(others)} other command(s). The engine stops when the last one ends."
    return "The private engine is stopped."


def _status() -> str:
    private = PrivateEngine()
    if user := find.find_user_engine():
        return f"user engine {user.version} at {user.host}"
    if answer := private.answer():
        users = [name for name in private.leases.held() if name != STANDING]
        return f"private engine {answer.version} at {private.host}, commands using it: {len(users)}"
    return "No engine is running. To start the private one: python3 -m helpers engine start"


def _env() -> str:
    user, private = find.find_user_engine(), PrivateEngine()
    if not user and not private.answer():
        say("The private engine is not running. To start it: python3 -m helpers engine start")
    engine = user or private.engine("")
    settings = f"export DOCKER_HOST={shlex.quote(engine.host)}"
    if engine.has_course_client:
        config, tools = engine.extra_env["DOCKER_CONFIG"], engine.extra_env["PATH"].split(":")[0]
        settings += f"\nexport DOCKER_CONFIG={shlex.quote(config)}"
        settings += f"\nexport PATH={shlex.quote(tools)}:$PATH"
    return settings


ACTIONS = {"start": _start, "stop": _stop, "status": _status, "env": _env}
