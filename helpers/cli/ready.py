"""Everything a chapter or a test needs, made ready: environment, engine, base image.

Standard library only. The environment and the engine are made side by side.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from helpers.engine import find, standin
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.errors import EngineUnavailable
from helpers.setup import environment
from helpers.setup.console import say, step


def ready_engine() -> Engine:
    """An engine with the base image on it; what is missing is made, step by step."""
    _ask_before_first_use()
    engine = find.connect()
    if standin.base_image(engine) == "missing":
        with step(f"base image {standin.REAL}"):
            standin.ensure_base_image(engine, lambda text: say(f"     {text}"))
    kind = standin.base_image(engine)
    whose = "your own engine" if engine.kind == "own" else "the course's private engine"
    say(f"  ✓  {whose}, version {engine.version}; base image: {kind}")
    if engine.kind == "own" and engine.has_course_client:
        say("  !  your docker command is older than the course needs; the course uses its own")
    return engine


def ready() -> Engine:
    """The environment and the engine, made side by side where both are missing."""
    _ask_before_first_use()
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(environment.ensure)
        try:
            engine = ready_engine()
        finally:
            making.result()
    say("  ✓  Python environment")
    return engine


@cache
def _ask_before_first_use() -> None:
    """Ask a person before the private engine is fetched; where nobody can answer, say it."""
    private = PrivateEngine()
    if private.root.is_dir() or private.refusal() or find.find_own() is not None:
        return
    say("No Docker Engine answers here. The course can run its own, private one: Debian's\n"
        "packages (93 MB), unpacked into your cache folder and run as root; nothing is installed.")
    if sys.stdin is not None and sys.stdin.isatty():
        if input("Fetch and start it? [Y/n] ").strip().lower() not in ("", "y", "yes"):
            raise EngineUnavailable("No engine: you said no to the private one.",
                                    "Install Docker Engine 23 or newer, then again.")
    else:
        say("(nobody is at the terminal to ask: going on)")
