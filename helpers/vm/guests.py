"""The two guests and the small server, as images that the course builds once and keeps.

QEMU and the guests' files come in an image, so that they also run on Docker Desktop. If QEMU is
installed on this machine, the files are copied from the image into the cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.build import build_image
from helpers.engine import probe
from helpers.engine.labels import labels
from helpers.errors import CourseError
from helpers.paths import cache_dir
from helpers.process import error_line

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

CONTEXT = Path(__file__).parent / "context"
RECIPE_LABEL = "org.dockercourse.recipe"
SERVER = "dockercourse/small-server"
MACHINE = "dockercourse/machine"
FULL_MACHINE = "dockercourse/machine-full"
TARGETS = {SERVER: "server", MACHINE: "machine", FULL_MACHINE: "full"}


@dataclass(frozen=True)
class Guest:
    """A guest system: the image with its files, their names, its memory and its boot timeout.

    `disk_files` count as its size on disk: the kernel as Debian ships it, which is compressed.
    """

    name: str
    image: str
    kernel: str
    initrd: str
    disk: str
    memory_bytes: int
    boot_seconds: float
    disk_files: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that QEMU opens."""
        return tuple(name for name in (self.kernel, self.initrd, self.disk) if name)


_MINIMAL = ("kernel", "initramfs.cpio", "")
_FULL = ("full-kernel", "full-initrd", "full-disk.qcow2")
MINIMAL = Guest("minimal", MACHINE, *_MINIMAL, 128 << 20, 60, ("vmlinuz", "initramfs.cpio"))
FULL = Guest("full", FULL_MACHINE, *_FULL, 512 << 20, 180, _FULL)


@cache
def recipe() -> str:
    """Return a short hash of the build context; when it changes, the images are built again."""
    digest = hashlib.sha256()
    for path in sorted(p for p in CONTEXT.rglob("*") if p.is_file()):
        digest.update(path.relative_to(CONTEXT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def is_built(engine: Engine, image: str) -> bool:
    """Return whether the engine has this image, built from the current recipe."""
    details = probe.inspect_image(engine.host, image) or {"Config": {}}
    return (details["Config"].get("Labels") or {}).get(RECIPE_LABEL) == recipe()


def ensure(engine: Engine, image: str, on_progress: Callable[[str], None] | None = None) -> str:
    """Return the image's name, building it first if it is missing (about a minute).

    Raises BuildFailed if it cannot be built.
    """
    if not is_built(engine, image):
        build_image(
            CONTEXT,
            tag=image,
            target=TARGETS[image],
            build_args={"RECIPE": recipe()},
            on_progress=on_progress,
            engine=engine,
        )
    return image


def file_sizes(engine: Engine, guest: Guest) -> dict[str, int]:
    """Return the names and sizes in bytes of the guest's files on disk."""
    files = [f"/guest/{name}" for name in guest.disk_files]
    completed = engine.run(
        *("run", "--rm", "--network=none", "--entrypoint=stat", guest.image),
        *("--format=%n %s", *files),
    )
    if completed.returncode != 0:
        raise CourseError(
            f"Cannot read the files of the {guest.name} guest: {completed.stderr.strip()}",
            "Run `python3 -m helpers clean`, which removes its image, then run the cell again.",
        )
    rows = (line.rsplit(" ", 1) for line in completed.stdout.splitlines())
    return {Path(name).name: int(size) for name, size in rows}


def copy_out(engine: Engine, guest: Guest) -> Path:
    """Return the cache folder with the guest's files; the first call copies them there."""
    files = [f"/guest/{name}" for name in guest.files]
    return _copy_from_image(engine, guest.image, files, guest.name)


def copy_busybox(engine: Engine) -> Path:
    """Return the path of the small server's BusyBox; the first call copies it from its image."""
    return _copy_from_image(engine, SERVER, ["/bin/busybox"], "server") / "busybox"


def _copy_from_image(engine: Engine, image: str, files: Sequence[str], name: str) -> Path:
    folder = cache_dir() / "guests" / f"{name}-{recipe()}"
    if folder.is_dir():
        return folder
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True, exist_ok=True)
    container = engine.client.containers.create(image, labels=labels())
    try:
        for file in files:
            completed = engine.run("cp", f"{container.id}:{file}", str(part))
            if completed.returncode != 0:
                raise CourseError(
                    f"Cannot copy {file} from the image {image}: {error_line(completed)}",
                    "Run `python3 -m helpers doctor` to check your setup.",
                )
        with contextlib.suppress(OSError):  # another process did it first
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        container.remove(force=True)
    return folder
