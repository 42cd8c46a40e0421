"""Run the plans of `%docker` on the engine and judge how each command ended.

Prints what docker prints. Each note of the course starts with a dash.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from helpers.build.failure import LOST_LAYER
from helpers.compose.adapt import context_args
from helpers.engine import base_image, probe
from helpers.engine.engine import Engine
from helpers.engine.labels import label_args, name_taken
from helpers.errors import CourseError, DockerCommandFailed, DockerCommandStopped
from helpers.magic import compose
from helpers.magic.child import Command, Ended, note, stream
from helpers.magic.next_step import next_step
from helpers.magic.parse import Options, Plan

# Commands that only look at an image or give it a name.
ABOUT_IMAGES = ("history", "image", "images", "tag")
VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+:/")
# On the containerd image store, `docker system df` fails if something is removed while it counts.
REMOVED_MEANWHILE = re.compile(r"Error response from daemon: .*not (?:found|exist)")
MOST_TRIES = 5
# What fails because the engine removes something that it is using, and succeeds when run again: the
# message, and the note.
LOST = (LOST_LAYER, "the engine removed a layer that this build needs, building again")
RUN_AGAIN = {
    "build": LOST,
    "up": LOST,
    "system df": (
        REMOVED_MEANWHILE,
        "something was removed while the engine was counting, trying again",
    ),
}


# --- several commands, and the verdict


def run_all(plans: list[Plan], options: Options, engine: Engine) -> None:
    """Run the plans in order and stop at the first failure.

    The options apply to all: `seconds` to each command, `until` to the first command that prints
    the text, and with `fails` one of the commands must fail. Raises CourseError if a command
    doesn't end as expected.
    """
    try:
        _run_in_order(plans, options, engine)
    except DockerCommandFailed as failure:
        if not options.fails:
            raise
        note(f"failed with exit code {failure.docker_code}, as expected")
    else:
        if options.fails:
            raise CourseError(
                "Expected one of these commands to fail, but all succeeded.",
                "Remove --fails if the command should succeed.",
            )


def _run_in_order(plans: list[Plan], shared: Options, engine: Engine) -> None:
    awaited = shared.until
    for plan in plans:
        until, seconds = plan.options.until, plan.options.seconds
        options = replace(plan.options, until=until or awaited, seconds=seconds or shared.seconds)
        ended = run(plan, options, engine)
        if ended.why == "text":
            awaited = None
        elif awaited and plan is not plans[-1]:  # a later command may still print it
            options = replace(options, until=until)
        judge(plan, ended, options, engine)


def judge(plan: Plan, ended: Ended, options: Options, engine: Engine) -> None:
    """Raise CourseError unless the command ended as its options expect."""
    if ended.why == "interrupt":
        raise DockerCommandStopped(f"stopped: {plan.typed}")
    if options.fails:
        if ended.why != "exit":
            raise CourseError(f"This command was expected to fail, but was stopped: {plan.typed}")
        if ended.code == 0:
            raise CourseError(
                f"This command was expected to fail, but succeeded: {plan.typed}",
                "Remove --fails if the command should succeed.",
            )
        note(f"failed with exit code {ended.code}, as expected")
    elif ended.why == "exit" and ended.code != 0:
        advice = next_step(ended.tail, engine)
        raise DockerCommandFailed(plan.typed, ended.code, printed=ended.printed, advice=advice)
    elif ended.why == "text":
        note(f"stopped: its output contains {options.until!r}")
    elif options.until:
        when = "exited" if ended.why == "exit" else f"ran for {options.seconds:g} s"
        raise CourseError(
            f"The command {when} without printing {options.until!r}: {plan.typed}",
            "Compare the text with the output above." if ended.printed else "It printed nothing.",
        )
    elif ended.why == "time":
        note(f"stopped after {options.seconds:g} s")


# --- one command


def run(plan: Plan, options: Options, engine: Engine) -> Ended:
    """Run one plan, print its output as it comes, and return how it ended."""
    if not shutil.which(engine.docker, path=engine.env.get("PATH")):
        raise CourseError("The docker command is not installed", "Run: python3 -m helpers doctor")
    _create_labelled_volumes(plan, engine)
    _note_taken_names(plan, engine)
    adapted = _publish_all_locally(_use_stand_in(_use_contexts(plan, engine), engine), engine)
    settings = {"DOCKER_BUILDKIT": "1", "DOCKER_CLI_HINTS": "false", "PWD": str(Path.cwd())}
    env = {**engine.env, **settings}
    with tempfile.TemporaryDirectory() as folder:  # for files that the command needs until it ends
        command = _prepare(adapted, engine, env, Path(folder))
        if adapted.is_rewritten and engine.kind == "user":
            note(f"run here as: {adapted.line}")
        for _ in range(MOST_TRIES):
            ended = stream(command, env, until=options.until, seconds=options.seconds)
            why = why_again(adapted, ended)
            if not why:
                break
            note(why)
        return ended


def why_again(plan: Plan, ended: Ended) -> str:
    """Return why a failed command is to be run again, "" if it is not."""
    if ended.why == "exit" and ended.code != 0:
        for name in (plan.command.removeprefix("compose "), " ".join(plan.args[:2])):
            message, why = RUN_AGAIN.get(name, (None, ""))
            if message and message.search(ended.tail):
                return why
    return ""


def _prepare(plan: Plan, engine: Engine, env: Mapping[str, str], folder: Path) -> Command:
    """Return the command of a plan; the folder is for files that it needs."""
    if plan.command in compose.GUARDED:
        return compose.prepare(plan, engine, env, folder)
    if plan.is_foreground_run:
        return _prepare_foreground_run(plan, engine, folder)
    return Command((engine.docker, *plan.args))


def _prepare_foreground_run(plan: Plan, engine: Engine, folder: Path) -> Command:
    """Return a `docker run` that leaves its container's id in a file, to stop the container by."""
    typed = plan.parsed.last("--cidfile")
    cidfile = Path(typed or folder / "cid")
    args = plan.args if typed else plan.with_args(["--cidfile", str(cidfile)]).args

    def stop_container() -> None:
        container = cidfile.read_text().strip() if cidfile.exists() else ""
        if not container:
            return
        try:
            engine.run("stop", "-t", "2", container, timeout=15)
        except subprocess.TimeoutExpired:
            short_id = container[:12]
            note(f"the container {short_id} did not stop. To remove it: docker rm -f {short_id}")

    argv = (engine.docker, *args)
    return Command(argv, grace_seconds=2, stop_early=stop_container, stop_rest=stop_container)


def _note_taken_names(plan: Plan, engine: Engine) -> None:
    """Print a note for each image name that the course has given to a different image."""
    for tag in plan.parsed.values("--tag"):
        if taken := name_taken(engine.host, tag):
            note(f"{taken} This build takes over the name.")
    if plan.image and (taken := name_taken(engine.host, plan.image)):
        note(taken)


def _create_labelled_volumes(plan: Plan, engine: Engine) -> None:
    """Create the missing volumes of `run -v data:/x`, which docker would create unlabelled."""
    for volume in plan.parsed.values("--volume") if plan.image else ():
        name = volume.partition(":")[0]
        if VOLUME.match(volume) and engine.run("volume", "inspect", name).returncode:
            engine.run("volume", "create", *label_args(), name)


# --- stand-in images and ports on the user's engine


def _use_contexts(plan: Plan, engine: Engine) -> Plan:
    """Return a build's plan with `--build-context` where only a stand-in is available."""
    if plan.command != "build":
        return plan
    folder = plan.parsed.words[-1] if plan.parsed.words else "."
    file = plan.parsed.last("--file") or Path(folder, "Dockerfile")
    args = context_args(Path(file), engine)
    return replace(plan.with_args(args), is_rewritten=True) if args else plan


def _use_stand_in(plan: Plan, engine: Engine) -> Plan:
    """Return a plan with the stand-in's name for an image where only a stand-in is available."""
    if plan.command in ABOUT_IMAGES:
        words = map(partial(base_image.image_for, engine), plan.args[plan.at :])
        args = (*plan.args[: plan.at], *words)
        return replace(plan, args=args, is_rewritten=args != plan.args)
    image = base_image.image_for(engine, plan.image) if plan.image else ""
    if image == plan.image:
        return plan
    at = len(plan.args) - len(plan.parsed.words)
    args = (*plan.args[:at], image, *plan.args[at + 1 :])
    return replace(plan, args=args, is_rewritten=True)


def _publish_all_locally(plan: Plan, engine: Engine) -> Plan:
    """Return the plan with a `-p` on 127.0.0.1 for each port that `-P` would publish everywhere.

    `-P` skips a port that has a `-p`. The private engine publishes on 127.0.0.1 anyway.
    """
    if not (plan.image and plan.parsed.is_on("--publish-all") and engine.kind == "user"):
        return plan
    image = probe.inspect_image(engine.host, plan.image) or {"Config": {}}
    exposed = image["Config"].get("ExposedPorts") or ()
    ports = dict.fromkeys([*plan.parsed.values("--expose"), *exposed])
    args = [word for port in ports for word in ("-p", f"127.0.0.1::{port}")]
    return replace(plan.with_args(args), is_rewritten=True) if args else plan
