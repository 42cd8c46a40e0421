"""Compose commands of `%docker`: label the project, and leave other people's projects alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers import process
from helpers.compose.adapt import adapt_project, is_foreign
from helpers.compose.containers import PROJECT_LABEL, list_containers
from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.magic.child import Command, note
from helpers.magic.parse import Plan

CREATING = frozenset(
    f"compose {verb}" for verb in ("up", "run", "create", "build", "scale", "watch")
)
GUARDED = CREATING | {f"compose {verb}" for verb in ("down", "rm", "stop", "restart", "kill")}
START_SECONDS = 2.0  # within which Compose starts a container that it has created
LOG_LINES = 5


def prepare(plan: Plan, engine: Engine, env: Mapping[str, str], folder: Path) -> Command:
    """Return the command of a plan; the folder is for the file that it reads.

    Raises CourseError if the project on the engine is not the course's.
    """
    as_typed = Command((engine.docker, *plan.args))
    if {"-h", "--help"} & set(plan.args):
        return as_typed
    before, rest = plan.args[: plan.at - plan.project.first], plan.args[plan.at :]
    config = (engine.docker, *plan.args[: plan.at], "--profile", "*", "config")
    completed = process.run([*config, "--format", "json"], env=env, timeout=60)
    if plan.command in CREATING and completed.returncode:
        return Command((*config, "--quiet"))  # it prints what is wrong
    project = json.loads(completed.stdout) if completed.returncode == 0 else {}
    typed_name = plan.project.last("--project-name") or env.get("COMPOSE_PROJECT_NAME", "")
    name = project.get("name", typed_name)
    if name and is_foreign(name, engine):
        raise CourseError(
            f"The engine has a Compose project {name!r} that the course didn't create: {plan.typed}",
            "Use another project name: docker compose -p NAME …, or name: in the Compose file.",
        )
    if plan.command not in CREATING:
        return as_typed
    print(completed.stderr, end="", flush=True)  # warnings
    adapt_project(project, engine)
    file = folder / "project.json"
    file.write_text(json.dumps(project), encoding="utf-8")
    kept = [
        f"{option.name}={option.value}"
        for option in plan.project.options
        if option.name not in ("--file", "--project-name")
    ]
    argv = (engine.docker, *before, *kept, "-p", name, "-f", "-", *rest)
    running = set(_containers(name, engine, "running"))

    def stop_new_containers() -> list[str]:
        # Compose leaves them running if Ctrl-C came before it listened for one. The engine may
        # still be starting those that it has created.
        process.wait_until(lambda: not _containers(name, engine, "created"), START_SECONDS)
        states = _containers(name, engine, "running")
        if new := states.keys() - running:
            engine.run("stop", *new)
        return sorted(states[container] for container in new)

    def explain_failure() -> None:
        _print_logs_of_failed(name, engine)
        if stopped := stop_new_containers():
            note(f"stopped, because the project did not start: {', '.join(stopped)}")

    return Command(
        argv,
        stdin=file,
        grace_seconds=14,  # Compose gives each container ten seconds to stop
        stop_rest=stop_new_containers,
        on_failure=explain_failure if plan.command == "compose up" else lambda: None,
    )


def _containers(project: str, engine: Engine, state: str) -> dict[str, str]:
    """Return the project's containers in a state, such as "running": the names by their ids."""
    containers = list_containers(engine, project)
    return {
        each["Id"]: each["Names"][0].lstrip("/") for each in containers if each["State"] == state
    }


def _print_logs_of_failed(project: str, engine: Engine) -> None:
    """Print the last lines of each container that is unhealthy or has ended with an error."""
    filters = {"label": f"{PROJECT_LABEL}={project}"}
    for container in engine.client.containers.list(all=True, filters=filters, ignore_removed=True):
        state: dict[str, Any] = container.attrs["State"]
        health: dict[str, Any] = state.get("Health") or {}
        if health.get("Status") == "unhealthy":
            output = [each["Output"].strip() for each in health["Log"] if each["Output"].strip()]
            check = output[-1].splitlines()[-1] if output else "nothing"
            note(f"{container.name} is unhealthy. Its health check printed: {check}")
        elif state["Status"] == "exited" and state["ExitCode"]:
            note(f"{container.name} exited with code {state['ExitCode']}. Its last lines:")
        else:
            continue
        print(container.logs(tail=LOG_LINES).decode("utf-8", "replace"), end="", flush=True)
