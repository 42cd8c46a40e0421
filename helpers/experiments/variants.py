"""Builds the Dockerfiles of one folder side by side, for experiments that compare them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.build import build_image
from helpers.errors import CourseError

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

PREFIX = "Dockerfile."


@contextmanager
def build_variants(
    folder: str | Path, engine: Engine, on_progress: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """Build every `Dockerfile.NAME` in a folder and yield the images by NAME; remove them after.

    Raises CourseError if the folder has none, BuildFailed if one can't be built.

    Example:
        with build_variants("apps/stop-times", engine, print) as images:
            images["flask-exec"]
    """
    files = find_variants(folder)
    image = f"course-variant-{secrets.token_hex(4)}"
    tags = {name: f"{image}:{name}" for name in files}
    try:
        for name, file in files.items():
            on_progress(f"building {file.name}")
            build_image(folder, tag=tags[name], dockerfile=file, engine=engine)
        yield tags
    finally:
        remove_images(engine, tags.values())


def find_variants(folder: str | Path) -> dict[str, Path]:
    """Return the folder's files `Dockerfile.NAME` by NAME. Raises CourseError if it has none."""
    files = sorted(path for path in Path(folder).glob(f"{PREFIX}*") if path.is_file())
    if not files:
        raise CourseError(
            f"The folder {str(folder)!r} has no file named {PREFIX}NAME.",
            "Run the cell with open_app above: it creates the folder.",
        )
    return {path.name.removeprefix(PREFIX): path.absolute() for path in files}


def instructions(file: Path, *names: str) -> tuple[str, ...]:
    """Return the lines of a Dockerfile that start with one of the instructions."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line.upper().startswith(names))


def remove_images(engine: Engine, tags: Iterable[str]) -> None:
    """Remove images, as far as they exist and the engine answers."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    for tag in tags:
        with contextlib.suppress(DockerException, RequestException, OSError):
            engine.client.images.remove(tag)
