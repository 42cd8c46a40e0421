"""A `docker run` line that a student typed: parsed, checked, and rewritten for the sandbox.

It is never given to a shell. What could harm the machine or reach outside the exercise is refused
with a reason; names, ports and volumes become the sandbox's own.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers.errors import CourseError, Mistake
from helpers.exercises.container import explain_start
from helpers.exercises.sandbox import LIMITS, Sandbox
from helpers.magic.options import GLOBAL, RUN, TRUE, RunCommand, Table, parse_run, shorten_publish
from helpers.magic.words import Words, split_commands

REFUSED = {
    "--privileged": "a privileged container has almost all rights of root on your machine",
    "--cap-add": "it gives the container more rights on your machine",
    "--security-opt": "it weakens the isolation of the container",
    "--device": "it gives the container a device of your machine",
    "--device-cgroup-rule": "it gives the container a device of your machine",
    "--gpus": "it gives the container a device of your machine",
    "--use-api-socket": "with the engine's socket, a container controls your whole engine",
    "--cgroup-parent": "it takes the container out of the limits of the exercise",
    "--runtime": "it runs the container with another program than the engine's own",
    "--oom-score-adj": "it can make your machine end other programs first",
    "--oom-kill-disable": "it can make your machine run out of memory",
    "--volumes-from": "it mounts the volumes of other containers",
    "--volume-driver": "a volume driver can reach files outside the exercise",
    "--link": "it connects to other containers",
    "--help": "it prints the help and starts nothing",
}
NAMESPACES = ("--network", "--pid", "--ipc", "--uts", "--userns", "--cgroupns")
NETWORKS = ("bridge", "default", "none")
LOCAL_LOGS = ("json-file", "local", "none")
# The sandbox has its own value for these, or they make no difference to the exercise. It removes
# the container itself, after it has looked at how it ended.
IGNORED = {
    "--pull", "--log-driver", "--log-opt", "--cidfile", "--memory-swap", "--memory-reservation",
    "--memory-swappiness", "--kernel-memory", "--pids-limit", "--cpus", "--cpu-period",
    "--cpu-quota", "--cpu-rt-period", "--cpu-rt-runtime", "--cpu-shares", "--cpuset-cpus",
    "--cpuset-mems", "--blkio-weight", "--blkio-weight-device", "--device-read-bps",
    "--device-read-iops", "--device-write-bps", "--device-write-iops", "--shm-size",
    "--publish-all", "--rm", "--storage-opt", "--ulimit",
}  # fmt: skip
PUBLISH_ALL = "--publish=127.0.0.1::5000/tcp"  # what -P does with the apps of the course
PUBLISH = re.compile(
    r"(?:(?P<ip>\[[0-9a-f:]+\]|[0-9.]*):)?(?:(?P<host>\d*)(?:-(?P<host_end>\d+))?:)?"
    r"(?P<container>\d+)(?:-(?P<end>\d+))?(?:/(?P<kind>tcp|udp))?",
    re.IGNORECASE,
)
MOST_PORTS = 20  # of a range
VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")  # what Docker takes as a name
# What word processors and web pages put in the place of a hyphen, a quote or a space.
TYPOGRAPHIC = re.compile(r"(?:^|\s)[\u2013\u2014]\S*|\S*[\u201c\u201d\u201e]\S*|\S*\u00a0\S*")
# Names that beginners guess, and docker's own.
GUESSED = {"--port": "--publish", "--ports": "--publish", "--background": "--detach"}
SOURCES = ("source", "src")  # the two names of one key of `--mount`
REACHABLE = ("", "0.0.0.0", "[::]", "[::1]")
ONE_COMMAND = "Give one {} command. It runs without a shell."


@dataclass(frozen=True)
class Publish:
    """One published port as typed; `host` is None if Docker chooses a free one."""

    host: int | None
    container: int
    kind: str = "tcp"
    ip: str = ""

    @property
    def is_reachable(self) -> bool:
        """Return whether the host port is open on 127.0.0.1."""
        return self.ip in REACHABLE or self.ip.startswith("127.")


@dataclass
class Command:
    """A command that may run: its arguments for the sandbox, and the ports as typed."""

    options: list[str] = field(default_factory=list)
    words: tuple[str, ...] = ()
    published: list[Publish] = field(default_factory=list)


def read_command(text: str, image: str, sandbox: Sandbox) -> Command:
    """Return what the student's line runs, rewritten for the sandbox. Runs nothing.

    Raises Mistake if it is not one `docker run` of this image, or could do harm.
    """
    parsed = _parse(split_one(text, sandbox.folder, "docker run"))
    if parsed.unknown:
        raise explain_unknown_option(parsed.unknown[0], RUN, "docker run")
    for name, values in parsed.options.items():
        for value in values:
            if reason := find_danger(name, value, sandbox.folder):
                typed = f"{name} {value}".removesuffix(" true")
                raise refuse(f"{typed}: {reason}.")
    _check_conflicts(parsed)
    _check_ignored(parsed, sandbox)
    if reason := find_nested(_find_folders(parsed), sandbox.folder):
        raise refuse(reason)
    typed_image = parsed.image.removeprefix("docker.io/").removeprefix("library/")
    if typed_image.removesuffix(":latest") != image:
        raise Mistake(
            "other-image",
            f"The command names the image {parsed.image!r}; this exercise has {image!r}.",
            "The first word after `docker run` that is neither an option nor the value of one is "
            "the image's name.",
        )
    command = Command(words=parsed.command)
    for name, values in parsed.options.items():
        for value in values:
            command.options += _rewrite(name, value, command, sandbox)
    if _value(parsed, "--publish-all") in TRUE and PUBLISH_ALL not in command.options:
        command.options.append(PUBLISH_ALL)
    if _value(parsed, "--detach") not in TRUE and "--tty" in parsed.options:
        command.options.append("--tty=false")  # there is no terminal here
    return command


def _check_conflicts(parsed: RunCommand) -> None:
    """Raise Mistake for options with which docker starts nothing, or nothing that can be visited."""
    if _value(parsed, "--rm") in TRUE and _value(parsed, "--restart") not in ("", "no"):
        raise Mistake(
            "conflicting-options",
            "Docker refuses --rm together with --restart.",
            "--rm removes the container when it ends, so that nothing is left to be restarted.",
        )
    if _value(parsed, "--network") == "none":
        raise Mistake(
            "no-network",
            "--network none: the container has no network, so nobody can visit the app.",
            "Without --network, a container is on Docker's default network.",
        )


def _check_ignored(parsed: RunCommand, sandbox: Sandbox) -> None:
    """Raise Mistake for a value that docker can't read, of an option that does not run here."""
    typed = [
        f"{name}={value}"
        for name in sorted(IGNORED & parsed.options.keys())
        for value in parsed.options[name]
        if value not in TRUE
    ]
    if typed:
        completed = sandbox.engine.run("run", *typed, "--help")  # reads them, and runs nothing
        if completed.returncode:
            raise explain_start(completed.stderr.partition("\n")[0], lambda program: "")


def refuse(seen: str) -> Mistake:
    """Return the answer to a command that is not run."""
    return Mistake(
        "refused",
        f"Not run. {seen}",
        "An exercise allows less than a terminal, so that it can't harm your machine. This task can "
        "be solved without it.",
    )


# -- reading ------------------------------------------------------------------------------


def split_one(text: str, folder: Path, kind: str) -> list[str]:
    """Return the words of the one command in the text; `kind` is such as "docker run".

    Raises Mistake if there is none, or more, or something that only a shell understands.
    """
    lines = re.sub(r"\r\n?", "\n", text).strip()
    # A prompt, or what runs a command in a cell, copied with the command.
    lines = re.sub(r"^(?:[$>] |%%docker\s*\n|[%!](?=docker\b))", "", lines)
    if match := TYPOGRAPHIC.search(lines):
        raise Mistake(
            "typographic",
            f"“{match[0].strip()}” contains a character that only looks like one on the keyboard: "
            "a dash, a quote or a space from a document or a web page. Nothing was run.",
            "Type it again by hand: an option begins with a hyphen, quotes are \" or '.",
        )
    env: Mapping[str, str] = {"HOME": str(Path.home())}
    try:
        commands: list[Words] = split_commands(lines, env, str(folder))
    except CourseError as error:
        raise _explain_syntax(error, kind) from None
    if not commands:
        raise Mistake("empty", "There is no command yet.", f"Type one {kind} command.")
    if len(commands) > 1:
        raise Mistake(
            "several-commands",
            f"There are {len(commands)} commands; this exercise takes one. Nothing was run.",
            "A backslash continues a line only if nothing follows it, not even a space."
            if re.search(r"\\[ \t]+$", lines, re.MULTILINE)
            else f"{ONE_COMMAND.format(kind)} A line that goes on ends with a backslash.",
        )
    words = list(commands[0].words)
    words = words[1:] if words[0] == "sudo" and len(words) > 1 else words
    if "=" in words[0] and "docker" in words:
        raise Mistake(
            "before-docker",
            f"{words[0]} comes before docker. Nothing was run.",
            "Leave out what is before docker: it makes no difference here.",
        )
    return words


def _explain_syntax(error: CourseError, kind: str) -> Mistake:
    if "never closed" in error.message:
        return Mistake("open-quote", error.message, error.hint)
    if match := re.search(r"so `(.)`", error.message):
        what = f"`{match[1]}` has a meaning in a shell, but no shell runs this line."
    else:
        what = "`$(…)`, `…` and ${…:…} are commands and expressions for the shell."
    return refuse(f"{what} {ONE_COMMAND.format(kind)} $PWD and $(pwd) may be used.")


def _parse(words: Sequence[str]) -> RunCommand:
    """Return the command, read with the options that docker has."""
    if words[0] != "docker":
        raise Mistake(
            "not-docker-run",
            f"This is a {words[0]} command, not docker run.",
            ONE_COMMAND.format("docker run"),
        )
    before = GLOBAL.parse(words[1:])
    if before.unknown:
        raise explain_early_option(before.unknown[0], "run")
    if before.options and before.options[0].name in ("--version", "--help"):
        raise explain_early_option(words[1], "run")
    if before.options:
        raise refuse(f"{before.options[0].name} before `run` changes which engine is used, or how.")
    verbs = [word for word in before.words[:2] if word != "container"]
    if verbs[:1] != ["run"]:
        raise Mistake(
            "not-docker-run",
            f"This is docker {' '.join(before.words[:2])}, not docker run. Nothing was run.",
            "docker run makes a new container from an image, and starts it.",
        )
    try:
        return parse_run(words)
    except CourseError as error:
        raise Mistake(
            "no-image",
            "The command names no image.",
            "The image's name comes after the options. An option that takes a value takes the "
            "word after it, even if that is the image's name.",
        ) from error


def explain_early_option(option: str, verb: str) -> Mistake:
    """Return the answer to an option of a command that stands before the command."""
    return Mistake(
        "option-too-early",
        f"{option} comes before `{verb}`. Nothing was run.",
        f"The options of `{verb}` come after the word {verb}.",
    )


def explain_unknown_option(option: str, table: Table, kind: str) -> Mistake:
    """Return the answer to an option that docker does not have, with similar ones."""
    close = difflib.get_close_matches(option, table.known, n=2)
    if option in GUESSED:
        close = [GUESSED[option]]
    return Mistake(
        "unknown-option",
        f"{kind} has no option {option}. Nothing was run.",
        f"Similar options: {', '.join(close)}."
        if close
        else f"`{kind} --help` lists those that it has. Options of one letter have one dash, longer "
        "ones have two.",
    )


def _value(parsed: RunCommand, name: str) -> str:
    return "".join(list(parsed.options.get(name, ()))[-1:])


# -- what is refused ----------------------------------------------------------------------


def find_danger(name: str, value: str, folder: Path) -> str:
    """Return why an option of `docker run` is refused, "" if it may be used."""
    if name == "--security-opt" and value.startswith("no-new-privileges"):
        return ""
    if name in REFUSED and value != "false":
        return REFUSED[name]
    if name in NAMESPACES and (value == "host" or value.startswith("container:")):
        return "it removes part of the isolation from your machine or another container"
    if name == "--network" and value not in NETWORKS:
        return "this exercise has no such network"
    if name == "--log-driver" and value not in LOCAL_LOGS:
        return "it sends the log somewhere else"
    if name in ("--env-file", "--label-file", "--cidfile"):
        return find_outside(value, folder)
    if name == "--volume" and ":" in value:
        return find_source_danger(value.split(":")[0], folder)
    return find_mount_danger(value, folder) if name == "--mount" else ""


def find_mount_danger(value: str, folder: Path) -> str:
    """Return why a `--mount` is refused, "" if it may be used."""
    pairs = list(_mount_keys(value))
    keys = dict(pairs)
    if any(key.startswith(("volume-opt", "volume-driver")) for key in keys):
        return "the options of a volume driver can reach files outside the exercise"
    kind = keys.get("type", "volume")
    if kind not in ("volume", "bind", "tmpfs"):
        return f"this exercise has no mounts of the type {kind}"
    sources = [text for key, text in pairs if key in SOURCES]
    find = find_outside if kind == "bind" else find_source_danger
    return next(filter(None, (find(source, folder) for source in sources)), "")


def find_source_danger(source: str, folder: Path) -> str:
    """Return why the source of a mount is refused, "" if it may be used.

    Docker takes "x/y" for the name of a volume, and refuses it. This does not rely on that.
    """
    return find_outside(source, folder) if "/" in source or is_path(source) else ""


def _find_folders(parsed: RunCommand) -> list[str]:
    """Return the paths of this machine that the command mounts."""
    volumes = [each.split(":")[0] for each in parsed.options.get("--volume", ()) if ":" in each]
    mounts = [pair for each in parsed.options.get("--mount", ()) for pair in _mount_keys(each)]
    return list(filter(is_path, [*volumes, *(text for key, text in mounts if key in SOURCES)]))


def find_nested(sources: Sequence[str], folder: Path) -> str:
    """Return why these mounts are refused, "" unless one is inside another.

    A container that can write to the outer folder could replace the inner one by a link to any
    place of the machine. The engine would follow it when it starts the container again.
    """
    paths = {Path(folder, source).resolve() for source in sources}
    for inner, outer in itertools.permutations(sorted(paths), 2):
        if inner.is_relative_to(outer):
            return f"{inner.name} is mounted, and so is the folder that contains it."
    return ""


def is_path(source: str) -> bool:
    """Return whether docker takes the source of a mount for a path, not for a volume's name."""
    return source.startswith(("/", ".", "~"))


def find_outside(source: str, folder: Path) -> str:
    """Return why a path of this machine is refused, "" if it is in the exercise's folder."""
    if source.endswith("docker.sock"):
        return REFUSED["--use-api-socket"]
    path = Path(folder, source).resolve()
    if source.startswith("~") or not path.is_relative_to(folder.resolve()):
        return "it is outside the exercise's folder, which is the working folder ($PWD) here"
    return ""


# -- rewriting ----------------------------------------------------------------------------


def _rewrite(name: str, value: str, command: Command, sandbox: Sandbox) -> list[str]:
    """Return the option for the sandbox: its own names, paths and ports."""
    if name in IGNORED:
        return []
    if name == "--memory" and _bytes(value) >= _bytes(LIMITS[0].partition("=")[2]):
        return []
    if name == "--name":
        value = sandbox.name(value)
    elif name in ("--env-file", "--label-file"):
        value = str(Path(sandbox.folder, value))
    elif name == "--volume" and ":" in value:
        source, _, rest = value.partition(":")
        value = f"{_own_source(source, sandbox)}:{rest}"
    elif name == "--mount":
        value = _own_mount(value, sandbox)
    elif name == "--publish" and (ports := read_ports(value)):
        command.published += ports
        own = [f"--publish=127.0.0.1::{port.container}/{port.kind}" for port in ports]
        return [each for each in own if each not in command.options]  # the engine can't do it twice
    return [f"{name}={value}"]


def read_ports(value: str) -> list[Publish]:
    """Return the ports of a `--publish`, several for a range; none if docker would refuse it."""
    match = PUBLISH.fullmatch(shorten_publish(value))
    if not match:
        return []
    ip, host, host_end = match["ip"] or "", match["host"], match["host_end"]
    if not host and ip.isdigit():  # 5005:5000, without an address
        ip, host = "", ip
    first, last = int(match["container"]), int(match["end"] or match["container"])
    kind = (match["kind"] or "tcp").lower()
    if not host:
        return [Publish(None, port, kind, ip) for port in range(first, last + 1)[:MOST_PORTS]]
    count = last - first + 1
    if count > 1 and int(host_end or host) - int(host) + 1 != count:
        return []
    # For one container port, docker takes the first free port of the range.
    return [Publish(int(host) + i, first + i, kind, ip) for i in range(count)[:MOST_PORTS]]


def _own_mount(value: str, sandbox: Sandbox) -> str:
    """Return a `--mount` with the sandbox's sources, each field quoted as it was."""
    pairs = list(_mount_keys(value))
    is_bind = dict(pairs).get("type") == "bind"
    fields = [
        (key, _own_source(text, sandbox) if key in SOURCES and is_path(text) is is_bind else text)
        for key, text in pairs
    ]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(
        f"{key}={text}" if text else key for key, text in fields
    )
    return line.getvalue()


def _own_source(source: str, sandbox: Sandbox) -> str:
    """Return the sandbox's path or volume for the source of a mount; a volume gets its labels.

    What docker takes for neither stays as it is, so that docker says so.
    """
    if is_path(source):
        return str(Path(sandbox.folder, source).resolve())
    if not VOLUME_NAME.fullmatch(source):
        return source
    sandbox.engine.run("volume", "create", *sandbox.label_arguments, sandbox.name(source))
    return sandbox.name(source)


def _mount_keys(value: str) -> Iterator[tuple[str, str]]:
    for part in next(csv.reader([value]), []):
        key, _, text = part.partition("=")
        yield key.strip().lower(), text


def _bytes(size: str) -> float:
    """Return a size such as "512m" in bytes; one that can't be read counts as 0."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([bkmgt]?)b?", size.lower())
    return float(match[1]) * 1024 ** "bkmgt".index(match[2] or "b") if match else 0
