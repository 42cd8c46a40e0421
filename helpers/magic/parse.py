"""Parse the words of `%docker` into a plan: the magic's options, labels, published ports.

Runs nothing and prints nothing.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.errors import CourseError
from helpers.magic.words import TERMINAL, Words, split_commands

LABELLED = {
    ("build",),
    ("image", "build"),
    ("builder", "build"),
    ("buildx", "build"),
    ("buildx", "b"),
    ("run",),
    ("container", "run"),
    ("create",),
    ("container", "create"),
    ("volume", "create"),
    ("network", "create"),
}
CONTAINER = {
    (*group, verb) for group in ((), ("container",)) for verb in ("run", "exec", "create", "start")
}
GROUPS = {"buildx", "container", "image", "builder", "volume", "network"}
COMPOSE_LABELLED = {"up", "run", "create", "build"}
PUBLISHING = {"run", "create"}
VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+:/")

# Options that take no value; every other option of these commands takes one.
GLOBAL_SWITCHES = {"-D", "--debug", "--tls", "--tlsverify", "-v", "--version", "--help"}
COMPOSE_SWITCHES = {
    "--all-resources",
    "--compatibility",
    "--dry-run",
    "--verbose",
    "-v",
    "--version",
    "--help",
    "-h",
}
RUN_SWITCHES = {
    "-d",
    "--detach",
    "--disable-content-trust",
    "--help",
    "--init",
    "-i",
    "--interactive",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--privileged",
    "-P",
    "--publish-all",
    "-q",
    "--quiet",
    "--read-only",
    "--rm",
    "--sig-proxy",
    "-t",
    "--tty",
    "-T",
    "--no-TTY",
    "--build",
    "--no-deps",
    "--quiet-pull",
    "--remove-orphans",
    "--service-ports",
    "--use-aliases",
    "--use-api-socket",
}
BUILD_SWITCHES = {
    "-q",
    "--quiet",
    "--no-cache",
    "--pull",
    "--load",
    "--push",
    "--rm",
    "--force-rm",
    "--squash",
    "--compress",
    "--disable-content-trust",
    "-D",
    "--debug",
    "--check",
    "--help",
}


@dataclass(frozen=True)
class Options:
    """The magic's options before the subcommand: when to stop, and whether to expect a failure."""

    until: str | None = None
    seconds: float | None = None
    fails: bool = False


@dataclass(frozen=True)
class Plan:
    """One docker command: `args` follow the word `docker`; `compose` is set for Compose."""

    typed: str
    args: tuple[str, ...]
    options: Options
    subcommand: tuple[str, ...]
    labelled: bool = False
    rewritten: bool = False  # a port moved to 127.0.0.1, or a stand-in for a base image
    insert_at: int = 0  # where an option of the subcommand can be inserted
    foreground_run: bool = False  # `docker run` without -d
    cidfile: str | None = None  # as typed
    image: str = ""  # of run and create
    publish_all: bool = False  # -P: every port that the image or --expose names
    exposed: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()  # named by -v; the engine would create them unlabelled
    build: BuildInputs | None = None
    compose: Compose | None = None

    @property
    def line(self) -> str:
        """Return the command as typed in a terminal."""
        return shlex.join(["docker", *self.args])

    def with_args(self, extra: list[str]) -> Plan:
        """Return the plan with `extra` options after its subcommand."""
        args = (*self.args[: self.insert_at], *extra, *self.args[self.insert_at :])
        return replace(self, args=args)


@dataclass(frozen=True)
class BuildInputs:
    """A build's context, its Dockerfile (None: the one in the context) and the tags it sets."""

    context: str
    dockerfile: str | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compose:
    """A Compose command that creates objects, its global options apart from the rest."""

    before: tuple[str, ...]  # docker's global options
    options: tuple[str, ...]  # compose's, as typed
    kept: tuple[str, ...]  # compose's, without files, project name and folder
    files: tuple[str, ...]
    directory: str | None
    rest: tuple[str, ...]  # the subcommand and what follows it


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
    if rest and rest[0] == "docker":
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


@dataclass(frozen=True)
class _Flag:
    name: str
    value: str | None
    value_at: int  # index of the word that holds the value, -1 for a switch


def scan(
    words: list[str], switches: set[str], mixed: bool = False
) -> tuple[list[_Flag], list[str], int]:
    """Return the options, the positional words, and the index of the first positional word.

    With `mixed`, options can follow positional words, as in `docker build . -t x`.
    """
    flags: list[_Flag] = []
    positional: list[str] = []
    first, at = len(words), 0
    while at < len(words):
        word = words[at]
        if word == "--" or not word.startswith("-") or word == "-":
            first = min(first, at)
            positional.append(word)
            if not mixed:
                return flags, positional + words[at + 1 :], first
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            if equals:
                flags.append(_Flag(name, value, at))
            elif name in switches:
                flags.append(_Flag(name, None, -1))
            else:
                at += 1
                flags.append(_Flag(name, words[at] if at < len(words) else "", at))
        else:
            at = _short_flags(words, at, switches, flags)
        at += 1
    return flags, positional, first


def _short_flags(words: list[str], at: int, switches: set[str], flags: list[_Flag]) -> int:
    """Parse `-dit`, `-p80:80` or `-p 80:80`; return the index of the last word used."""
    letters = words[at][1:]
    for index, letter in enumerate(letters):
        if f"-{letter}" in switches:
            flags.append(_Flag(f"-{letter}", None, -1))
            continue
        value = letters[index + 1 :]
        if not value:
            at += 1
            value = words[at] if at < len(words) else ""
        flags.append(_Flag(f"-{letter}", value.removeprefix("="), at))
        return at
    return at


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
    if command.words[0] != "docker":
        command = replace(command, typed=f"docker {command.typed}")
    _, _, first = scan(list(words), GLOBAL_SWITCHES)
    before, rest = words[:first], words[first:]
    if rest[:1] == ("compose",):
        return _compose_plan(command.typed, options, before, rest[1:])
    subcommand, args = _subcommand(rest)
    insert_at = len(words) - len(args)
    result = Plan(command.typed, words, options, subcommand, insert_at=insert_at)
    if subcommand in CONTAINER:
        result = _container_plan(result, list(args), engine)
    if subcommand not in LABELLED or "--help" in args:
        return result
    label_args = [f"--label={name}={value}" for name, value in labels().items()]
    build = _build_inputs(list(args)) if subcommand[-1] in ("build", "b") else None
    return replace(result, labelled=True, build=build).with_args(label_args)


def _build_inputs(args: list[str]) -> BuildInputs:
    flags, positional, _ = scan(args, BUILD_SWITCHES, mixed=True)
    dockerfile = next((f.value for f in flags if f.name in ("-f", "--file")), None)
    tags = tuple(f.value or "" for f in flags if f.name in ("-t", "--tag"))
    return BuildInputs(positional[-1] if positional else ".", dockerfile, tags)


def _subcommand(rest: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return `build` or `image build`, and the words that follow it."""
    if rest and rest[0] in GROUPS:
        _, positional, first = scan(list(rest[1:]), {"-D", "--debug", "--help"})
        if positional:
            return (rest[0], positional[0]), rest[first + 2 :]
    return rest[:1], rest[1:]


def _container_plan(result: Plan, args: list[str], engine: Engine) -> Plan:
    """Add what a container command's options say; refuse a terminal; keep ports on 127.0.0.1."""
    name = result.subcommand[-1]
    switches = {"-a", "-i", "--attach", "--interactive"} if name == "start" else RUN_SWITCHES
    flags, positional, _ = scan(args, switches)
    detached = _detached(flags)
    if name != "create":
        _refuse_terminal(result.typed, flags, detached)
    if name in PUBLISHING and engine.kind == "user":
        args = _publish_locally(args, flags)
    volumes = tuple(
        (f.value or "").partition(":")[0]
        for f in flags
        if f.name in ("-v", "--volume") and VOLUME.match(f.value or "")
    )
    all_args = (*result.args[: result.insert_at], *args)
    return replace(
        result,
        args=all_args,
        rewritten=all_args != result.args,
        volumes=volumes if name in PUBLISHING else (),
        foreground_run=name == "run" and not detached,
        image=positional[0] if positional and name in PUBLISHING else "",
        publish_all=any(f.name in ("-P", "--publish-all") for f in flags),
        exposed=tuple(f.value or "" for f in flags if f.name == "--expose"),
        cidfile=next((f.value for f in flags if f.name == "--cidfile"), None),
    )


def _detached(flags: list[_Flag]) -> bool:
    return any(f.name in ("-d", "--detach") and f.value in (None, "true") for f in flags)


def _refuse_terminal(typed: str, flags: list[_Flag], detached: bool) -> None:
    wants_terminal = any(
        f.name in ("-i", "-t", "--interactive", "--tty") and f.value in (None, "true")
        for f in flags
    )
    if wants_terminal and not detached:
        raise CourseError(
            f"-i and -t need a terminal, and a cell is not one: {TERMINAL}, or remove them: {typed}"
        )


def _publish_locally(args: list[str], flags: list[_Flag]) -> list[str]:
    """Return the arguments with 127.0.0.1 for published ports without an address."""
    changed = list(args)
    for flag in flags:
        if flag.name not in ("-p", "--publish") or not flag.value:
            continue
        ports = flag.value
        if "=" in ports:  # docker run also takes the long form, but without an address
            fields = dict(field.partition("=")[::2] for field in ports.split(","))
            ports = (
                f"{fields.get('published', '')}:{fields.get('target', '')}"
                f"/{fields.get('protocol', 'tcp')}"
            )
        if re.fullmatch(r"([\d-]*:)?[\d-]+(/\w+)?", ports):
            address = "127.0.0.1:" if ":" in ports else "127.0.0.1::"
            word = changed[flag.value_at]
            changed[flag.value_at] = word[: len(word) - len(flag.value)] + address + ports
    return changed


def _compose_plan(
    typed: str, options: Options, before: tuple[str, ...], words: tuple[str, ...]
) -> Plan:
    flags, positional, first = scan(list(words), COMPOSE_SWITCHES)
    result = Plan(
        typed,
        (*before, "compose", *words),
        options,
        ("compose", *positional[:1]),
        insert_at=len(before) + 2 + first,
    )
    if positional[:1] in (["run"], ["exec"]):
        inner, _, _ = scan(positional[1:], RUN_SWITCHES)
        _refuse_terminal(typed, inner, _detached(inner))
    if not positional or positional[0] not in COMPOSE_LABELLED or {"--help", "-h"} & set(words):
        return result
    kept: list[str] = []
    files: list[str] = []
    directory: str | None = None
    for flag in flags:
        if flag.name in ("-f", "--file"):
            files.append(flag.value or "")
        elif flag.name == "--project-directory":
            directory = flag.value
        elif flag.name not in ("-p", "--project-name"):
            kept += [flag.name] if flag.value is None else [flag.name, flag.value]
    return replace(
        result,
        labelled=True,
        compose=Compose(
            before, words[:first], tuple(kept), tuple(files), directory, tuple(positional)
        ),
    )
