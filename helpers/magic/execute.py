"""Run the plans of `%docker` on the engine and judge how each command ended.

Prints what docker prints. Each note of the course starts with a dash.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers import process
from helpers.engine import probe
from helpers.engine.engine import Engine
from helpers.engine.labels import OWNER_LABEL, labels, name_taken
from helpers.errors import CourseError, DockerCommandFailed, DockerCommandStopped
from helpers.magic.child import Ended, stream
from helpers.magic.parse import Compose, Options, Plan

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_noticed = False


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
        _note(f"failed with exit code {failure.docker_code}, as expected")
    else:
        if options.fails:
            raise CourseError(
                "One of these commands was expected to fail, but all succeeded",
                "Remove --fails if success is correct.",
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
        judge(plan, ended, options)


def judge(plan: Plan, ended: Ended, options: Options) -> None:
    """Raise CourseError unless the command ended as its options expect."""
    if ended.why == "interrupt":
        raise DockerCommandStopped(f"stopped: {plan.typed}")
    if options.fails:
        if ended.why != "exit":
            raise CourseError(f"This command was expected to fail, but was stopped: {plan.typed}")
        if ended.code == 0:
            raise CourseError(
                f"This command was expected to fail, but succeeded: {plan.typed}",
                "Remove --fails if success is correct.",
            )
        _note(f"failed with exit code {ended.code}, as expected")
    elif ended.why == "exit" and ended.code != 0:
        raise DockerCommandFailed(plan.typed, ended.code, printed=ended.printed)
    elif ended.why == "text":
        _note(f"stopped: its output contains {options.until!r}")
    elif options.until:
        when = "ended" if ended.why == "exit" else f"ran for {options.seconds:g} s"
        raise CourseError(
            f"The command {when} and never printed {options.until!r}: {plan.typed}",
            "Compare the text with the output above." if ended.printed else "It printed nothing.",
        )
    elif ended.why == "time":
        _note(f"stopped after {options.seconds:g} s")


# --- one command


@dataclass(frozen=True)
class _Command:
    """What to start, and how to stop what it starts on the engine."""

    args: tuple[str, ...]
    stdin: Path = Path(os.devnull)
    grace_seconds: float = 3
    stop_early: Callable[[], None] = lambda: None  # if SIGINT doesn't end it within the grace
    stop_rest: Callable[[], None] = lambda: None  # once a stopped command has ended


def run(plan: Plan, options: Options, engine: Engine) -> Ended:
    """Run one plan, print its output as it comes, and return how it ended."""
    _create_labelled_volumes(plan, engine)
    _note_taken_names(plan, engine)
    adapted = _publish_locally(_use_stand_in(_use_contexts(plan, engine), engine), engine)
    env = {
        **engine.env,
        "DOCKER_BUILDKIT": "1",
        "DOCKER_CLI_HINTS": "false",
        "PWD": str(Path.cwd()),
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            command = _prepare(adapted, engine, env, Path(folder))
            if adapted.rewritten and engine.kind == "user":
                _note(f"run here as: {adapted.line}")
            with command.stdin.open("rb") as stdin:
                ended = stream(
                    [engine.docker, *command.args],
                    env,
                    stdin=stdin,
                    until=options.until,
                    seconds=options.seconds,
                    grace_seconds=command.grace_seconds,
                    stop_more=command.stop_early,
                )
            if ended.why != "exit":
                command.stop_rest()
    except FileNotFoundError as error:
        if error.filename != engine.docker:
            raise
        raise CourseError(
            "The docker command is not installed", "Run: python3 -m helpers doctor"
        ) from None
    if plan.labelled:
        _show_notice()
    return ended


def _prepare(plan: Plan, engine: Engine, env: Mapping[str, str], folder: Path) -> _Command:
    """Return the command of a plan; the folder is for files that it needs until it ends."""
    if plan.compose:
        return _prepare_compose(plan, plan.compose, engine, env, folder)
    if plan.foreground_run:
        return _prepare_foreground_run(plan, engine, folder)
    return _Command(plan.args)


def _prepare_foreground_run(plan: Plan, engine: Engine, folder: Path) -> _Command:
    """Return a `docker run` that leaves its container's id in a file, to stop the container by."""
    cidfile = Path(plan.cidfile) if plan.cidfile else folder / "cid"
    args = plan.args if plan.cidfile else plan.with_args(["--cidfile", str(cidfile)]).args

    def stop_container() -> None:
        container = cidfile.read_text().strip() if cidfile.exists() else ""
        if not container:
            return
        try:
            engine.run("stop", "-t", "2", container, timeout=15)
        except subprocess.TimeoutExpired:
            short_id = container[:12]
            _note(f"the container {short_id} did not stop; docker rm -f {short_id}")

    return _Command(args, grace_seconds=2, stop_early=stop_container, stop_rest=stop_container)


def _note(text: str) -> None:
    print(f"— {text}", flush=True)


def _show_notice() -> None:
    """Print, once a session, how to find and remove what the cells create."""
    global _noticed
    if not _noticed:
        _note(
            f"what %docker creates is labelled {OWNER_LABEL}; `python3 -m helpers clean` removes it"
        )
        _noticed = True


def _note_taken_names(plan: Plan, engine: Engine) -> None:
    """Print a note for each image name that the course has given to a different image."""
    for tag in plan.build.tags if plan.build else ():
        if taken := name_taken(engine.host, tag):
            _note(f"{taken} This build takes over the name.")
    if plan.image and (taken := name_taken(engine.host, plan.image)):
        _note(taken)


def _create_labelled_volumes(plan: Plan, engine: Engine) -> None:
    """Create the missing volumes of `run -v data:/x`, which docker would create unlabelled."""
    label_args = [f"--label={name}={value}" for name, value in labels().items()]
    for name in plan.volumes:
        if engine.run("volume", "inspect", name).returncode:
            engine.run("volume", "create", *label_args, name)


# --- stand-in base images and ports on the user's engine


def _use_contexts(plan: Plan, engine: Engine) -> Plan:
    """Return a build's plan with `--build-context` where only a stand-in is available."""
    if not plan.build:
        return plan
    dockerfile = Path(plan.build.dockerfile or Path(plan.build.context) / "Dockerfile")
    args = _context_args(dockerfile, engine)
    return replace(plan.with_args(args), rewritten=True) if args else plan


def _context_args(dockerfile: Path, engine: Engine) -> list[str]:
    """Return `--build-context` arguments for base images that only a stand-in provides."""
    if not dockerfile.is_file():
        return []
    from helpers.build.run import check_stages
    from helpers.engine.standin import named_contexts

    text = dockerfile.read_text(encoding="utf-8-sig", errors="replace")
    check_stages(engine, text)
    return named_contexts(engine, text)


def _use_stand_in(plan: Plan, engine: Engine) -> Plan:
    """Return a container's plan with the stand-in's name where only a stand-in is available."""
    from helpers.engine.standin import REAL, image_for

    if not plan.image or REAL not in plan.args[plan.insert_at :]:
        return plan
    image = image_for(engine, REAL)
    if image == REAL:
        return plan
    index = plan.args.index(REAL, plan.insert_at)
    args = (*plan.args[:index], image, *plan.args[index + 1 :])
    return replace(plan, args=args, rewritten=True)


def _publish_locally(plan: Plan, engine: Engine) -> Plan:
    """Return the plan with a `-p` on 127.0.0.1 for each port that `-P` would publish everywhere.

    `-P` skips a port that has a `-p`. The private engine publishes on 127.0.0.1 anyway.
    """
    if not (plan.image and plan.publish_all and engine.kind == "user"):
        return plan
    image = probe.inspect_image(engine.host, plan.image) or {"Config": {}}
    ports = dict.fromkeys([*plan.exposed, *(image["Config"].get("ExposedPorts") or ())])
    args = [word for port in ports for word in ("-p", f"127.0.0.1::{port}")]
    return replace(plan.with_args(args), rewritten=True) if args else plan


# --- Compose


def _prepare_compose(
    plan: Plan, compose: Compose, engine: Engine, env: Mapping[str, str], folder: Path
) -> _Command:
    """Return a Compose command that reads the labelled project from its standard input."""
    project = _resolve(plan, compose, engine, env)
    _adapt_project(project, engine)
    file = folder / "project.json"
    file.write_text(json.dumps(project), encoding="utf-8")
    args = (
        *compose.before,
        *("compose", "-p", project["name"], "--project-directory", _project_directory(compose)),
        *(*compose.kept, "-f", "-"),
        *compose.rest,
    )
    before = _running_containers(project, engine)

    def stop_new_containers() -> None:
        # Compose leaves them running if Ctrl-C came before it listened for one.
        for container in _running_containers(project, engine) - before:
            engine.run("stop", container)

    # Compose gives each container ten seconds to stop.
    return _Command(args, stdin=file, grace_seconds=14, stop_rest=stop_new_containers)


def _resolve(
    plan: Plan, compose: Compose, engine: Engine, env: Mapping[str, str]
) -> dict[str, Any]:
    """Return the project as Compose reads it, with all profiles. Raises DockerCommandFailed."""
    config = ("--profile", "*", "config", "--format", "json")
    completed = process.run(
        [engine.docker, *compose.before, "compose", *compose.options, *config], env=env, timeout=60
    )
    print(completed.stderr, end="", flush=True)
    if completed.returncode:
        printed = bool(completed.stderr.strip())
        raise DockerCommandFailed(plan.typed, completed.returncode, printed=printed)
    project: dict[str, Any] = json.loads(completed.stdout)
    return project


def _adapt_project(project: dict[str, Any], engine: Engine) -> None:
    """Label what the project creates; add stand-ins and, on the user's engine, local ports."""
    for service in project.get("services", {}).values():
        _add_labels(service)
        if build := service.get("build"):
            _add_labels(build)
            _add_contexts(build, engine)
        for port in service.get("ports", []) if engine.kind == "user" else []:
            port.setdefault("host_ip", "127.0.0.1")
            port.setdefault("published", "0")  # any; without it Compose ignores the address
    for kind in ("networks", "volumes"):
        for name, settings in project.get(kind, {}).items():
            if not (settings or {}).get("external"):
                project[kind][name] = _add_labels(settings or {})


def _add_contexts(build: dict[str, Any], engine: Engine) -> None:
    dockerfile = Path(build.get("context", "."), build.get("dockerfile", "Dockerfile"))
    for argument in _context_args(dockerfile, engine):
        name, equals, value = argument.partition("=")
        if equals:
            build.setdefault("additional_contexts", {}).setdefault(name, value)


def _add_labels(settings: dict[str, Any]) -> dict[str, Any]:
    settings["labels"] = {**settings.get("labels", {}), **labels()}
    return settings


def _running_containers(project: Mapping[str, Any], engine: Engine) -> set[str]:
    """Return the ids of the project's running containers."""
    label = f"label=com.docker.compose.project={project['name']}"
    return set(engine.run("ps", "-q", "--no-trunc", "--filter", label).stdout.split())


def _project_directory(compose: Compose) -> str:
    """Return the folder that relative paths start from.

    It is the given folder, else the first file's, else the nearest one upwards with a Compose file.
    """
    if compose.directory:
        return str(Path(compose.directory).absolute())
    separator = os.environ.get("COMPOSE_PATH_SEPARATOR", os.pathsep)
    listed = os.environ.get("COMPOSE_FILE", "")
    files = compose.files or tuple(listed.split(separator) if listed else ())
    if files and files[0] != "-":
        return str(Path(files[0]).absolute().parent)
    current = Path.cwd()
    for folder in (current, *current.parents):
        if any((folder / name).is_file() for name in COMPOSE_FILES):
            return str(folder)
    return str(current)
