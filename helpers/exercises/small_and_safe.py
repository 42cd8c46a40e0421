"""Chapter 08: a small image without a key or a compiler, whose app is not root and stops at once."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from filelock import FileLock

from helpers.engine.base_image import REAL, image_for
from helpers.engine.engine import Engine
from helpers.errors import BuildFailed, CourseError, Mistake
from helpers.exercises.answering import expect_message, read_json
from helpers.exercises.checks import HandsOn, Progress, check
from helpers.exercises.container import Container
from helpers.exercises.frame import Task
from helpers.exercises.layer_files import LayerFile, search_layers
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import APPS, Sandbox, open_sandbox
from helpers.experiments.layers.measure import clean_instruction
from helpers.paths import cache_dir

APP = "small-and-safe"
TASK = Task(
    "08-small-and-safe",
    "08",
    "Make it small and safe",
    "dockerfile",
    "The folder has app.py, requirements.txt, tests/, 20 MB of data in sales.csv, and a key in "
    ".env. The app needs only app.py and its packages; it gets the key when a container starts. "
    "Change the Dockerfile so that\n"
    "- the image is at most half as large,\n"
    "- no layer has the key or a compiler,\n"
    "- the app does not run as root,\n"
    "- `docker stop` ends it within 2 s.\n"
    "There is no .dockerignore: the Dockerfile decides what is copied. The base image is "
    "python:3.13-slim.",
    (APPS / APP / "Dockerfile").read_text(encoding="utf-8"),
)
MESSAGE = "Hello from a small image!"
DATA_LINE, DATA_LINES = "2026-01-01,coffee,250\n", 910_000  # 20 MB
KEY = (APPS / APP / ".env").read_text(encoding="utf-8").strip().partition("=")[2]
COMPILERS = re.compile(
    r"(^|/)bin/(\w+-linux-\w+-)?(gcc|g\+\+|clang|clang\+\+|tcc)(-[\d.]+)?$|(^|/)cc1(plus)?$"
)
STOP_SECONDS = 2
# An image with a compiler has 600 MB, twice as much while it is built on the containerd store, and
# what others write on this disk meanwhile counts, too.
EXTRA_DISK_BYTES = 12_000_000_000
ENDED = (0, 143)  # by itself, or by SIGTERM: 128 + 15
KILLED = 137  # 128 + SIGKILL
SHELLS = ("sh", "bash", "dash")


@dataclass
class Trial:
    """One Dockerfile, and what has been built and started from it."""

    dockerfile: str
    sandbox: Sandbox
    token: str

    @lazy
    def image(self) -> dict[str, Any]:
        """Return what the engine knows about the image, building it first."""
        try:
            report = self.sandbox.build(self.dockerfile)
        except Mistake as mistake:
            if "[Errno 13]" not in mistake.seen:
                raise
            raise Mistake(
                "user-before-install",
                mistake.seen,
                "USER also holds for each RUN below it, and this user may not write there.",
                "What needs root, such as the installation, belongs above USER.",
            ) from None
        return inspect_image(self.sandbox.engine, report.tags[0])

    @lazy
    def history(self) -> list[dict[str, Any]]:
        """Return the image's history, the newest entry first."""
        return self.sandbox.engine.client.api.history(self.image["Id"])

    @lazy
    def files(self) -> dict[str, list[LayerFile]]:
        """Return the files in all layers that have the key, and the compilers."""
        key, engine = KEY.encode(), self.sandbox.engine
        return search_layers(
            engine,
            self.image["Id"],
            inspect_image(engine, image_for(engine, REAL))["RootFS"]["Layers"],
            key=lambda path, content: key in content,
            compiler=lambda path, content: COMPILERS.search(path) is not None,
        )

    @lazy
    def container(self) -> Container:
        """Return a container of the image, starting it first."""
        try:
            return self.sandbox.start(self.image["Id"])
        except Mistake as mistake:
            if "unable to find user" not in mistake.seen:
                raise
            raise Mistake(
                "no-such-user",
                mistake.seen,
                "USER only chooses a user. In this image, none has that name.",
                "RUN useradd creates a user; it must be in the stage that becomes the image.",
            ) from None

    def read_process(self, file: str) -> str:
        """Return a file of the container's process 1 in /proc."""
        return self.sandbox.engine.run("exec", self.container.id, "cat", f"/proc/1/{file}").stdout

    def stop(self) -> int:
        """Stop the container and return its exit code."""
        arguments = ("stop", f"--time={STOP_SECONDS}", self.container.id)
        self.sandbox.engine.run(*arguments, timeout=30)
        return self.container.inspect()["State"]["ExitCode"]


@contextmanager
def begin(dockerfile: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of a Dockerfile; the app answers with a word that is new in each try."""
    with open_sandbox(engine, APP, on_progress, EXTRA_DISK_BYTES) as sandbox:
        (sandbox.folder / "sales.csv").write_text(DATA_LINE * DATA_LINES, encoding="utf-8")
        token = uuid.uuid4().hex
        app = sandbox.folder / "app.py"
        app.write_text(app.read_text(encoding="utf-8").replace(MESSAGE, token), encoding="utf-8")
        yield Trial(dockerfile, sandbox, token)


def inspect_image(engine: Engine, image: str) -> dict[str, Any]:
    """Return what the engine knows about an image."""
    return engine.client.api.inspect_image(image)


def measure_start(sandbox: Sandbox) -> int:
    """Return the size of the start's image in bytes.

    The image is built once on each base image and removed with the try; a file of the cache folder
    keeps its size. Raises CourseError if it can't be built.
    """
    base = inspect_image(sandbox.engine, image_for(sandbox.engine, REAL))["Id"]
    name = hashlib.sha256(f"{base}{TASK.start}".encode()).hexdigest()[:12]
    file = cache_dir() / f"exercise-{APP}-{name}"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):  # several graders build it once
        if not file.exists():
            try:
                tag = sandbox.build_own(TASK.start)
            except BuildFailed as failure:
                raise CourseError(
                    f"The start's image could not be built, to compare with: {failure.message}",
                    "Check that this machine is online, then try again.",
                ) from None
            file.write_text(str(inspect_image(sandbox.engine, tag)["Size"]), encoding="utf-8")
    return int(file.read_text(encoding="utf-8"))


@check()
def builds(trial: Trial) -> str:
    """The image builds."""
    return f"built: {trial.image['Id'][7:19]}"


@check(needs="builds")
def answers(trial: Trial) -> str:
    """The app answers on port 5000."""
    return expect_message(
        trial.container,
        trial.token,
        "The image must contain the app.py of the folder that is built.",
    )


@check(needs="builds")
def is_small(trial: Trial) -> str:
    """The image is at most half as large as at the start."""
    size, start = trial.image["Size"], measure_start(trial.sandbox)
    seen = f"{size / 1e6:.0f} MB; at the start: {start / 1e6:.0f} MB"
    if size > start / 2:
        largest = max(trial.history, key=lambda entry: entry["Size"])
        raise Mistake(
            "too-large",
            f"{seen}. The largest layer, {largest['Size'] / 1e6:.0f} MB, is made by: "
            f"{clean_instruction(largest['CreatedBy'])[:80]}",
            "What does this layer bring that the running app doesn't need? Removing it in a later "
            "layer doesn't make the image smaller.",
            "What is only needed during the build can stay in its own stage, or out of the "
            "Dockerfile if nothing needs it.",
        )
    return seen


@check(needs="builds")
def keeps_key_out(trial: Trial) -> str:
    """No layer has the key."""
    if files := trial.files["key"]:
        file = next((file for file in files if not file.hidden_by), files[0])
        if file.hidden_by:
            raise Mistake(
                "key-hidden",
                f"The key is still in the image: {file.describe()}.",
                "A layer never changes. A file that a later layer removes or replaces is still in "
                "the image: anyone can get it out with docker save.",
                "The file must not get into the image at all. Which COPY brings it in?",
            )
        if PurePosixPath(file.path).name != ".env":
            mistake = "key-in-file"
            hint = "The key was written to another file. Everybody who has the image can read it."
        elif ".env" in file.instruction:
            mistake, hint = (
                "key-named",
                "This line copies .env by its name. The app doesn't read it.",
            )
        else:
            mistake = "key-copied"
            hint = (
                "A COPY of a whole folder brings everything in it, also files whose names begin with "
                "a dot."
            )
        raise Mistake(
            mistake,
            f"The key is in the image: {file.describe()}.",
            hint,
            "COPY can name the files that the app needs. The app gets the key when a container "
            "starts, as with docker run --env-file.",
        )
    lines = (clean_instruction(entry["CreatedBy"] or "") for entry in trial.history)
    if line := next((line for line in lines if KEY in line), ""):
        raise Mistake(
            "key-in-history",
            f"The key is in the image's history: {line[:100]}",
            "The values of ENV, ARG, LABEL and RUN are stored with the image: docker history "
            "shows them to everybody.",
            "The app gets the key when a container starts, as with docker run --env-file.",
        )
    if KEY in json.dumps(trial.image):
        raise Mistake(
            "key-in-history",
            "The key is in the image's configuration, which docker image inspect shows.",
            "The app gets the key when a container starts, as with docker run --env-file.",
        )
    return "the key is in no file of any layer, and not in the history"


@check(needs="builds")
def has_no_compiler(trial: Trial) -> str:
    """No layer has a compiler."""
    files = trial.files["compiler"]
    if not files:
        return "no compiler in any layer"
    file = next((file for file in files if file.hidden_by), files[0])
    if file.hidden_by:
        raise Mistake(
            "compiler-hidden",
            f"A compiler is still in the image: {file.describe()}.",
            "Removing it in a later RUN only hides it: the layer that installed it stays as large "
            "as it was.",
            "Does anything here need a compiler? If so, it can stay in its own stage.",
        )
    raise Mistake(
        "compiler",
        f"The image has a compiler: {file.describe()}.",
        "A compiler is a tool for the build. The running app never starts it, but an attacker "
        "could.",
        "Only the last stage becomes the image. Does the installation of these packages need a "
        "compiler at all?",
    )


@check(needs="answers")
def is_not_root(trial: Trial) -> str:
    """Process 1 of the container is not root."""
    match = re.search(r"^Uid:\s+\d+\s+(\d+)", trial.read_process("status"), re.MULTILINE)
    if not match:
        raise CourseError("The container's process 1 could not be read.", "Try again.")
    if match[1] == "0":
        user = trial.image["Config"].get("User")
        raise Mistake(
            "user-is-root" if user else "no-user",
            "Process 1 runs as root (user id 0). "
            + (f"The image's user is {user}." if user else "The image has no USER."),
            f"The user {user} of this image has the id 0, which is root whatever its name is."
            if user
            else "Without a USER in the stage that becomes the image, everything runs as root.",
            "RUN useradd creates a user; USER chooses who runs the instructions below it, and "
            "the container's processes.",
        )
    return f"process 1 runs as user {match[1]}"


@check(needs="answers")
def stops(trial: Trial) -> str:
    """The app ends within 2 s of docker stop, with exit code 0 or 143."""
    arguments = trial.read_process("cmdline").split("\0")
    command = " ".join(arguments).strip()[:80]
    code = trial.stop()
    if code in ENDED:
        return f"docker stop: exit code {code}"
    signal = trial.image["Config"].get("StopSignal") or "SIGTERM"
    if code != KILLED:
        raise Mistake(
            "fails-on-stop",
            f"docker stop sent {signal}, and the container ended with exit code {code}.",
            "0 and 143 (128 + SIGTERM) mean that it was asked to end. This program ended with an "
            "error instead, or was ended by another signal.",
        )
    if signal in ("SIGKILL", "KILL", "9"):
        raise Mistake(
            "stopped-by-force",
            "The image's STOPSIGNAL is SIGKILL: exit code 137.",
            "No program can handle SIGKILL, so requests that are being answered are lost.",
        )
    seen = f"After {STOP_SECONDS} s, docker stop had to kill it (exit code {code}). Process 1 is: "
    if PurePosixPath(arguments[0]).name in SHELLS:
        raise Mistake(
            "shell-is-process-1",
            seen + command,
            "Process 1 gets the signal. Here that is a shell, which doesn't pass it on to the app.",
            "With a list in brackets, CMD starts the program without a shell. In a script, exec "
            "replaces the shell with the program.",
        )
    # On a busy machine, two seconds can be too short for any program.
    trial.sandbox.engine.run("start", trial.container.id)
    read_json(trial.container)
    if trial.stop() in ENDED:
        return f"docker stop, the second time: within {STOP_SECONDS} s"
    raise Mistake(
        "ignores-the-signal",
        seen + command,
        f"{signal} ends process 1 only if the program handles that signal, and then ends. This one "
        "doesn't.",
        "gunicorn is in requirements.txt, and handles SIGTERM. Or STOPSIGNAL names a signal that "
        "the program handles.",
    )


EXERCISE = HandsOn(
    TASK, begin, (builds, answers, is_small, keeps_key_out, has_no_compiler, is_not_root, stops)
)
