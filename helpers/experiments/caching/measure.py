"""Measures layer caching: one app, its Dockerfile in two orders, built cold, unchanged, edited.

Every build works on a temporary copy, so that the student's files are never touched. A cold build
ignores the cache (`no_cache`; WORKDIR is cached even then), so that the engine's build cache need
not be cleared. The builds of the two orders take turns. Each run writes a random mark into the
copied files and the edit, so that it can't use the cache of an earlier run.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.build import build_image
from helpers.build.result import BuildReport
from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.caching.result import (
    COLD,
    COPY_FIRST,
    EDITED,
    PHASES,
    REQUIREMENTS_FIRST,
    OrderExperiment,
    OrderResult,
    PhaseResult,
    StepSamples,
)
from helpers.paths import CHECKOUT

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

DOCKERFILES = {COPY_FIRST: "Dockerfile.copy-first", REQUIREMENTS_FIRST: "Dockerfile"}
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".ipynb_checkpoints", "node_modules"
)
COMMENTS = {
    "# {}": (".py", ".txt", ".sh", ".toml", ".cfg", ".ini", ".yml", ".yaml", ".env"),
    "<!-- {} -->": (".html", ".md"),
    "/* {} */": (".js", ".css", ".ts"),
}
MARK = ".course-run"
APPS = CHECKOUT / "notebooks" / "apps"


def compare_orders(
    app: str | Path = "flask-app",
    edit: str | None = "app.py",
    repeats: int = 3,
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> OrderExperiment:
    """Build both orders of `app` cold, unchanged and after `edit`, `repeats` times each.

    `app` is a folder, or the name of one in `notebooks/apps`. It holds `Dockerfile` (requirements
    first) and `Dockerfile.copy-first`. `edit` is a file in it, "Dockerfile" for the RUN in the
    middle of each Dockerfile, or None for no edit. Raises CourseError if it can't be built.

    Example:
        experiment = compare_orders("flask-app", edit="requirements.txt", repeats=1)
        print(experiment.facts())
    """
    source = find_app(app)
    check_edit(source, edit)
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise CourseError(f"repeats is {repeats!r}.", "Give a whole number, 1 or more.")
    builds = Builds(engine or connect(), on_progress or (lambda _: None), 6 * repeats)
    try:
        with tempfile.TemporaryDirectory(prefix="course-caching-") as folder:
            for run in range(1, repeats + 1):
                build_both_orders(builds, source, Path(folder, str(run)), edit, run)
    finally:
        builds.remove_images()
    orders = tuple(
        OrderResult(
            order,
            (source / name).read_text(encoding="utf-8"),
            tuple(
                summarize(phase, builds.reports[order, phase], builds.reports[order, COLD][0])
                for phase in PHASES
            ),
        )
        for order, name in DOCKERFILES.items()
    )
    return OrderExperiment(source.name, edit, repeats, orders)


class Builds:
    """The builds of one experiment: their reports by order and phase, and their images."""

    def __init__(self, engine: Engine, on_progress: Callable[[str], None], planned: int) -> None:
        self.engine, self.on_progress, self.planned = engine, on_progress, planned
        self.reports: dict[tuple[str, str], list[BuildReport]] = defaultdict(list)
        self.tags: list[str] = []
        self.image = f"course-caching-{secrets.token_hex(4)}"

    def build(self, copy: Path, order: str, phase: str, run: int) -> None:
        """Build one order of the app in the folder `copy`, and keep the report."""
        name = DOCKERFILES[order]
        self.tags.append(f"{self.image}:{run}-{name.lower()}-{phase}")
        title = f"build {len(self.tags)} of {self.planned}: {order}, {phase}"

        def show_step(step: str) -> None:
            self.on_progress(f"{title}: {step}")

        self.on_progress(title)
        report = build_image(
            copy,
            tag=self.tags[-1],
            dockerfile=copy / name,
            no_cache=phase == COLD,
            on_progress=show_step,
            engine=self.engine,
        )
        self.reports[order, phase].append(report)

    def remove_images(self) -> None:
        """Remove the tags of the experiment; an image without another tag is deleted with them."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        for tag in self.tags:
            with contextlib.suppress(DockerException, RequestException, OSError):
                self.engine.client.images.remove(tag)


def build_both_orders(
    builds: Builds, source: Path, folder: Path, edit: str | None, run: int
) -> None:
    """Build both orders cold, unchanged and edited, in turn; the order first to build alternates."""
    mark = secrets.token_hex(8)
    orders = list(DOCKERFILES)[:: 1 if run % 2 else -1]
    copies = {order: copy_app(source, folder / DOCKERFILES[order], mark) for order in orders}
    for phase in PHASES:
        for order in orders:
            if phase == EDITED:
                make_edit(copies[order], DOCKERFILES[order], edit, mark)
            builds.build(copies[order], order, phase, run)


def summarize(phase: str, reports: list[BuildReport], names: BuildReport) -> PhaseResult:
    """Return one kind of build over all runs, with the instructions of the report `names`."""
    builds = [report.steps for report in reports]
    if any(len(steps) != len(names.steps) for steps in builds):
        raise CourseError(
            "The runs reported different build steps, so they can't be compared.",
            "Run the experiment again while nothing else changes the app.",
        )
    steps = tuple(
        StepSamples(
            named.instruction,
            tuple(step.cached for step in samples),
            tuple(step.seconds for step in samples),
        )
        for named, *samples in zip(names.steps, *builds, strict=True)
    )
    return PhaseResult(phase, steps, tuple(report.seconds for report in reports))


def find_app(app: str | Path) -> Path:
    """Return the folder of an app: `app` itself, or the one of that name in an `apps` folder."""
    name = Path(app).expanduser()
    candidates = [name]
    if not name.is_absolute() and len(name.parts) <= 1:
        candidates = [Path("apps", name), APPS / name, name]
    for folder in candidates:
        if folder.is_dir() and (folder.resolve() / "Dockerfile").is_file():
            missing = [f for f in DOCKERFILES.values() if not (folder / f).is_file()]
            if missing:
                raise CourseError(
                    f"{app} has no {missing[0]}, and the experiment compares two Dockerfiles.",
                    "Create it with the same lines, but with COPY . . above RUN pip install.",
                )
            return folder.resolve()
    known = ", ".join(sorted(p.name for p in APPS.glob("*") if (p / "Dockerfile").is_file()))
    raise CourseError(
        f"There is no app {str(app)!r} with a Dockerfile.",
        f"Give a folder, or one of the course's apps: {known}.",
    )


def check_edit(source: Path, edit: str | None) -> None:
    """Raise CourseError, before anything is built, if the edit can't be made."""
    if edit is None:
        return
    if edit == "Dockerfile":
        for name in DOCKERFILES.values():
            edited_dockerfile((source / name).read_text(encoding="utf-8"), "0")
        return
    file = source / edit
    if not file.is_file() or source not in file.resolve().parents:
        names = sorted(
            path.name
            for path in source.iterdir()
            if path.is_file() and not path.name.startswith((".", "Dockerfile"))
        )
        raise CourseError(
            f"{source.name} has no file {edit!r} to edit.",
            f"Its files are: {', '.join(names)}. Or give 'Dockerfile', or None for no edit.",
        )
    comment_for(file)


def copy_app(source: Path, target: Path, mark: str) -> Path:
    """Copy the app and write a mark into the copy, so that no earlier build had the same files."""
    shutil.copytree(source, target, symlinks=True, ignore=NOT_COPIED)
    (target / MARK).write_text(mark + "\n", encoding="utf-8")
    requirements = target / "requirements.txt"
    if requirements.is_file():
        with requirements.open("a", encoding="utf-8") as text:
            text.write(f"\n# run {mark}\n")
    return target


def make_edit(copy: Path, dockerfile: str, edit: str | None, mark: str) -> None:
    """Make the edit in a copy of the app: add a comment to a file, or change one RUN."""
    if edit == "Dockerfile":
        file = copy / dockerfile
        file.write_text(edited_dockerfile(file.read_text(encoding="utf-8"), mark), encoding="utf-8")
    elif edit is not None:
        file = copy / edit
        with file.open("a", encoding="utf-8") as text:
            text.write("\n" + comment_for(file).format(f"edited {mark}") + "\n")


def comment_for(file: Path) -> str:
    """Return how to write a comment in a file, "{}" for its text; CourseError if unknown."""
    for style, endings in COMMENTS.items():
        if file.suffix.lower() in endings:
            return style
    raise CourseError(
        f"The experiment does not know how to write a comment into {file.name}.",
        "Choose a source file such as app.py, or requirements.txt.",
    )


def edited_dockerfile(text: str, mark: str) -> str:
    """Return the Dockerfile with an unused variable set in the RUN nearest its middle line."""
    lines = text.splitlines()
    shell_run = re.compile(r"(\s*RUN\s+(?:--\S+\s+)*)(?![\[\s<\\]|--)(.+)", re.IGNORECASE)
    runs = [
        (abs(i - (len(lines) - 1) / 2), i, match)
        for i, line in enumerate(lines)
        if (match := shell_run.fullmatch(line))
    ]
    if not runs:
        raise CourseError(
            "The Dockerfile has no RUN line that the experiment can edit.",
            "Edit a source file instead, such as app.py.",
        )
    _, at, match = min(runs, key=lambda item: item[:2])
    lines[at] = f"{match[1]}COURSE_EDIT={mark}; {match[2]}"
    return "\n".join(lines) + "\n"
