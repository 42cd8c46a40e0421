"""`engine start|stop|status|env`: keep the private engine up between commands."""

from __future__ import annotations

import shlex

from helpers.cli.ready import ready_engine
from helpers.engine import find
from helpers.engine.private import STANDING, PrivateEngine


def run_action(action: str) -> int:
    """Do one of start, stop, status, env; return the exit code."""
    return {"start": _start, "stop": _stop, "status": _status, "env": _env}[action]()


def _start() -> int:
    if user := find.find_user_engine():
        print(f"your engine is used: version {user.version} at {user.host}; nothing to start")
        return 0
    engine = ready_engine()
    PrivateEngine().leases.take(STANDING)
    print(
        f"the private engine {engine.version} runs until you type: python3 -m helpers engine stop"
    )
    return 0


def _stop() -> int:
    others = PrivateEngine().stop()
    print(
        f"still in use by {len(others)} other command(s); stops after them" if others else "stopped"
    )
    return 0


def _status() -> int:
    private = PrivateEngine()
    if user := find.find_user_engine():
        print(f"user engine {user.version} at {user.host}")
    elif answer := private.answer():
        print(
            f"private engine {answer.version} at {private.host}, "
            f"used by {len(private.leases.held())}"
        )
    else:
        print("no engine is running; `python3 -m helpers lab` starts the private one")
    return 0


def _env() -> int:
    engine = find.find_user_engine() or PrivateEngine().engine("")
    if not engine.has_course_client:
        print(f"export DOCKER_HOST={shlex.quote(engine.host)}")
        return 0
    config = engine.extra_env["DOCKER_CONFIG"]
    tools = shlex.quote(engine.extra_env["PATH"].split(":")[0])
    print(
        f"export DOCKER_HOST={shlex.quote(engine.host)}\n"
        f"export DOCKER_CONFIG={shlex.quote(config)}\nexport PATH={tools}:$PATH"
    )
    return 0
