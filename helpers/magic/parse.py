"""Parse the words of `%docker` into a plan: the magic's options, labels, published ports.

Runs nothing and prints nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.errors import CourseError
from helpers.magic import options as tables
from helpers.magic.options import NOTHING, Parsed, shorten_publish
from helpers.magic.words import TERMINAL, Words, split_commands

# The short names of commands: `docker image build` and `docker buildx b` are `docker build`.
SHORT_NAMES = {
    **{f"container {verb}": verb for verb in ("run", "create", "exec", "start", "commit")},
    **{f"image {verb}": verb for verb in ("build", "import")},
    **dict.fromkeys(("builder build", "buildx build", "buildx b"), "build"),
}
TABLES = {
    **dict.fromkeys(("run", "create"), tables.RUN),
    **{"exec": tables.EXEC, "start": tables.START, "build": tables.BUILD},
    **{"compose run": tables.COMPOSE_RUN, "compose exec": tables.COMPOSE_EXEC},
}
# The commands that create something, and their options for a label; {} is NAME=VALUE.
LABELLED = {
    **dict.fromkeys(("build", "run", "create"), ("--label={}",)),
    **{f"{kind} create": ("--label={}",) for kind in ("config", "network", "secret", "volume")},
    "service create": ("--label={}", "--container-label={}"),
    **dict.fromkeys(("commit", "import"), ("--change=LABEL {}",)),
}
NEED_TERMINAL = ("run", "exec", "start", "compose run", "compose exec")


@dataclass(frozen=True)
class Options:
    """The magic's options before the subcommand: when to stop, and whether to expect a failure."""

    until: str | None = None
    seconds: float | None = None
    fails: bool = False


@dataclass(frozen=True)
class Plan:
    """One docker command; `args` follow the word `docker`."""

    typed: str
    args: tuple[str, ...]
    options: Options
    command: str = ""  # by its short name: "run", "volume create", "compose up"
    at: int = 0  # where the subcommand's options start; of Compose, where its subcommand is
    parsed: Parsed = NOTHING  # what follows the subcommand, if TABLES has it
    project: Parsed = NOTHING  # what follows `compose`
    is_rewritten: bool = False  # a port moved to 127.0.0.1, or a stand-in for a base image

    @property
    def line(self) -> str:
        """Return the command as typed in a terminal."""
        return shlex.join(["docker", *self.args])

    @property
    def image(self) -> str:
        """Return the image that `run` or `create` makes a container from, otherwise ""."""
        return "".join(self.parsed.words[:1]) if self.command in ("run", "create") else ""

    @property
    def is_foreground_run(self) -> bool:
        """Return whether this is a `docker run` without -d."""
        return self.command == "run" and not self.parsed.is_on("--detach", "--help")

    def with_args(self, extra: Sequence[str]) -> Plan:
        """Return the plan with `extra` options after its subcommand."""
        return replace(self, args=(*self.args[: self.at], *extra, *self.args[self.at :]))


def magic_options(words: tuple[str, ...]) -> tuple[Options, tuple[str, ...]]:
    """Return the magic's options at the start of a command, and the docker words after them."""
    options, rest = Options(), list(words)
    while rest and rest[0] == "docker":
        rest.pop(0)
    while rest and rest[0].partition("=")[0] in ("--until", "--for", "--fails"):
        name, equals, value = rest.pop(0).partition("=")
        if name == "--fails":
            options = replace(options, fails=True)
            continue
        if not equals:
            value = rest.pop(0) if rest else ""
        if name == "--until":
            if not value:
                raise CourseError(
                    "--until needs the text to wait for",
                    'Example: %docker --until "Running on" run my-flask-app',
                )
            options = replace(options, until=value)
        else:
            options = replace(options, seconds=_seconds(value))
    if rest[:1] == ["docker"]:
        rest.pop(0)
    if options.fails and options.until:
        raise CourseError("--fails and --until can't be combined", "Remove one of them.")
    return options, tuple(rest)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise CourseError(
            f"--for needs a number of seconds, not {value!r}",
            "Example: %docker --for 5 logs -f web",
        )
    return seconds


def plan(line: str, engine: Engine) -> Plan:
    """Return the plan for the one command on `line`. Raises CourseError if it can't run here."""
    commands = plans(line, engine)
    if len(commands) != 1:
        raise CourseError("%docker needs a command", "Example: %docker ps")
    return commands[0]


def plans(text: str, engine: Engine) -> list[Plan]:
    """Return a plan for each command line of `text`."""
    commands = split_commands(text, engine.env, str(Path.cwd()))
    return [_plan(command, engine) for command in commands]


def _plan(command: Words, engine: Engine) -> Plan:
    options, words = magic_options(command.words)
    if not words:
        raise CourseError(f"No docker command in: {command.typed}", "Example: %docker ps")
    typed = command.typed if command.words[0] == "docker" else f"docker {command.typed}"
    result = _find_command(Plan(typed, words, options))
    after = result.args[result.at + result.command.startswith("compose ") :]
    if result.command in TABLES:
        parsed = TABLES[result.command].parse(after, mixed=result.command == "build")
        result = replace(result, parsed=parsed)
    _refuse_terminal(result)
    if result.image and engine.kind == "user":
        result = _publish_locally(result)
    asks_for_help = result.parsed.is_on("--help") if result.command in TABLES else "--help" in after
    forms = () if asks_for_help else LABELLED.get(result.command, ())
    pairs = [f"{name}={value}" for name, value in labels().items()]
    return result.with_args([form.format(pair) for form in forms for pair in pairs])


def _find_command(plan: Plan) -> Plan:
    """Return the plan with the command's short name and the place of its options."""
    at = tables.GLOBAL.parse(plan.args).first
    rest = plan.args[at:]
    if rest[:1] == ("compose",):
        project = tables.COMPOSE.parse(rest[1:])
        command = " ".join(["compose", *project.words[:1]])
        return replace(plan, command=command, at=at + 1 + project.first, project=project)
    command = " ".join(rest[:2])
    if command not in SHORT_NAMES and command not in LABELLED:
        command = "".join(rest[:1])
    at += len(command.split())
    return replace(plan, command=SHORT_NAMES.get(command, command), at=at)


def _refuse_terminal(plan: Plan) -> None:
    wants_terminal = plan.parsed.is_on("--interactive", "--tty")
    if plan.command in NEED_TERMINAL and wants_terminal and not plan.parsed.is_on("--detach"):
        raise CourseError(
            f"A cell has no keyboard input for -i, and no terminal for -t: {plan.typed}",
            f"Remove these options, or {TERMINAL}.",
        )


def _publish_locally(plan: Plan) -> Plan:
    """Return the plan with 127.0.0.1 for published ports without an address."""
    args = list(plan.args)
    for option in plan.parsed.options:
        # docker run also takes the long form, but without an address.
        ports = shorten_publish(option.value) if option.name == "--publish" else ""
        if re.fullmatch(r"([\d-]*:)?[\d-]+(/\w+)?", ports):
            address = "127.0.0.1:" if ":" in ports else "127.0.0.1::"
            at = plan.at + option.at
            args[at] = args[at].removesuffix(option.value) + address + ports
    return replace(plan, args=tuple(args), is_rewritten=tuple(args) != plan.args)
