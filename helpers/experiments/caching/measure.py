"""Measures layer caching: one app, its Dockerfile in two orders, rebuilt after an edit.

Every build works on a temporary copy, so the student's files are never touched. Each order is built
once before the edit, or comes from the cache; only the builds after the edit are reported. The
edit contains a random mark, so that no earlier build can have had the same files.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.build import build_image
from helpers.build.dockerfile import parse
from helpers.build.result import BuildReport
from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.caching.result import (
    COPY_FIRST,
    REQUIREMENTS_FIRST,
    OrderExperiment,
    OrderResult,
)
from helpers.experiments.variants import remove_images
from helpers.paths import CHECKOUT

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

DOCKERFILES = {COPY_FIRST: "Dockerfile.copy-first", REQUIREMENTS_FIRST: "Dockerfile"}
NOT_COPIED = (".git", ".venv", "__pycache__", ".ipynb_checkpoints", "node_modules")
HASH_COMMENTS = (".py", ".txt", ".sh", ".toml", ".cfg", ".yml", ".yaml")
APPS = CHECKOUT / "notebooks" / "apps"


def compare_orders(
    app: str | Path = "flask-app",
    edit: str | None = "app.py",
    repeats: int = 1,
    dockerfiles: Mapping[str, str] = DOCKERFILES,
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> OrderExperiment:
    """Build `app` with each Dockerfile, then edit and rebuild `repeats` times, in turn.

    `app` is a folder, or the name of one in `notebooks/apps`; `dockerfiles` maps the name of each
    order to a file in it. `edit` is a file in it, "Dockerfile" for a new ENV above the first RUN of
    each Dockerfile, or None for no edit. Times are in seconds. Raises CourseError if the app can't
    be built or edited.

    Example:
        experiment = compare_orders("flask-app", edit="requirements.txt")
        print(experiment.facts())
    """
    source = find_app(app, dockerfiles)
    check_edit(source, edit, dockerfiles)
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise CourseError(f"Invalid repeats={repeats!r}.", "Use a whole number, 1 or more.")
    reports: dict[str, list[BuildReport]] = {order: [] for order in dockerfiles}
    with tempfile.TemporaryDirectory(prefix="course-caching-") as folder:
        copies = {order: Path(folder, str(number)) for number, order in enumerate(dockerfiles)}
        for copy in copies.values():
            shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
        with Builds(engine or connect(), on_progress or (lambda _: None)) as builds:
            for order, name in dockerfiles.items():
                builds.build(copies[order] / name, f"{order}, before the edit")
            for run in range(repeats):
                for order, name in list(dockerfiles.items())[:: -1 if run % 2 else 1]:
                    make_edit(copies[order] / name, edit)
                    title = f"{order}, after the edit ({run + 1} of {repeats})"
                    reports[order].append(builds.build(copies[order] / name, title))
    orders = tuple(OrderResult(order, tuple(built)) for order, built in reports.items())
    return OrderExperiment(source.name, edit, orders)


class Builds(contextlib.AbstractContextManager["Builds"]):
    """The builds of one experiment; their images are removed at its end."""

    def __init__(self, engine: Engine, on_progress: Callable[[str], None]) -> None:
        self.engine, self.on_progress = engine, on_progress
        self.image = f"course-caching-{secrets.token_hex(4)}"
        self.tags: list[str] = []

    def build(self, dockerfile: Path, title: str) -> BuildReport:
        """Build the folder of a Dockerfile and return the report."""
        self.tags.append(f"{self.image}:{len(self.tags) + 1}")
        self.on_progress(title)
        return build_image(
            dockerfile.parent,
            tag=self.tags[-1],
            dockerfile=dockerfile,
            on_progress=lambda step: self.on_progress(f"{title}: {step}"),
            engine=self.engine,
        )

    def __exit__(self, *error: object) -> None:
        remove_images(self.engine, self.tags)


def find_app(app: str | Path, dockerfiles: Mapping[str, str] = DOCKERFILES) -> Path:
    """Return the folder of an app: `app` itself, or the course's app of that name.

    Raises CourseError if there is none, or if one of the Dockerfiles is missing.
    """
    folder = Path(app).expanduser()
    if len(folder.parts) == 1 and (APPS / folder).is_dir():
        folder = APPS / folder
    folder = folder.resolve()
    if not folder.is_dir():
        known = ", ".join(sorted(path.parent.name for path in APPS.glob("*/Dockerfile")))
        raise CourseError(
            f"There is no app {str(app)!r}.", f"Use a folder, or one of the course's apps: {known}."
        )
    for name in dockerfiles.values():
        if not (folder / name).is_file():
            raise CourseError(
                f"{app} has no {name}. compare_orders needs one Dockerfile for each order.",
                "Create it with the same instructions in a different order.",
            )
    return folder


def check_edit(source: Path, edit: str | None, dockerfiles: Mapping[str, str]) -> None:
    """Raise CourseError, before anything is built, if the edit can't be made."""
    if edit == "Dockerfile":
        for name in dockerfiles.values():
            with_new_env((source / name).read_text(encoding="utf-8"), "0")
        return
    files = [
        path.relative_to(source).as_posix()
        for path in sorted(source.rglob("*"))
        if path.is_file() and path.suffix in HASH_COMMENTS
    ]
    if edit is not None and edit not in files:
        raise CourseError(
            f"{source.name} has no file {edit!r} that can be edited here (the edit adds a # comment).",
            f"Choose one of: {', '.join(files)}. Or use 'Dockerfile', or None for no edit.",
        )


def make_edit(dockerfile: Path, edit: str | None) -> None:
    """Make the edit in a copy of the app: a comment in a file, or an ENV in the Dockerfile."""
    mark = secrets.token_hex(8)
    if edit == "Dockerfile":
        text = dockerfile.read_text(encoding="utf-8")
        dockerfile.write_text(with_new_env(text, mark), encoding="utf-8")
    elif edit is not None:
        with (dockerfile.parent / edit).open("a", encoding="utf-8") as text_file:
            text_file.write(f"\n# edited {mark}\n")


def with_new_env(text: str, mark: str) -> str:
    """Return a Dockerfile with a new ENV above its first RUN. Raises CourseError without a RUN."""
    line = next((i.line for i in parse(text).instructions if i.keyword == "RUN"), None)
    if line is None:
        raise CourseError(
            "The Dockerfile has no RUN, so an ENV above it can't be tested.",
            "Edit a source file instead, such as app.py.",
        )
    lines = text.splitlines()
    return "\n".join([*lines[: line - 1], f"ENV COURSE_EDIT={mark}", *lines[line - 1 :], ""])
