"""Runs a plan of `%docker` on the engine: label notice, Compose's labels, stopping, failure.

Prints what docker prints, and lines of its own that start with a dash. Knows nothing of IPython.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.engine import probe
from helpers.engine.engine import Engine
from helpers.engine.owner import OWNER_LABEL, labels, name_taken
from helpers.errors import CourseError
from helpers.magic.child import Ended, stream
from helpers.magic.parse import Options, Plan

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_noticed = False


class DockerCommandFailed(CourseError):
    """A docker command that ended with another exit code than 0; its output is above."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(f"docker ended with exit code {exit_code}: {line}",
                         "The lines above say why.")
        self.exit_code = exit_code


class DockerCommandStopped(CourseError):
    """A docker command that Ctrl-C, or the stop button, ended."""


def run_all(plans: list[Plan], options: Options, engine: Engine) -> None:
    """Run the plans in order; the first failure stops.

    `options` hold for all: the time for each command, the text for whichever prints it first,
    and with `fails` one of them must fail. Raises DockerCommandFailed or another CourseError.
    """
    wanted = options.until
    for each in plans:
        own = each.options
        now = replace(own, until=own.until or wanted, seconds=own.seconds or options.seconds)
        last = each is plans[-1]
        try:
            ended = run(each, now, engine)
            if ended.why != "text" and not (last and wanted):
                now = replace(now, until=own.until)   # a later command may still print it
            elif ended.why == "text":
                wanted = None
            judge(each, ended, now)
        except DockerCommandFailed as failure:
            if not options.fails:
                raise
            _note(f"failed with exit code {failure.exit_code}, as expected")
            return
    if options.fails:
        raise CourseError("This was expected to fail, and did not",
                          "Take --fails away if success is right.")


def judge(plan: Plan, ended: Ended, options: Options) -> None:
    """Whether what happened is what was asked for; raises CourseError where it is not."""
    if ended.why == "interrupt":
        raise DockerCommandStopped(f"stopped: {plan.typed}")
    if ended.why == "exit" and options.fails:
        if ended.code == 0:
            raise CourseError(f"This was expected to fail, and did not: {plan.typed}",
                              "Take --fails away if success is right.")
        _note(f"failed with exit code {ended.code}, as expected")
        return
    if ended.why == "exit" and ended.code != 0:
        raise DockerCommandFailed(plan.typed, ended.code)
    if options.until and ended.why != "text":
        when = "ended" if ended.why == "exit" else f"ran for {options.seconds:g} s"
        raise CourseError(f"The command {when} and never printed {options.until!r}: {plan.typed}",
                          "Look above for what it printed instead.")
    if options.fails:
        raise CourseError(f"This was expected to fail, and was stopped instead: {plan.typed}")
    if ended.why == "text":
        _note(f"stopped: its output contains {options.until!r}" if options.until else "stopped")
    if ended.why == "time":
        _note(f"stopped after {options.seconds:g} s")


def run(plan: Plan, options: Options, engine: Engine) -> Ended:
    """Run one plan, its output shown as it comes; tells how it ended, without judging it."""
    cwd = str(Path.cwd())
    env = {**engine.env, "DOCKER_BUILDKIT": "1", "DOCKER_CLI_HINTS": "false", "PWD": cwd}
    _label_volumes(plan, engine)
    for image in plan.build.tags if plan.build else [plan.image] if plan.image else []:
        if taken := name_taken(engine.host, image):
            _note(f"{taken} {'This build takes over the name.' if plan.build else ''}".rstrip())
    with ExitStack() as stack:
        argv, stdin, stop_more, grace = [engine.docker, *plan.args], None, lambda: None, 3.0
        if plan.compose:
            project = _resolve(plan, engine, env)
            _adapt(project, engine)
            stdin = stack.enter_context(tempfile.TemporaryFile())
            stdin.write(json.dumps(project).encode())
            stdin.seek(0)
            argv = [engine.docker, *_compose_args(plan, project)]
            grace = 14.0      # Compose gives each container ten seconds to stop
            running = _running(engine, project)
        elif plan.build:
            plan = _with_contexts(plan, engine)
            argv = [engine.docker, *plan.args]
        elif plan.subcommand[-1:] in {("run",), ("create",)}:
            plan = _with_image(plan, engine)
            if engine.kind == "own" and plan.publish_all:
                plan = _with_loopback(plan, engine)
            argv = [engine.docker, *plan.args]
        if plan.foreground_run:
            file = Path(plan.cidfile or "cid")
            if not plan.cidfile:
                file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "cid"
                argv = [engine.docker, *plan.with_args(["--cidfile", str(file)]).args]
            stop_more = lambda: _stop_container(file, engine)  # noqa: E731
            grace = 2.0
        if plan.rewritten and engine.kind == "own":
            _note(f"run here as: {plan.line}")
        try:
            ended = stream(argv, env, stdin=stdin, until=options.until, seconds=options.seconds,
                           grace_seconds=grace, stop_more=stop_more)
            if ended.why != "exit":
                stop_more()
                if plan.compose:      # a Ctrl-C that came before Compose listened for one
                    for container in _running(engine, project) - running:
                        engine.run("stop", container)
        except FileNotFoundError:
            raise CourseError("There is no docker command on this machine",
                              "Type: python3 -m helpers doctor") from None
        if plan.labelled:
            _notice()
        return ended


def _note(text: str) -> None:
    print(f"— {text}", flush=True)


def _notice() -> None:
    """Once a session: that what the cells create can be found and removed."""
    global _noticed
    if not _noticed:
        _note(f"what %docker creates is labelled {OWNER_LABEL}; "
              "`python3 -m helpers clean` removes it")
        _noticed = True


def _label_volumes(plan: Plan, engine: Engine) -> None:
    """`run -v data:/x` would make the volume without our label: make it first, with it."""
    label = [f"--label={name}={value}" for name, value in labels().items()]
    for name in plan.volumes:
        if engine.run("volume", "inspect", name).returncode:
            engine.run("volume", "create", *label, name)


def _stop_container(cidfile: Path, engine: Engine) -> None:
    """Stops the container that `docker run` started, if it got that far and still runs."""
    container = cidfile.read_text().strip() if cidfile.exists() else ""
    if not container:
        return
    try:
        engine.run("stop", "-t", "2", container, timeout=15)
    except subprocess.TimeoutExpired:
        _note(f"the container {container[:12]} did not stop; docker rm -f {container[:12]}")


# --- stand-in base images and ports on the user's own engine


def _contexts(engine: Engine, dockerfile: Path) -> list[str]:
    """`--build-context` arguments for base images that only a stand-in can give."""
    if not dockerfile.is_file():
        return []
    from helpers.engine.build.run import check_stages
    from helpers.engine.standin import named_contexts

    text = dockerfile.read_text(encoding="utf-8-sig", errors="replace")
    check_stages(engine, text)
    return named_contexts(engine, text)


def _with_contexts(plan: Plan, engine: Engine) -> Plan:
    assert plan.build
    file = Path(plan.build.dockerfile or Path(plan.build.context) / "Dockerfile")
    extra = _contexts(engine, file)
    return replace(plan.with_args(extra), rewritten=True) if extra else plan


def _with_loopback(plan: Plan, engine: Engine) -> Plan:
    """The same plan with a `-p` on 127.0.0.1 for each port that `-P` would publish everywhere.

    A port that has a `-p` is left alone by `-P`.
    """
    found = probe.inspect_image(engine.host, plan.image) or {"Config": {}}
    ports = dict.fromkeys([*plan.exposed, *(found["Config"].get("ExposedPorts") or ())])
    extra = [word for port in ports for word in ("-p", f"127.0.0.1::{port}")]
    return replace(plan.with_args(extra), rewritten=True) if extra else plan


def _with_image(plan: Plan, engine: Engine) -> Plan:
    """The same plan with the stand-in where only that can give the base image."""
    from helpers.engine.standin import REAL, image_for

    if REAL not in plan.args[plan.insert_at:]:
        return plan
    at = plan.args.index(REAL, plan.insert_at)
    image = image_for(engine, REAL)
    return plan if image == REAL else replace(
        plan, args=(*plan.args[:at], image, *plan.args[at + 1:]), rewritten=True)


# --- Compose


def _resolve(plan: Plan, engine: Engine, env: Mapping[str, str]) -> dict[str, Any]:
    """The project as Compose reads it, all profiles; raises DockerCommandFailed."""
    assert plan.compose
    args = [*plan.compose.before, "compose", *plan.compose.options, "--profile", "*",
            "config", "--format", "json"]
    done = subprocess.run([engine.docker, *args], env=dict(env), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)
    print(done.stderr, end="", flush=True)
    if done.returncode:
        raise DockerCommandFailed(plan.typed, done.returncode)
    project: dict[str, Any] = json.loads(done.stdout)
    return project


def _adapt(project: dict[str, Any], engine: Engine) -> None:
    """Labels on all that the project creates; on an own engine also ports and base images."""
    for service in project.get("services", {}).values():
        _label(service)
        build = service.get("build")
        if build:
            _label(build)
            file = Path(build.get("context", "."), build.get("dockerfile", "Dockerfile"))
            for argument in _contexts(engine, file):
                name, equals, value = argument.partition("=")
                if equals:
                    build.setdefault("additional_contexts", {}).setdefault(name, value)
        for port in service.get("ports", []) if engine.kind == "own" else []:
            port.setdefault("host_ip", "127.0.0.1")
            port.setdefault("published", "0")     # any; Compose drops the address without it
    for kind in ("networks", "volumes"):
        for name, found in project.get(kind, {}).items():
            if not (found or {}).get("external"):
                project[kind][name] = _label(found or {})


def _running(engine: Engine, project: Mapping[str, Any]) -> set[str]:
    """The ids of the project's containers that run."""
    listed = engine.run("ps", "-q", "--no-trunc", "--filter",
                        f"label=com.docker.compose.project={project['name']}")
    return set(listed.stdout.split())


def _label(thing: dict[str, Any]) -> dict[str, Any]:
    thing["labels"] = {**thing.get("labels", {}), **labels()}
    return thing


def _compose_args(plan: Plan, project: dict[str, Any]) -> list[str]:
    assert plan.compose
    return [*plan.compose.before, "compose", "-p", project["name"], "--project-directory",
            _project_directory(plan), *plan.compose.kept, "-f", "-", *plan.compose.rest]


def _project_directory(plan: Plan) -> str:
    """Where Compose would take relative paths from: given, the first file's, or found upwards."""
    assert plan.compose
    if plan.compose.directory:
        return str(Path(plan.compose.directory).absolute())
    separator = os.environ.get("COMPOSE_PATH_SEPARATOR", os.pathsep)
    listed = os.environ.get("COMPOSE_FILE", "")
    files = plan.compose.files or tuple(listed.split(separator) if listed else ())
    if files and files[0] != "-":
        return str(Path(files[0]).absolute().parent)
    here = Path.cwd()
    return str(next((folder for folder in (here, *here.parents)
                     if any((folder / name).is_file() for name in COMPOSE_FILES)), here))
