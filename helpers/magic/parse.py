"""From the words of `%docker` to the docker command to run: own options, label, ports.

Pure: it reads text, variables and the engine's kind, and neither runs nor prints anything.
Knows nothing of IPython.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace

from helpers.engine.engine import Engine
from helpers.engine.owner import labels
from helpers.errors import CourseError
from helpers.magic.words import TERMINAL, Words, split_commands

LABELLED = {("build",), ("image", "build"), ("builder", "build"), ("buildx", "build"),
            ("buildx", "b"), ("run",), ("container", "run"), ("create",),
            ("container", "create"), ("volume", "create"), ("network", "create")}
COMPOSE_LABELLED = {"up", "run", "create", "build"}
PUBLISHING = {"run", "create"}
VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+:/")

# Options that take no value; every other option of these commands takes one.
GLOBAL_SWITCHES = {"-D", "--debug", "--tls", "--tlsverify", "-v", "--version", "--help"}
COMPOSE_SWITCHES = {"--all-resources", "--compatibility", "--dry-run", "--verbose", "-v",
                    "--version", "--help", "-h"}
RUN_SWITCHES = {"-d", "--detach", "--disable-content-trust", "--help", "--init", "-i",
                "--interactive", "--no-healthcheck", "--oom-kill-disable", "--privileged", "-P",
                "--publish-all", "-q", "--quiet", "--read-only", "--rm", "--sig-proxy", "-t",
                "--tty", "-T", "--no-TTY", "--build", "--no-deps", "--quiet-pull",
                "--remove-orphans", "--service-ports", "--use-aliases", "--use-api-socket"}
BUILD_SWITCHES = {"-q", "--quiet", "--no-cache", "--pull", "--load", "--push", "--rm",
                  "--force-rm", "--squash", "--compress", "--disable-content-trust", "-D",
                  "--debug", "--check", "--help"}


@dataclass(frozen=True)
class Options:
    """What stands before the subcommand and is ours: when to stop, and what to expect."""

    until: str | None = None
    seconds: float | None = None
    fails: bool = False


@dataclass(frozen=True)
class Plan:
    """One docker command: `args` follow the word `docker`; for Compose, see `compose`."""

    typed: str
    args: tuple[str, ...]
    options: Options
    subcommand: tuple[str, ...]
    labelled: bool = False
    rewritten: bool = False          # a port moved to 127.0.0.1
    insert_at: int = 0               # where an option of the subcommand may be put
    foreground_run: bool = False     # `docker run` without -d
    cidfile: str | None = None       # as the student gave it
    image: str = ""                  # of run and create
    publish_all: bool = False        # -P: every port that the image or --expose names
    exposed: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()    # named by -v, which the engine would make without a label
    build: BuildInputs | None = None
    compose: Compose | None = None

    @property
    def line(self) -> str:
        """The command as one types it."""
        return shlex.join(["docker", *self.args])

    def with_args(self, extra: list[str]) -> Plan:
        """The same plan with `extra` options put after its subcommand."""
        at = self.insert_at
        return replace(self, args=(*self.args[:at], *extra, *self.args[at:]))


@dataclass(frozen=True)
class BuildInputs:
    """Where a build finds its Dockerfile (None: the context's own), and the tags it sets."""

    context: str
    dockerfile: str | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compose:
    """A Compose command that creates things: its global options apart from the rest."""

    before: tuple[str, ...]          # docker's own global options
    options: tuple[str, ...]         # compose's, as typed
    kept: tuple[str, ...]            # compose's, less files, project name and folder
    files: tuple[str, ...]
    directory: str | None
    rest: tuple[str, ...]            # the subcommand and what follows


def own_options(words: tuple[str, ...],
                base: Options | None = None) -> tuple[Options, tuple[str, ...]]:
    """Our options at the start of a command, and the docker words after them."""
    options, rest = base or Options(), list(words)
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
                raise CourseError("--until needs the text to wait for",
                                  'For instance: %docker --until "Running on" run my-flask-app')
            options = replace(options, until=value)
        else:
            options = replace(options, seconds=_seconds(value))
    if rest and rest[0] == "docker":
        rest.pop(0)
    if options.fails and options.until:
        raise CourseError("--fails and --until exclude each other", "Leave one of them out")
    return options, tuple(rest)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise CourseError(f"--for needs a number of seconds, not {value!r}",
                          "For instance: %docker --for 5 logs -f web")
    return seconds


@dataclass(frozen=True)
class _Flag:
    name: str
    value: str | None
    value_at: int      # index of the word that holds the value, -1 for a switch


def scan(words: list[str], switches: set[str],
         mixed: bool = False) -> tuple[list[_Flag], list[str], int]:
    """Options, positional words, and the index of the first positional word.

    With `mixed`, options may follow positional words, as `docker build . -t x` has them.
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
                return flags, positional + words[at + 1:], first
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
    """Reads `-dit`, `-p80:80` or `-p 80:80`; returns the index of the last word used."""
    letters = words[at][1:]
    for index, letter in enumerate(letters):
        if f"-{letter}" in switches:
            flags.append(_Flag(f"-{letter}", None, -1))
            continue
        value = letters[index + 1:]
        if not value:
            at += 1
            value = words[at] if at < len(words) else ""
        flags.append(_Flag(f"-{letter}", value.removeprefix("="), at))
        return at
    return at


def plan(line: str, engine: Engine) -> Plan:
    """The plan for the one command on `line`; raises CourseError for what cannot be run."""
    found = plans(line, engine)
    if len(found) != 1:
        raise CourseError("%docker needs a command", "For instance: %docker ps")
    return found[0]


def plans(text: str, engine: Engine) -> list[Plan]:
    """A plan for each command line of `text`."""
    commands = split_commands(text, engine.env, os.getcwd())  # noqa: PTH109 - text for a command
    return [_plan(command, engine) for command in commands]


def _plan(command: Words, engine: Engine) -> Plan:
    options, words = own_options(command.words)
    if not words:
        raise CourseError(f"There is no docker command in: {command.typed}",
                          "For instance: %docker ps")
    if command.words[0] != "docker":
        command = replace(command, typed=f"docker {command.typed}")
    _, _, first = scan(list(words), GLOBAL_SWITCHES)
    before, rest = words[:first], words[first:]
    if rest[:1] == ("compose",):
        return _compose_plan(command.typed, options, before, rest[1:])
    subcommand, args = _subcommand(rest)
    at = len(words) - len(args)
    result = Plan(command.typed, words, options, subcommand, insert_at=at)
    if subcommand[-1:] in {("run",), ("exec",), ("create",), ("start",)}:
        result = _container_plan(result, list(args), engine)
    if subcommand in LABELLED and "--help" not in args:
        if subcommand[-1] in ("build", "b"):
            flags, positional, _ = scan(list(args), BUILD_SWITCHES, mixed=True)
            file = next((f.value for f in flags if f.name in ("-f", "--file")), None)
            tags = tuple(f.value or "" for f in flags if f.name in ("-t", "--tag"))
            result = replace(result, build=BuildInputs(
                positional[-1] if positional else ".", file, tags))
        result = replace(result, labelled=True)
        result = result.with_args([f"--label={name}={value}" for name, value in labels().items()])
    return result


def _subcommand(rest: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`build` or `image build`, and what follows it."""
    if rest[:1] in {("buildx",), ("container",), ("image",), ("builder",), ("volume",),
                    ("network",)}:
        _, positional, first = scan(list(rest[1:]), {"-D", "--debug", "--help"})
        if positional:
            return (rest[0], positional[0]), rest[first + 2:]
    return rest[:1], rest[1:]


def _container_plan(result: Plan, args: list[str], engine: Engine) -> Plan:
    """Refuses a terminal session; finds -d and --cidfile; keeps ports on loopback."""
    name = result.subcommand[-1]
    switches = {"-a", "-i", "--attach", "--interactive"} if name == "start" else RUN_SWITCHES
    flags, positional, _ = scan(args, switches)
    detached = _detached(flags)
    if name != "create":
        _refuse_terminal(result.typed, flags, detached)
    if name in PUBLISHING and engine.kind == "own":
        args = _loopback(args, flags)
    volumes = tuple((f.value or "").partition(":")[0] for f in flags
                    if f.name in ("-v", "--volume") and VOLUME.match(f.value or ""))
    whole = (*result.args[:result.insert_at], *args)
    return replace(result, args=whole, rewritten=whole != result.args,
                   volumes=volumes if name in PUBLISHING else (),
                   foreground_run=name == "run" and not detached,
                   image=positional[0] if positional and name in PUBLISHING else "",
                   publish_all=any(f.name in ("-P", "--publish-all") for f in flags),
                   exposed=tuple(f.value or "" for f in flags if f.name == "--expose"),
                   cidfile=next((f.value for f in flags if f.name == "--cidfile"), None))


def _detached(flags: list[_Flag]) -> bool:
    return any(f.name in ("-d", "--detach") and f.value in (None, "true") for f in flags)


def _refuse_terminal(typed: str, flags: list[_Flag], detached: bool) -> None:
    asks = any(f.name in ("-i", "-t", "--interactive", "--tty") and f.value in (None, "true")
               for f in flags)
    if asks and not detached:
        raise CourseError(f"-i and -t need a terminal, which a cell is not: {TERMINAL}, "
                          f"or leave them out: {typed}")


def _loopback(args: list[str], flags: list[_Flag]) -> list[str]:
    """Give 127.0.0.1 to published ports that name no address."""
    changed = list(args)
    for flag in flags:
        if flag.name not in ("-p", "--publish") or not flag.value:
            continue
        ports = flag.value
        if "=" in ports:      # docker run knows the long form too, but no address in it
            fields = dict(field.partition("=")[::2] for field in ports.split(","))
            ports = (f"{fields.get('published', '')}:{fields.get('target', '')}"
                     f"/{fields.get('protocol', 'tcp')}")
        if re.fullmatch(r"([\d-]*:)?[\d-]+(/\w+)?", ports):
            address = "127.0.0.1:" if ":" in ports else "127.0.0.1::"
            word = changed[flag.value_at]
            changed[flag.value_at] = word[:len(word) - len(flag.value)] + address + ports
    return changed


def _compose_plan(typed: str, options: Options, before: tuple[str, ...],
                  words: tuple[str, ...]) -> Plan:
    flags, positional, first = scan(list(words), COMPOSE_SWITCHES)
    result = Plan(typed, (*before, "compose", *words), options,
                  ("compose", *positional[:1]), insert_at=len(before) + 2 + first)
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
    return replace(result, labelled=True, compose=Compose(
        before, words[:first], tuple(kept), tuple(files), directory, tuple(positional)))
