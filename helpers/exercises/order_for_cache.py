"""Chapter 04: order a Dockerfile so that an edit of the app does not reinstall its packages."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from helpers.build.result import BuildReport, BuildStep
from helpers.engine.engine import Engine
from helpers.errors import Mistake
from helpers.exercises.answering import read_json, stays_up
from helpers.exercises.checks import HandsOn, Progress, check
from helpers.exercises.frame import Task
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import APPS, Sandbox, open_sandbox
from helpers.experiments.layers.measure import inspect_layers

TASK = Task(
    "04-order-for-cache",
    "04",
    "Order the steps for the cache",
    "dockerfile",
    "With this Dockerfile, each edit of app.py installs all packages again. Order its steps so "
    "that an edit of app.py keeps the installed packages in the cache, and an edit of "
    "requirements.txt still installs them again. The app is in apps/flask-app.",
    (APPS / "flask-app" / "Dockerfile.copy-first").read_text(encoding="utf-8"),
)
# A small package without dependencies; a version of it is added to requirements.txt.
EXTRA, EXTRA_VERSIONS = "six", ("1.15.0", "1.16.0", "1.17.0")
EDITED_APP = """
from importlib.metadata import version, PackageNotFoundError
from flask import Flask

app = Flask(__name__)

@app.get("/")
def hello():
    try:
        extra = version("{package}")
    except PackageNotFoundError:
        extra = ""
    return {{"message": "{token}", "extra": extra}}
"""


@dataclass
class Trial:
    """One Dockerfile, built three times: as it is, with more requirements, with another app.py."""

    dockerfile: str
    sandbox: Sandbox
    token: str
    extra: str

    @lazy
    def first(self) -> BuildReport:
        """Return the first build."""
        return self.sandbox.build(self.dockerfile)

    @lazy
    def after_requirements(self) -> BuildReport:
        """Return the build after an edit of requirements.txt."""
        assert self.first
        with (self.sandbox.folder / "requirements.txt").open("a", encoding="utf-8") as file:
            file.write(f"\n# {self.token}\n{EXTRA}=={self.extra}\n")  # not in the cache
        return self.sandbox.build(self.dockerfile)

    @lazy
    def after_app(self) -> BuildReport:
        """Return the build after an edit of app.py, which is after that of requirements.txt."""
        assert self.after_requirements
        text = EDITED_APP.format(package=EXTRA, token=self.token)
        (self.sandbox.folder / "app.py").write_text(text, encoding="utf-8")
        return self.sandbox.build(self.dockerfile)

    @lazy
    def answer(self) -> dict[str, object]:
        """Return how the app of the last build answers."""
        container = self.sandbox.start(self.after_app.tags[0])
        answer = read_json(container)
        stays_up(container)
        return answer


@contextmanager
def begin(dockerfile: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of a Dockerfile; the edits are new in each try."""
    with open_sandbox(engine, "flask-app", on_progress) as sandbox:
        yield Trial(dockerfile, sandbox, uuid.uuid4().hex, random.choice(EXTRA_VERSIONS))


@check()
def builds(trial: Trial) -> str:
    """The image builds."""
    return trial.first.summary().partition(": ")[2]


@check(needs="builds")
def keeps_packages(trial: Trial) -> str:
    """After an edit of app.py, the installed packages come from the cache."""
    again = list_commands(trial.after_app)
    install = find_installation(trial) if again else ""
    if step := next((step for step in again if step.instruction == install), None):
        raise Mistake(
            "installs-after-app-edit",
            f"After an edit of app.py, this ran again: {step.instruction[:120]} "
            f"({step.seconds:.1f} s).",
            "A step comes from the cache only if nothing above it has changed, and a COPY has "
            "changed if one of the files it copies has. Which COPY above this step copies app.py?",
            "The installation needs one file of the folder, and the rest only afterwards.",
        )
    return f"after an edit of app.py: {trial.after_app.count_outcomes()}"


@check(needs="builds")
def installs_again(trial: Trial) -> str:
    """After an edit of requirements.txt, the packages are installed again."""
    if not list_commands(trial.after_requirements):
        raise Mistake(
            "ignores-requirements",
            "After a line was added to requirements.txt, no RUN step ran again.",
            "No RUN installs what requirements.txt says. A RUN must read the file while the image "
            "is built, so the file must be in the image by then.",
            "pip reads a file of requirements with its option -r.",
        )
    return f"{EXTRA}=={trial.extra} was added: installed again"


@check(needs="installs_again")
def answers(trial: Trial) -> str:
    """The app answers, with the edit and the new requirement."""
    answer = trial.answer
    if answer.get("message") != trial.token:
        raise Mistake(
            "old-app",
            f"The app answers without the edit: {json.dumps(answer)[:80]}",
            "The image must contain the app.py of the folder, as it is when the image is built.",
        )
    if answer.get("extra") != trial.extra:
        raise Mistake(
            "ignores-requirements",
            f"{EXTRA}=={trial.extra} was added to requirements.txt, and the app can't import it.",
            "A RUN ran again, but did not install what requirements.txt says.",
            "pip reads a file of requirements with its option -r.",
        )
    return f"GET / on port 5000: 200 OK, with {EXTRA} {trial.extra}"


def find_installation(trial: Trial) -> str:
    """Return the instruction that installed the new requirement, "" if no RUN did."""
    layers = inspect_layers(trial.after_app.tags[0], trial.sandbox.engine).layers
    texts = [join_lines(layer.instruction) for layer in layers if layer.matching(f"/{EXTRA}-")]
    for step in trial.after_app.steps:
        if is_command(step) and join_lines(step.instruction) in texts:
            return step.instruction
    # It is in another stage, or written in another way. Of what ran after the edit of
    # requirements.txt, the installation takes longest.
    installs = list_commands(trial.after_requirements)
    return max(installs, key=lambda step: step.seconds).instruction if installs else ""


def join_lines(instruction: str) -> str:
    """Return an instruction on one line, as an image's history has it."""
    return " ".join(instruction.replace("\\\n", " ").split())


def list_commands(report: BuildReport) -> list[BuildStep]:
    """Return the RUN steps of a build that ran, because they were not cached."""
    return [step for step in report.steps if is_command(step) and not step.cached]


def is_command(step: BuildStep) -> bool:
    """Return whether a step of a build is a RUN."""
    return step.instruction[:3].upper() == "RUN"


EXERCISE = HandsOn(TASK, begin, (builds, keeps_packages, installs_again, answers))
