"""Layer caching, measured: one app, its Dockerfile in two orders, built cold, unchanged, edited.

Every build works on a temporary copy, so the student's files are never touched; a cold build is
one that ignores the cache (`no_cache`; WORKDIR is kept even then), so the engine's build cache is
never wiped. The builds of the two orders take turns, and each run carries a mark of its own in the
copied files and in the edit, so that no run can live off an earlier one. Must not know how the
result is shown.
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

from helpers.engine.build import build_image
from helpers.engine.find import connect
from helpers.engine.owner import CHECKOUT
from helpers.errors import CourseError
from helpers.results.build import BuildReport
from helpers.results.caching import (
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

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

DOCKERFILES = {COPY_FIRST: "Dockerfile.copy-first", REQUIREMENTS_FIRST: "Dockerfile"}
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".ipynb_checkpoints", "node_modules")
COMMENTS = {
    "# {}": (".py", ".txt", ".sh", ".toml", ".cfg", ".ini", ".yml", ".yaml", ".env"),
    "<!-- {} -->": (".html", ".md"),
    "/* {} */": (".js", ".css", ".ts"),
}
MARK = ".course-run"


def compare_orders(app: str | Path = "flask-app", edit: str | None = "app.py", repeats: int = 3,
                   on_progress: Callable[[str], None] | None = None,
                   engine: Engine | None = None) -> OrderExperiment:
    """Build both orders of `app` cold, unchanged and after `edit`, `repeats` times each.

    `app` is a folder, or the name of one in `notebooks/apps`; it holds `Dockerfile` (requirements
    first) and `Dockerfile.copy-first`. `edit` is a file in it, "Dockerfile" for the RUN in the
    middle of each Dockerfile, or None for no edit. Raises CourseError for what cannot be built.
    """
    source = find_app(app)
    check_edit(source, edit)
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise CourseError(f"repeats is {repeats!r}.", "Give a whole number, 1 or more.")
    engine = engine or connect()
    say = on_progress or (lambda _: None)
    experiment = f"course-caching-{secrets.token_hex(4)}"
    reports: dict[tuple[str, str], list[BuildReport]] = defaultdict(list)
    tags: list[str] = []
    count = 0
    try:
        with tempfile.TemporaryDirectory(prefix="course-caching-") as folder:
            for run in range(1, repeats + 1):
                mark = secrets.token_hex(8)
                orders = list(DOCKERFILES)[:: 1 if run % 2 else -1]
                copies = {order: copy_app(source, Path(folder, f"{run}-{order}"), mark)
                          for order in orders}
                for phase in PHASES:
                    for order in orders:
                        copy, name = copies[order], DOCKERFILES[order]
                        if phase == EDITED:
                            make_edit(copy, name, edit, mark)
                        count += 1
                        what = f"build {count} of {6 * repeats}: {order}, {phase}"
                        say(what)
                        tags.append(f"{experiment}:{run}-{name.lower()}-{phase}")
                        reports[order, phase].append(build_image(
                            copy, tag=tags[-1], dockerfile=copy / name, no_cache=phase == COLD,
                            on_progress=lambda line, what=what: say(f"{what}: {line}"),
                            engine=engine))
    finally:
        remove_images(engine, tags)
    return OrderExperiment(source.name, edit, repeats, tuple(
        OrderResult(order, (source / name).read_text(encoding="utf-8"), tuple(
            summarise(phase, reports[order, phase], reports[order, COLD][0]) for phase in PHASES))
        for order, name in DOCKERFILES.items()))


def summarise(phase: str, reports: list[BuildReport], names: BuildReport) -> PhaseResult:
    """One kind of build over all runs, its steps called as in the build `names` (seconds)."""
    builds = [report.steps for report in reports]
    if any(len(steps) != len(names.steps) for steps in builds):
        raise CourseError("The runs reported different build steps, so they cannot be compared.",
                          "Run the experiment again while nothing else changes the app.")
    runs = list(zip(*builds, strict=True))
    return PhaseResult(phase, tuple(
        StepSamples(named.instruction, tuple(step.cached for step in steps),
                    tuple(step.seconds for step in steps))
        for named, steps in zip(names.steps, runs, strict=True)),
        tuple(report.seconds for report in reports))


def find_app(app: str | Path) -> Path:
    """The app's folder: `app` itself, or the one of that name in an `apps` folder."""
    name = Path(app).expanduser()
    places = [name] if name.is_absolute() or len(name.parts) > 1 else [
        Path("apps", name), CHECKOUT / "notebooks" / "apps" / name, name]
    for place in places:
        if place.is_dir() and (place.resolve() / "Dockerfile").is_file():
            missing = [f for f in DOCKERFILES.values() if not (place / f).is_file()]
            if missing:
                raise CourseError(f"{app} has no {missing[0]}, and the experiment compares two "
                                  "Dockerfiles.", "Write it there: the same lines, but COPY . . "
                                  "above RUN pip install.")
            return place.resolve()
    shelf = CHECKOUT / "notebooks" / "apps"
    known = ", ".join(sorted(p.name for p in shelf.glob("*") if (p / "Dockerfile").is_file()))
    raise CourseError(f"There is no app {str(app)!r} with a Dockerfile.",
                      f"Give a folder, or one of the course's apps: {known}.")


def check_edit(source: Path, edit: str | None) -> None:
    """Raise CourseError, before anything is built, when the edit cannot be made."""
    if edit is None:
        return
    if edit == "Dockerfile":
        for name in DOCKERFILES.values():
            edited_dockerfile((source / name).read_text(encoding="utf-8"), "0")
        return
    file = source / edit
    if not file.is_file() or source not in file.resolve().parents:
        here = ", ".join(sorted(p.name for p in source.iterdir() if p.is_file()
                                and not p.name.startswith((".", "Dockerfile"))))
        raise CourseError(f"{source.name} has no file {edit!r} to edit.",
                          f"Its files are: {here}. Or give 'Dockerfile', or None for no edit.")
    comment_for(file)


def copy_app(source: Path, target: Path, mark: str) -> Path:
    """A copy of the app with a mark of its own, so that no earlier build had the same files."""
    shutil.copytree(source, target, symlinks=True, ignore=NOT_COPIED)
    (target / MARK).write_text(mark + "\n", encoding="utf-8")
    requirements = target / "requirements.txt"
    if requirements.is_file():
        with requirements.open("a", encoding="utf-8") as text:
            text.write(f"\n# run {mark}\n")
    return target


def make_edit(copy: Path, dockerfile: str, edit: str | None, mark: str) -> None:
    """Make the edit in a copy of the app: a comment in a file, or a change to one RUN."""
    if edit == "Dockerfile":
        file = copy / dockerfile
        file.write_text(edited_dockerfile(file.read_text(encoding="utf-8"), mark),
                        encoding="utf-8")
    elif edit is not None:
        file = copy / edit
        with file.open("a", encoding="utf-8") as text:
            text.write("\n" + comment_for(file).format(f"edited {mark}") + "\n")


def comment_for(file: Path) -> str:
    """How a comment is written in this kind of file; raises CourseError for an unknown kind."""
    for style, endings in COMMENTS.items():
        if file.suffix.lower() in endings:
            return style
    raise CourseError(f"The experiment does not know how to write a comment into {file.name}.",
                      "Choose a source file such as app.py, or requirements.txt.")


def edited_dockerfile(text: str, mark: str) -> str:
    """The Dockerfile with an unused variable set in the RUN nearest its middle line."""
    lines = text.splitlines()
    shell_run = re.compile(r"(\s*RUN\s+(?:--\S+\s+)*)(?![\[\s<\\]|--)(.+)", re.IGNORECASE)
    found = [(abs(i - (len(lines) - 1) / 2), i, match) for i, line in enumerate(lines)
             if (match := shell_run.fullmatch(line))]
    if not found:
        raise CourseError("The Dockerfile has no RUN line that the experiment can edit.",
                          "Edit a source file instead, such as app.py.")
    _, at, match = min(found, key=lambda item: item[:2])
    lines[at] = f"{match[1]}COURSE_EDIT={mark}; {match[2]}"
    return "\n".join(lines) + "\n"


def remove_images(engine: Engine, tags: list[str]) -> None:
    """Take the experiment's own tags away; an image with no other tag goes with its tag."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    for tag in tags:
        with contextlib.suppress(DockerException, RequestException, OSError):
            engine.client.images.remove(tag)
