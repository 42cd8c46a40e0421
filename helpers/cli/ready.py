"""Make ready what a chapter or a test needs: an engine with the base image on it."""

from __future__ import annotations

import sys
from functools import cache

from helpers.engine import find, standin
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.errors import EngineUnavailable
from helpers.setup.console import say, step


def ready_engine() -> Engine:
    """Return an engine that has the base image; start and build what is missing."""
    _ask_before_first_use()
    engine = find.connect()
    if standin.base_image(engine) == "missing":
        with step(f"base image {standin.REAL}"):
            standin.ensure_base_image(engine, lambda text: say(f"     {text}"))
    kind = standin.base_image(engine)
    name = "your engine" if engine.kind == "user" else "the course's private engine"
    say(f"  ✓  {name}, version {engine.version}; base image: {kind}")
    if engine.kind == "user" and engine.has_course_client:
        say("  !  your docker command is too old for the course, which uses a newer one")
    return engine


@cache
def _ask_before_first_use() -> None:
    """Ask for confirmation before the private engine's first download, if run in a terminal."""
    private = PrivateEngine()
    if private.root.is_dir() or private.unavailable_reason() or find.find_user_engine() is not None:
        return
    say(
        "No Docker Engine is running. The course can run a private one from Debian packages\n"
        "(93 MB), unpacked into your cache folder and run as root. Nothing is installed."
    )
    if sys.stdin is not None and sys.stdin.isatty():
        if input("Download and start it? [Y/n] ").strip().lower() not in ("", "y", "yes"):
            raise EngineUnavailable(
                "Cancelled. The course needs a Docker Engine.",
                "Install Docker Engine 23 or newer, or run this again and answer yes.",
            )
    else:
        say("Not running in a terminal, continuing without asking.")
