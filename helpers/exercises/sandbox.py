"""Where a submission runs: names and ports that no one else uses, limits, and nothing left behind.

Everything has a label of this one try, by which it is removed: containers with their anonymous
volumes, volumes, networks and images, also those without a name. Limits on memory, CPU, processes
and log of a container are options of `docker run`. The steps of a build have no such options: they run
in a control group that has them, the private engine's own (`engine/private/build_group.py`) or that
of an idle container, on engines where it can hold both (cgroup v1; moby/buildkit#593). On all
engines a watch ends what runs too long or fills the engine's disk.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from docker.errors import APIError
from requests import RequestException

from helpers.build.dockerfile import parse
from helpers.build.result import BuildReport
from helpers.build.run import build_image
from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.labels import TRY_LABEL, labels
from helpers.engine.private import build_group
from helpers.errors import BuildFailed, CourseError, Mistake
from helpers.exercises.build_mistakes import (
    explain_failed_build,
    is_network_failure,
    no_answer,
    waits_for_network,
)
from helpers.exercises.checks import Progress
from helpers.exercises.container import Container, Launch
from helpers.exercises.lazy import lazy
from helpers.paths import CHECKOUT

APPS = CHECKOUT / "notebooks" / "apps"
STEP_SECONDS = 90.0  # for one step; a build has three times as long, and a try six times
DOCKERFILE_STEP = re.compile(r"\[(\S+ +)?\d+/\d+\]")  # others are the engine's, such as exporting
DISK_BYTES = 5_000_000_000  # what others write on this disk meanwhile counts, too
LIMITS = ("--memory=512m", "--memory-swap=512m", "--pids-limit=200", "--cpus=1")
LOG_LIMITS = ("--log-driver=json-file", "--log-opt=max-size=2m", "--log-opt=max-file=1")
BUILD_LIMITS = (
    f"--memory={build_group.MEMORY_BYTES}",
    f"--memory-swap={build_group.MEMORY_BYTES}",
    f"--pids-limit={build_group.PROCESSES}",
    "--cpus=1",
)
# Without a registry, builds from any of these use the course's base image, which is Debian too.
PYTHON_TAGS = [
    f"python:{version}{variant}"
    for version in ("3", *(f"3.{minor}" for minor in range(8, 16)))
    for variant in ("", "-slim")
] + ["python:latest", "python:slim"]
# Without a registry, the syntax that is built into the engine is used.
SYNTAX_LINE = re.compile(r"^\s*#\s*syntax\s*=\s*(?:docker\.io/)?docker/dockerfile:\S+", re.I | re.M)


class Sandbox:
    """The objects of one try of one exercise, on one engine."""

    def __init__(
        self, engine: Engine, folder: Path, on_progress: Progress = None, extra_disk_bytes: int = 0
    ) -> None:
        self.engine, self.folder, self.on_progress = engine, folder, on_progress
        self.extra_disk_bytes = extra_disk_bytes
        self.id = uuid.uuid4().hex[:10]
        self.labels = {**labels(), TRY_LABEL: self.id}
        self.overrun = ""  # why the watch has ended something
        self.is_too_slow = False  # the watch has ended a build that took too long as a whole
        self.step = ""  # the step of a build that was started last, at `step_start`
        self.step_start = time.monotonic()
        self._parent: str | None = None
        self._launches: list[Launch] = []
        # Called before everything with the label of this try is removed.
        self.on_close: list[Callable[[], object]] = []

    # -- names ----------------------------------------------------------------------------
    def name(self, typed: str) -> str:
        """Return a name that is unique on the engine, for one that the student typed."""
        return f"course-{self.id}-{typed}"

    def as_typed(self, text: str) -> str:
        """Return text with the student's names and folder, as in a terminal."""
        return text.replace(f"course-{self.id}-", "").replace(str(self.folder), ".")

    @property
    def label_arguments(self) -> list[str]:
        """Return the arguments that label an object."""
        return [f"--label={key}={value}" for key, value in self.labels.items()]

    # -- building -------------------------------------------------------------------------
    def build(
        self, dockerfile: str, *, folder: Path | None = None, options: Sequence[str] = ()
    ) -> BuildReport:
        """Build a folder (default: the sandbox's) with this Dockerfile.

        A build that gets no answer from the network is run once more, in new containers. Raises
        Mistake if the build fails because of the Dockerfile, CourseError if because of the engine,
        its disk or the network, or if the build as a whole takes too long.
        """
        if not parse(dockerfile).instructions:
            raise Mistake(
                "empty", "The Dockerfile is empty.", "Its first line names a base image with FROM."
            )
        folder = folder or self.folder
        file = self.folder.parent / "Dockerfile"  # not in the context, as .dockerignore may have it
        file.write_text(self._use_built_in_syntax(dockerfile), encoding="utf-8")
        own = [f"--label={TRY_LABEL}={self.id}", *self._python_contexts(dockerfile)]
        options = [*options, *own]
        if parent := self._build_parent():
            options.append(f"--cgroup-parent={parent}")
        child: list[subprocess.Popen[str]] = []

        def note_step(step: str) -> None:
            if step != self.step:
                self.step, self.step_start = step, time.monotonic()
            if self.on_progress:
                self.on_progress(step)

        def build(*, again: bool) -> BuildReport:
            try:
                self.step, self.step_start = "", time.monotonic()
                with self.watch(lambda: cancel(child), 3 * STEP_SECONDS, STEP_SECONDS):
                    return build_image(
                        folder,
                        tag=self.name(f"image-{uuid.uuid4().hex[:6]}"),
                        dockerfile=file,
                        options=options,
                        on_start=child.append,
                        on_progress=note_step,
                        engine=self.engine,
                    )
            except BuildFailed as failure:
                if self.overrun and waits_for_network(failure):
                    raise no_answer() from None
                self.raise_overrun()
                if not again or not is_network_failure(failure):
                    raise explain_failed_build(failure) from None
            note_step("no answer from the network, building again")
            return build(again=False)

        return build(again=True)

    def build_own(self, dockerfile: str) -> str:
        """Build an image that the exercise needs in the sandbox's folder, and return its name."""
        file = self.folder.parent / "Dockerfile"
        file.write_text(dockerfile, encoding="utf-8")
        tag = self.name(f"image-{uuid.uuid4().hex[:6]}")
        options = [f"--label={TRY_LABEL}={self.id}"]
        build_image(self.folder, tag=tag, dockerfile=file, options=options, engine=self.engine)
        return tag

    def _use_built_in_syntax(self, dockerfile: str) -> str:
        """Return the Dockerfile without its syntax line, if that image can't be pulled."""
        is_offline = base_image.find_kind(self.engine) == "stand-in"
        return SYNTAX_LINE.sub("# built-in syntax", dockerfile) if is_offline else dockerfile

    def _python_contexts(self, dockerfile: str) -> list[str]:
        """Return arguments with which any Python of Docker Hub that is not here is the base image."""
        typed = re.findall(
            r"python:3(?:\.(?:\d|1[0-5])(?:\.\d+)?)?(?:-slim)?(?:-bookworm|-trixie)?(?![\w.-])",
            dockerfile,
        )
        tags = {tag for image in self.engine.client.api.images() for tag in image["RepoTags"] or ()}
        missing = dict.fromkeys([*PYTHON_TAGS, *typed])
        source = base_image.image_for(self.engine, base_image.REAL)
        return [
            f"--build-context={name}=docker-image://{source}"
            for name in missing
            if name not in tags and name != base_image.REAL
        ]

    def _build_parent(self) -> str:
        """Return the control group for the steps of builds, "" where there can't be one."""
        if self._parent is None:
            self._parent = ""
            if self._info["CgroupDriver"] != "cgroupfs":
                return ""
            if self.engine.kind == "private" and build_group.has_limits(self.engine.host):
                self._parent = f"/{build_group.name_group(self.engine.host)}"
            elif self._info.get("CgroupVersion") == "1":
                source = base_image.image_for(self.engine, base_image.REAL)
                options = ["--detach", "--network=none", *BUILD_LIMITS, *self.label_arguments]
                started = self.engine.run("run", *options, source, "sleep", "600")
                if started.returncode:
                    raise CourseError(f"Docker says: {started.stderr.strip()}", DOCTOR)
                self._parent = f"/docker/{started.stdout.strip()}"
        return self._parent

    # -- running --------------------------------------------------------------------------
    def start(self, image: str, *options: str) -> Container:
        """Start a container in the background, its port 5000 published on a free port.

        Raises Mistake if it can't be started.
        """
        launch = self.launch(["--detach", "--publish=127.0.0.1::5000", *options], image)
        launch.wait(30)
        return launch.container

    def launch(self, options: Sequence[str], image: str, command: Sequence[str] = ()) -> Launch:
        """Start `docker run` with the options, and the sandbox's limits and labels."""
        cidfile = self.folder.parent / f"cid-{uuid.uuid4().hex[:6]}"
        arguments = [*LIMITS, *options, *LOG_LIMITS, *self.label_arguments]
        launch = Launch(self.engine, cidfile, [*arguments, image, *command], self.as_typed)
        self._launches.append(launch)
        return launch

    # -- limits ---------------------------------------------------------------------------
    @contextmanager
    def watch(
        self, stop: Callable[[], object], seconds: float, step_seconds: float = math.inf
    ) -> Iterator[None]:
        """Call `stop` if the block, or a step in it, takes too long or fills the engine's disk."""
        done = threading.Event()
        free = self._free_bytes()
        allowed = min(DISK_BYTES + self.extra_disk_bytes, 0.8 * free)
        end = time.monotonic() + seconds

        def poll() -> None:
            while not done.wait(0.3):
                now = time.monotonic()
                is_step = DOCKERFILE_STEP.match(self.step)
                self.is_too_slow = self.is_too_slow or now > end
                if is_step and now > self.step_start + step_seconds:
                    self.overrun = f"it was stopped after {step_seconds:g} s"
                elif free - self._free_bytes() > allowed:
                    self.overrun = f"it was stopped after it wrote {allowed / 1e9:g} GB"
                if self.overrun or self.is_too_slow:
                    stop()
                    return

        thread = threading.Thread(target=poll, name="course-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(20)

    def raise_overrun(self) -> None:
        """Raise Mistake if the watch has ended a build, CourseError if the engine was too slow."""
        if self.is_too_slow:
            raise CourseError(
                "The build did not finish in time, so it could not be checked.",
                "Close programs that keep this machine busy, then try again.",
            )
        if self.overrun:
            raise Mistake(
                "without-end",
                f"This step did not end, {self.overrun}: {self.step}",
                "A RUN prepares the image and must end. If this one starts the server, that belongs "
                "in CMD. If it downloads or writes a lot, does the app need that?",
            )

    def _free_bytes(self) -> int:
        """Return the free bytes of the disk with the engine's data, 0 if it is not on this host."""
        with suppress(OSError):
            return shutil.disk_usage(self._info["DockerRootDir"]).free
        return 0

    @lazy
    def _info(self) -> dict[str, Any]:
        """Return what the engine says about itself."""
        return self.engine.client.info()

    def kill_containers(self) -> None:
        """Kill the containers of this try."""
        api = self.engine.client.api
        try_each(api.kill, lambda: list_ids(api.containers(filters=self._filters)))

    # -- the end --------------------------------------------------------------------------
    def close(self) -> None:
        """Stop what is running, and remove everything that has the label of this try."""
        for launch in self._launches:
            launch.stop()
        with suppress(APIError, RequestException):  # the engine is gone, or too busy to answer
            for remove in self.on_close:
                remove()
        self.remove_containers()
        api, filters = self.engine.client.api, self._filters
        try_each(
            api.remove_volume, lambda: list_ids(api.volumes(filters=filters)["Volumes"], "Name")
        )
        try_each(api.remove_network, lambda: list_ids(api.networks(filters=filters)))
        try_each(
            partial(api.remove_image, force=True),
            lambda: list_ids(api.images(all=True, filters=filters)),
        )
        self._remove_root_files()

    def remove_containers(self) -> None:
        """Remove the containers of this try, with their anonymous volumes."""
        api = self.engine.client.api
        try_each(
            partial(api.remove_container, v=True, force=True),
            lambda: list_ids(api.containers(all=True, filters=self._filters)),
        )

    @property
    def _filters(self) -> dict[str, str]:
        """Return the SDK's filters for objects of this try."""
        return {"label": f"{TRY_LABEL}={self.id}"}

    def _remove_root_files(self) -> None:
        """Remove what a container wrote as root into a bind mount, where this user may not."""
        try:
            shutil.rmtree(self.folder)
        except FileNotFoundError:
            return
        except PermissionError:
            source = base_image.image_for(self.engine, base_image.REAL)
            command = ("find", "/folder", "-mindepth", "1", "-delete")
            self.engine.run("run", "--rm", f"--volume={self.folder}:/folder", source, *command)


def try_each(do: Callable[[str], object], list_them: Callable[[], list[str]]) -> None:
    """Do something with each object of a listing, whether or not it succeeds."""
    with suppress(APIError, RequestException):  # the engine is gone, or too busy to answer
        for id in list_them():
            with suppress(APIError):  # it has ended, or is being removed
                do(id)


def list_ids(objects: list[dict[str, Any]] | None, key: str = "Id") -> list[str]:
    """Return the ids, or another value, of what the engine has listed."""
    return [each[key] for each in objects or ()]


def cancel(children: list[subprocess.Popen[str]]) -> None:
    """Cancel builds whose output another thread reads: as Ctrl-C does, or by force after 5 s."""
    for child in children:
        for number in (signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with suppress(subprocess.TimeoutExpired):
                child.wait(5)
                break


def copy_folder(source: Path, target: Path, *ignored: str) -> Path:
    """Copy a folder; return the copy, whose name is the target's and a part that no other try has.

    BuildKit keeps the files of a build context under its folder's name, and takes a file of the same
    size and time for unchanged. Two tries that edit a file within the same tick of the kernel's
    clock would then build each other's file.
    """
    copy = target.with_name(f"{target.name}-{uuid.uuid4().hex[:8]}")
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*ignored))
    return copy


DOCTOR = "Run: python3 -m helpers doctor"


@contextmanager
def open_sandbox(
    engine: Engine, app: str, on_progress: Progress = None, extra_disk_bytes: int = 0
) -> Iterator[Sandbox]:
    """Yield a sandbox whose folder is a copy of the app; watch its containers; remove everything.

    `extra_disk_bytes` is for an exercise whose images are large. Raises CourseError if the base
    image is missing and can't be made.
    """
    base_image.image_for(engine, base_image.REAL)
    if base_image.find_kind(engine) == "missing":
        raise CourseError(
            f"The base image {base_image.REAL} is not on this engine.",
            "Connect to the internet, then run: python3 -m helpers lab",
        )
    with tempfile.TemporaryDirectory(prefix="course-exercise-") as scratch:
        folder = copy_folder(APPS / app, Path(scratch, app), "Dockerfile*", "__pycache__")
        sandbox = Sandbox(engine, folder, on_progress, extra_disk_bytes)
        try:
            with sandbox.watch(sandbox.kill_containers, 6 * STEP_SECONDS):
                yield sandbox
        finally:
            sandbox.close()
