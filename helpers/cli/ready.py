"""Provide what a chapter or a test needs: an engine with the base image on it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import requests

from helpers.engine import base_image, find
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.errors import CourseError, EngineUnavailable
from helpers.setup.console import say, step


def ready_engine() -> Engine:
    """Return an engine that has the base image; start and build what is missing."""
    private = PrivateEngine()
    if private.root.is_dir() or private.unavailable_reason() or find.find_user_engine():
        engine = find.connect()
    else:
        _ask()
        engine = _connect_first_time()
    if base_image.find_kind(engine) == "missing":
        with step(f"base image {base_image.REAL}"):
            base_image.ensure_base_image(engine, say=lambda text: say(f"     {text}"))
    kind = base_image.find_kind(engine)
    name = "your engine" if engine.kind == "user" else "the course's private engine"
    say(f"  ✓  {name}, version {engine.version}; base image: {kind}")
    if engine.kind == "user" and engine.has_course_client:
        say("  !  Your docker command is missing, incomplete or too old. Using the course's own.")
    return engine


def _ask() -> None:
    """Ask for confirmation before the private engine's first download, if run in a terminal."""
    say(
        "No Docker Engine is running. The course can run a private one from Debian packages\n"
        "(93 MB), unpacked into your cache folder and run as root. Nothing is installed."
    )
    if sys.stdin is None or not sys.stdin.isatty():
        say("Not running in a terminal, continuing without asking.")
    elif input("Download and start it? [Y/n] ").strip().lower() not in ("", "y", "yes"):
        raise EngineUnavailable(
            "Cancelled. The course needs a Docker Engine.",
            "Install Docker Engine 23 or newer, or run this again and answer yes.",
        )


def _connect_first_time() -> Engine:
    """Download and start the private engine; meanwhile build the stand-in if nothing can be pulled.

    One after the other where both would ask for sudo's password.
    """
    with ThreadPoolExecutor(1) as background:
        if (os.geteuid() == 0 or base_image.is_rootless()) and not _registry_answers():
            background.submit(_build_stand_in)
        return find.connect()


def _build_stand_in() -> None:
    with suppress(CourseError), step(f"stand-in for {base_image.REAL} from Debian packages"):
        base_image.ensure_tarball()  # if it fails, the next step tries again and reports why


def _registry_answers() -> bool:
    """Return whether Docker Hub can be reached from here."""
    try:
        requests.head("https://registry-1.docker.io/v2/", timeout=3)
    except requests.exceptions.SSLError:  # a proxy whose certificate the engine may know
        return True
    except requests.RequestException:
        return False
    return True
