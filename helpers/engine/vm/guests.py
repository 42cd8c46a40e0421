"""The two guests and the small server, as images that the course builds once and keeps.

QEMU and the guests' files come in an image, so that a student who has only Docker Desktop can run
them too; where this machine has a QEMU of its own, the files are copied out into the cache folder.
Knows nothing of booting.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.engine.build import build_image
from helpers.engine.owner import labels
from helpers.errors import CourseError
from helpers.setup.console import cache_dir

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
    """A guest system: the image its files are in, their names, its memory and its time to boot.

    `disk_files` are what a student would keep of it on disk; the kernel counts as it is shipped.
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


MINIMAL = Guest("minimal", MACHINE, "kernel", "initramfs.cpio", "", 128 << 20, 60,
                ("vmlinuz", "initramfs.cpio"))
FULL = Guest("full", FULL_MACHINE, "full-kernel", "full-initrd", "full-disk.qcow2", 512 << 20, 180,
             ("full-kernel", "full-initrd", "full-disk.qcow2"))


@cache
def recipe() -> str:
    """What the images are made from, as a short hash: another recipe makes new images."""
    digest = hashlib.sha256()
    for path in sorted(p for p in CONTEXT.rglob("*") if p.is_file()):
        digest.update(path.relative_to(CONTEXT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def is_made(engine: Engine, image: str) -> bool:
    """Whether the engine has this image, made from today's recipe."""
    template = f'{{{{index .Config.Labels "{RECIPE_LABEL}"}}}}'
    said = engine.run("image", "inspect", "--format", template, image)
    return said.returncode == 0 and said.stdout.strip() == recipe()


def ensure(engine: Engine, image: str, on_progress: Callable[[str], None] | None = None) -> str:
    """Have one of the images: there already, or built now (about a minute); return its name.

    Raises BuildFailed when it cannot be built.
    """
    if not is_made(engine, image):
        build_image(CONTEXT, tag=image, target=TARGETS[image], build_args={"RECIPE": recipe()},
                    on_progress=on_progress, engine=engine)
    return image


def file_sizes(engine: Engine, guest: Guest) -> dict[str, int]:
    """The guest's files on disk: their names and sizes in bytes."""
    said = engine.run("run", "--rm", "--network", "none", "--entrypoint", "stat", guest.image,
                      "--format", "%n %s", *(f"/guest/{name}" for name in guest.disk_files))
    if said.returncode != 0:
        raise CourseError(f"The files of the {guest.name} guest cannot be read: "
                          f"{said.stderr.strip()}", "Make it again: python3 -m helpers clean")
    rows = (line.rsplit(" ", 1) for line in said.stdout.splitlines())
    return {Path(name).name: int(size) for name, size in rows}


def copy_out(engine: Engine, guest: Guest) -> Path:
    """The folder in the cache with the guest's files, copied out of the image once."""
    return _copied(engine, guest.image, [f"/guest/{name}" for name in guest.files], guest.name)


def busybox(engine: Engine) -> Path:
    """The BusyBox of the small server, copied out of its image once."""
    return _copied(engine, SERVER, ["/bin/busybox"], "server") / "busybox"


def _copied(engine: Engine, image: str, files: Sequence[str], name: str) -> Path:
    folder = cache_dir() / "guests" / f"{name}-{recipe()}"
    if folder.is_dir():
        return folder
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True, exist_ok=True)
    container = engine.client.containers.create(image, labels=labels())
    try:
        for file in files:
            stream, _ = container.get_archive(file)
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
                member = archive.getmember(Path(file).name)
                content = archive.extractfile(member)
                assert content, f"{file} in {image} is a plain file"
                copy = part / member.name
                copy.write_bytes(content.read())
                copy.chmod(member.mode)
        with contextlib.suppress(OSError):      # another process was quicker
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        container.remove(force=True)
    return folder
