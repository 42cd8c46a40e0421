"""Write a note in a container, stop or remove the container, and look for the note again."""

from __future__ import annotations

import re
import secrets
import shlex
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.engine import probe
from helpers.engine.find import connect
from helpers.engine.labels import label_args
from helpers.errors import CourseError
from helpers.experiments.storage.result import (
    ANONYMOUS,
    BIND,
    KEPT,
    LAYER,
    LEFT_BEHIND,
    LOST,
    NAMED,
    NO_VOLUME,
    TMPFS,
    Storage,
    StorageComparison,
)
from helpers.magic.next_step import next_step

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

DATA = "/data"
NOTE = f"{DATA}/note"
READ = ("sh", "-c", f"cat {NOTE} 2>/dev/null || true")  # prints the note if it is there
ALL_KINDS = ("", "-v VOLUME:/data", "-v /data", "-v FOLDER:/data", "--tmpfs /data")
# The experiment removes volumes, so it takes no name and no path but its own.
OPTIONS = re.compile(r"(-v ((VOLUME|FOLDER):)?/[\w./-]*|--tmpfs /[\w./-]*)?")
AT_ONCE = 2


def compare_storage(
    *options: str,
    image: str = "counter",
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> StorageComparison:
    """Write `/data/note` in containers of an image, and look for it after each kind of removal.

    The kinds: stop and start, `docker rm`, `docker rm -v`, and `docker volume rm`.

    Each of `options` is what follows `docker run` in one row of the table: `-v` or `--tmpfs`, or ""
    for neither. VOLUME and FOLDER stand for a new volume and a new folder on the host. Without
    `options`, all five kinds of storage are compared.
    Raises CourseError for other options, if there is no such image, or if a container can't write.

    Example:
        compare_storage("-v VOLUME:/data", "-v /data")
    """
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    rows = options or ALL_KINDS
    for text in rows:
        if not isinstance(text, str) or not OPTIONS.fullmatch(text):
            raise CourseError(
                f"Invalid option {text!r}.",
                "Use -v VOLUME:/data, -v /data, -v FOLDER:/data, --tmpfs /data, or an empty string.",
            )
    if probe.inspect_image(engine.host, image) is None:
        raise CourseError(
            f"There is no image {image!r} on the engine.",
            f"Build it first: docker build -t {image} .",
        )

    def try_row(text: str) -> Storage:
        progress(f"docker run {text}")
        return _try(engine, image, text)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return StorageComparison(tuple(pool.map(try_row, rows)))


def _try(engine: Engine, image: str, options: str) -> Storage:
    """Try all events on two containers with the same options."""
    with _attempt(engine, image, options) as attempt:
        kind = attempt.start()
        attempt.docker("stop", "-t", "0", attempt.name)
        attempt.docker("start", attempt.name)
        stopped = KEPT if attempt.has_note() else LOST
        attempt.docker("rm", "-f", attempt.name)
        removed = attempt.outcome()
        volume_removed = attempt.outcome_without_volume()
    with _attempt(engine, image, options) as attempt:
        attempt.start()
        attempt.docker("rm", "-f", "-v", attempt.name)
        removed_with_volumes = attempt.outcome()
    return Storage(options, kind, (stopped, removed, removed_with_volumes, volume_removed))


@contextmanager
def _attempt(engine: Engine, image: str, options: str) -> Iterator[_Attempt]:
    """Yield an attempt, and remove its container, volume and folder at the end.

    The folder is in the current one, which Docker Desktop shares with its VM. Files that root
    writes to it in a container can be removed because the folder is the user's.
    """
    with tempfile.TemporaryDirectory(prefix="course-06-", dir=Path.cwd()) as folder:
        attempt = _Attempt(engine, image, options, folder)
        try:
            yield attempt
        finally:
            engine.run("rm", "-f", "-v", attempt.name)
            for volume in (attempt.name, attempt.anonymous):
                if volume:
                    engine.run("volume", "rm", "-f", volume)


class _Attempt:
    """One container that writes a note, and the volume or folder that it writes to."""

    def __init__(self, engine: Engine, image: str, options: str, folder: str) -> None:
        self.engine, self.image = engine, image
        self.name = f"course-06-{secrets.token_hex(4)}"  # of the container and of VOLUME
        self.text = secrets.token_hex(8)
        self.named = "VOLUME" in options
        self.anonymous = ""
        self.options = [
            word.replace("VOLUME", self.name).replace("FOLDER", folder)
            for word in shlex.split(options)
        ]

    def start(self) -> str:
        """Start the container, write the note, and return the kind of storage that holds it."""
        self.create_volume()
        self.docker(
            *("run", "-d", "--name", self.name, *label_args(), *self.options),
            *("--entrypoint", "sleep", self.image, "infinity"),
        )
        write = f"mkdir -p {DATA} && echo {self.text} > {NOTE}"
        self.docker("exec", self.name, "sh", "-c", write)
        container = self.engine.client.containers.get(self.name)
        mounts = container.attrs["Mounts"]
        self.anonymous = next(
            (m["Name"] for m in mounts if m["Type"] == "volume" and m["Name"] != self.name), ""
        )
        return _kind(container.attrs, self.anonymous)

    def create_volume(self) -> None:
        """Create the volume of `-v VOLUME:…` with labels; docker run would create it without."""
        if self.named:
            self.docker("volume", "create", *label_args(), self.name)

    def has_note(self) -> bool:
        """Return whether the running container finds the note."""
        return self.docker("exec", self.name, *READ) == self.text

    def outcome(self) -> str:
        """Return what happened to the note, now that the container is removed."""
        self.create_volume()
        if self.new_container_has_note(*self.options):
            return KEPT
        if self.anonymous and self.engine.run("volume", "inspect", self.anonymous).returncode == 0:
            has_note = self.new_container_has_note("-v", f"{self.anonymous}:{DATA}")
            return LEFT_BEHIND if has_note else LOST
        return LOST

    def outcome_without_volume(self) -> str:
        """Remove the volume and return what happened to the note; "(no volume)" without one."""
        volume = self.name if self.named else self.anonymous
        if not volume:
            return NO_VOLUME
        self.docker("volume", "rm", volume)
        return self.outcome()

    def new_container_has_note(self, *options: str) -> bool:
        """Return whether a new container with these options finds the note."""
        command = ("--entrypoint", READ[0], self.image, *READ[1:])
        return self.docker("run", "--rm", *label_args(), *options, *command) == self.text

    def docker(self, *args: str) -> str:
        """Run a docker command and return its output. Raises CourseError if it fails."""
        completed = self.engine.run(*args)
        if completed.returncode == 0:
            return completed.stdout.strip()
        # The first line is the reason; docker run adds a line about --help.
        reason = completed.stderr.strip().partition("\n")[0]
        raise CourseError(
            f"docker {args[0]} failed: {reason}",
            next_step(completed.stderr, self.engine)
            or "Compare the options with the examples in this chapter, then run this again.",
        )


def _kind(container: dict[str, Any], anonymous: str) -> str:
    """Return what kind of storage is mounted on /data, from the container's description."""
    if DATA in (container["HostConfig"].get("Tmpfs") or {}):
        return TMPFS
    mount = next((m for m in container["Mounts"] if m["Destination"] == DATA), None)
    if mount is None:
        return LAYER
    if mount["Type"] == "bind":
        return BIND
    return ANONYMOUS if mount["Name"] == anonymous else NAMED
