"""What the notebooks call: the engine's and the experiments' functions with their progress shown.

The one place where a measurement and its progress bar meet; holds no logic of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from helpers.engine import build, cleanup, find
from helpers.engine.doctor import examine
from helpers.experiments import caching
from helpers.results.build import BuildReport
from helpers.results.caching import OrderExperiment
from helpers.results.doctor import DoctorReport
from helpers.show.build import progress


def build_image(context: str | Path, *, tag: str, dockerfile: str | Path | None = None,
                build_args: Mapping[str, str] | None = None, no_cache: bool = False) -> BuildReport:
    """Build an image with BuildKit, a progress bar naming the running build step.

    Raises BuildFailed for an error in the Dockerfile, CourseError for one in the arguments.
    """
    with progress() as running:
        return build.build_image(context, tag=tag, dockerfile=dockerfile, build_args=build_args,
                                 no_cache=no_cache, on_progress=running)


def compare_orders(app: str | Path = "flask-app", edit: str | None = "app.py",
                   repeats: int = 3) -> OrderExperiment:
    """Measure both orders of the app's Dockerfile: cold, unchanged and edited builds."""
    with progress() as running:
        return caching.compare_orders(app=app, edit=edit, repeats=repeats, on_progress=running)


def doctor() -> DoctorReport:
    """Look at what this machine has for the course."""
    return examine()


def clean_up() -> None:
    """Remove what the course made on the engine, look again, and say what is left."""
    engine = find.connect()
    cleanup.clean(engine)
    left = cleanup.count_ours(engine)
    print(f"left of the course on this engine: {left or 'nothing'}")
