"""A `docker compose` line that a student typed: parsed, checked, and rewritten for the sandbox.

It is never given to a shell. Commands that can't be part of an answer are not run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import Mistake
from helpers.exercises.command import (
    explain_early_option,
    explain_unknown_option,
    find_outside,
    refuse,
    split_one,
)
from helpers.magic import options as tables
from helpers.magic.options import COMPOSE, GLOBAL, TRUE, Option

KIND = "docker compose"
COMMANDS = {
    "up": tables.COMPOSE_UP,
    "build": tables.COMPOSE_BUILD,
    "create": tables.COMPOSE_CREATE,
    "start": tables.COMPOSE_START,
    "restart": tables.COMPOSE_RESTART,
    "stop": tables.COMPOSE_STOP,
    "kill": tables.COMPOSE_KILL,
    "rm": tables.COMPOSE_RM,
    "down": tables.COMPOSE_DOWN,
}
NOT_RUN = {
    "run": "it makes one more container of a service; the service's own container stays as it is",
    "exec": "it runs one more program in a container; the image stays as it is",
    "cp": "it copies a file into a container; the image stays as it is",
    "watch": "it does what develop: of the Compose file says, and this file has none",
    "pull": "it fetches images from a registry; the image of web is built from the folder",
    "push": "it uploads images to a registry",
    "publish": "it uploads the project to a registry",
    "commit": "it makes an image of a container, which has the old app.py",
}
REFUSED = {
    "--push": "it uploads images to a registry",
    "--builder": "it builds with something else than the exercise's engine",
    "--ssh": "it gives the build your keys",
    "--rmi": "it removes images, also those that other projects use",
}
# They would ask a registry, which can't matter here; or they only change what is shown.
IGNORED = ("--pull", "--ansi", "--progress", "--parallel", "--menu", "--verbose", "--memory")
MAX_SCALE = 3


@dataclass(frozen=True)
class ComposeCommand:
    """A command that may run: the arguments after `docker compose`."""

    verb: str
    arguments: tuple[str, ...]


def read_compose_command(text: str, project: str, folder: Path) -> ComposeCommand:
    """Return what the student's line runs. Runs nothing.

    `project` is the project's name as students know it. Raises Mistake if it is not one
    `docker compose` command for it, or could do harm.
    """
    try:
        words = split_one(text, folder, KIND)
    except Mistake as mistake:
        if mistake.name == "refused" and re.search(r"&&|;", text):
            raise Mistake(
                "several-commands",
                mistake.seen,
                "Two commands are joined here. One is enough: the command that starts containers can "
                "also build their image before.",
            ) from None
        raise
    if words[0] == "docker-compose":
        raise Mistake(
            "old-compose",
            "This is docker-compose, not docker compose. Nothing was run.",
            "That was a separate program, which Docker no longer ships. Today Compose is a "
            "command of docker: two words.",
        )
    before = GLOBAL.parse(words[1:]) if words[0] == "docker" else None
    if before is None or before.words[:1] != ("compose",):
        typed = " ".join(words[:2]) if words[0] == "docker" else words[0]
        raise Mistake(
            "not-compose",
            f"This is a {typed} command, not docker compose. Nothing was run.",
            "docker compose knows the project: which image a service has, how its container is "
            "configured, and what depends on what.",
        )
    if before.unknown:
        raise explain_early_option(before.unknown[0], "compose")
    if before.options:
        raise refuse(f"{before.options[0].name} before `compose` changes which engine is used.")
    general = COMPOSE.parse(before.words[1:])
    verb = general.words[0] if general.words else ""
    if general.unknown:
        option = general.unknown[0]
        if verb in COMMANDS and option in COMMANDS[verb].known:
            raise explain_early_option(option, verb)
        raise explain_unknown_option(option, COMPOSE, KIND)
    for given in general.options:
        _check_general(given, project, folder)
    if verb not in COMMANDS:
        raise _explain_other(verb)
    return ComposeCommand(verb, tuple(_rewrite(verb, general.words[1:])))


def _check_general(option: Option, project: str, folder: Path) -> None:
    """Raise Mistake if an option before the command leads to another project, or outside."""
    _check_effect(option, KIND)
    if option.name in ("--file", "--env-file", "--project-directory"):
        if reason := find_outside(option.value, folder):
            raise refuse(f"{option.name} {option.value}: {reason}.")
        path = Path(folder, option.value)
        wanted = {"--file": "compose.yaml", "--env-file": ".env"}.get(option.name, "")
        if path.resolve() != Path(folder, wanted).resolve():
            raise Mistake(
                "other-file",
                f"{option.name} names {option.value}. Nothing was run.",
                "The project is described by compose.yaml in this folder, which Compose finds by "
                "itself.",
            )
    if option.name == "--project-name" and option.value != project:
        raise Mistake(
            "other-project",
            f"{option.name} names the project {option.value!r}; the running one is {project!r}.",
            "A project with another name has its own containers: the running web would stay.",
        )


def _check_effect(option: Option, typed: str) -> None:
    """Raise Mistake for an option with which a command changes nothing."""
    if option.name == "--dry-run" and option.value in TRUE:
        raise Mistake(
            "dry-run",
            "--dry-run shows what the command would do, and changes nothing.",
            "Leave out --dry-run.",
        )
    if option.name == "--help":
        raise Mistake(
            "no-effect",
            f"{typed} --help prints the help, and changes nothing.",
            "Leave out --help.",
        )


def _explain_other(verb: str) -> Mistake:
    typed = f"{KIND} {verb}".strip()
    if reason := NOT_RUN.get(verb):
        return Mistake(
            "other-command",
            f"{typed} was not run.",
            f"{typed} is not the way: {reason}.",
            "Which command creates a service's container, and has an option that builds before?",
        )
    return Mistake(
        "no-effect",
        f"{typed} was not run.",
        f"Compose has no command {typed}, or it neither builds an image nor creates a container."
        if verb
        else "The word after docker compose is missing: the command.",
        f"`{KIND} --help` lists the commands. Which one creates and starts containers?",
    )


def _rewrite(verb: str, words: tuple[str, ...]) -> list[str]:
    """Return the command for the sandbox, its options checked."""
    table = COMMANDS[verb]
    parsed = table.parse(words, mixed=True)
    if parsed.unknown:
        raise explain_unknown_option(parsed.unknown[0], table, f"{KIND} {verb}")
    arguments = [verb]
    for option in parsed.options:
        if option.name in REFUSED:
            raise refuse(f"{option.name}: {REFUSED[option.name]}.")
        _check_effect(option, f"{KIND} {verb}")
        if option.name == "--scale" and is_several(option.value):
            raise Mistake(
                "scaled",
                f"--scale {option.value}: Docker can't start the second container of web.",
                "Only one container can have host port 5000, which this service publishes.",
            )
        if option.name == "--scale" and not is_small(option.value):
            raise refuse(f"--scale {option.value}: an exercise starts {MAX_SCALE} at most.")
        if option.name not in IGNORED:
            arguments.append(f"{option.name}={option.value}")
    return [*arguments, *parsed.words]


def is_several(scale: str) -> bool:
    """Return whether a value such as "web=2" starts a few containers of web."""
    service, _, count = scale.partition("=")
    return service == "web" and count.isdecimal() and 1 < int(count) <= MAX_SCALE


def is_small(scale: str) -> bool:
    """Return whether a value such as "web=2" starts few containers, or can't be read."""
    count = scale.partition("=")[2]
    return not count.isdecimal() or int(count) <= MAX_SCALE
