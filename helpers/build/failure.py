"""Explains a failed build: what happened, in which lines of the Dockerfile, and what to do.

BuildKit prints the failed lines itself, marked with >>>, as in "   2 | >>> RUN exit 3".
"""

from __future__ import annotations

import re

from helpers.build.dockerfile import shorten
from helpers.build.progress import BuildProgress
from helpers.errors import BuildFailed

_SOURCE = re.compile(r"^\s*(\d+) \| >>> (.*)$")
# What BuildKit and the engine put around the reason.
_WRAPPERS = re.compile(r"failed to \w+: |rpc error: code = \w+ desc = |/\S+/overlay2/\w+/merged")

ENGINE_STOPPED = (
    "The build was cut off: the Docker Engine stopped answering.",
    "Start it again, then build again: finished steps are cached. The private engine: "
    "python3 -m helpers engine start. Your own: Docker Desktop, or sudo systemctl start docker.",
)
# Seen with the containerd image store (Engine 28.5), when a build gives another image's name away or
# something is removed while it exports: the engine removes layers that the build is about to use.
LOST_LAYER = re.compile(r"failed to prepare extraction snapshot|parent snapshot \S+ does not exist")
LAYER_LOST = ("The build failed: the engine removed a layer that the build needs.", "Build again.")
NO_STAGE = (
    "The Dockerfile has no FROM, or another instruction comes before it.",
    "Start it with a base image: FROM python:3.13-slim.",
)

# A pattern in BuildKit's error or output → the message and the hint. The first that matches is
# used; {0} is its first group that matched.
_DISK_FULL = {
    r"no space left on device|disk quota exceeded": (
        "The build failed: the engine's disk is full (no space left on device).",
        "`python3 -m helpers clean` removes what the course made; `docker system df` shows the rest.",
    )
}
_EXPLANATIONS = _DISK_FULL | {
    r'invalid tag "(.*)": ': (
        "{0!r} is not a valid image tag.",
        "Use lower-case letters, digits and . _ - such as my-flask-app or my-flask-app:1.0.",
    ),
    r"is not a docker command|unknown flag: --progress": (
        "The build could not start: docker has no buildx plugin.",
        "Run: python3 -m helpers doctor",
    ),
    r"error reading from server|Cannot connect to the Docker daemon|connection refused|"
    r"transport is closing|client connection is closing|code = Unavailable|broken pipe|"
    r"failed to receive status|connection reset by peer|no active session|docker\.sock": ENGINE_STOPPED,
    LOST_LAYER.pattern: LAYER_LOST,
    r'failed to calculate checksum of .*?"/?([^"]+)": not found': (
        "The build failed: COPY did not find {0!r}.",
        "Check its spelling. Without --from, it must be in the folder you build (the build context), "
        "and .dockerignore must not exclude it.",
    ),
    r"resolve source metadata for (?:docker\.io/)?(docker/dockerfile\S*?):? ": (
        "The build failed: the Dockerfile syntax image {0!r} is not available.",
        "Without internet access, remove the '# syntax=' line: the engine has a built-in one.",
    ),
    r"resolve source metadata for (?:docker\.io/)?(?:library/)?(\S+?): failed to do request": (
        "The build failed: the image {0!r} is not on the engine, and its registry did not answer.",
        "Check its name and tag, and that this machine is online. `docker images` lists the images "
        "on the engine; `python3 -m helpers lab` restores those of the course.",
    ),
    r"resolve source metadata for (?:docker\.io/)?(?:library/)?(\S+?):? ": (
        "The build failed: the base image {0!r} is not available.",
        "Check its name and tag. Without internet access, only images on the engine can be used: "
        "`docker images` lists them, and `python3 -m helpers lab` restores those of the course.",
    ),
    r"unknown instruction: (.+)": (
        "The Dockerfile has an unknown instruction: {0}.",
        "A line starts with an instruction such as RUN; to continue one, end its line with \\.",
    ),
    r"parse error on line \d+: (.+)|failed to parse \S+: (.+)": (
        "The Dockerfile can't be read: {0}.",
        "Correct the line shown here.",
    ),
    r"ockerfile cannot be empty": ("The Dockerfile is empty.", NO_STAGE[1]),
    r"no build stage in current context|contains no stages to build": NO_STAGE,
}
_EXIT_CODES = {"126": " (not executable)", "127": " (command not found)", "137": " (killed)"}
# A pattern in the exit code and the output of a RUN, and the hint. The first that matches is used.
_RUN_HINTS = (
    (
        r"source: not found",
        "RUN uses /bin/sh, where `source` is called `.`; what it sets is gone after this RUN.",
    ),
    (
        r"add(user|group): not found",
        "Images of Debian 13 have no adduser or addgroup. useradd and groupadd do the same.",
    ),
    (r"\A126\n", "Add RUN chmod +x FILE before this line."),
    (r"\A127\n", "Check its spelling, and that an earlier RUN installs it."),
    (
        r"\A137\n",
        "137 is 128 + 9 (SIGKILL): it probably ran out of memory. Give the engine more memory.",
    ),
    (
        r"Temporary failure (in name )?resol|Could not resolve|NewConnectionErr",
        "The command got no answer from the network. Check that this machine is online.",
    ),
    (r"literally named", "pip takes this for the name of a package. Its option -r reads a file."),
    (
        r"No matching distribution found|Could not find a version",
        "pip can't find this package or version. Check its name in the requirements.",
    ),
    (
        r"No such file or directory|Could not open requirements file",
        "A file is missing. Check that a COPY above this RUN brings it into this folder.",
    ),
    (r"\n.", "Its last output is shown here. Try the command by itself in a container."),
    ("", "It printed nothing. Try the command by itself in a container."),
)


def explain(progress: BuildProgress, file_name: str) -> BuildFailed:
    """Return the error for a build that failed."""
    failed = [vertex for vertex in progress.vertexes.values() if vertex.error]
    # Steps that were cancelled because of the failed one report an error too.
    failed = [v for v in failed if not re.search("context cancel|= Cancel", v.error)] or failed
    errors = [line for line in progress.text if line.startswith("ERROR:")] or progress.text
    error = failed[0].error if failed else (errors or ["BuildKit gave no reason"])[-1]
    output = _last_lines(failed[0].output) if failed else ()
    message, hint = _explain(error.removeprefix("ERROR: "), progress.text, output)
    marked = [match for line in progress.text if (match := _SOURCE.match(line))]
    line = int(marked[0][1]) if marked else None
    instruction = "\n".join(match[2] for match in marked)
    if line:
        message += f"\n  {file_name}, line {line}: {shorten(instruction)}"
    message += "".join(f"\n  | {each}" for each in output)
    return BuildFailed(message, hint, line, instruction, output)


def _explain(error: str, text: list[str], output: tuple[str, ...]) -> tuple[str, str]:
    """Return what happened, in one line, and what to do."""
    everything = "\n".join([error, *text, *output])
    exit_code = re.search(r"did not complete successfully: exit code: (\d+)", error)
    for pattern, (message, hint) in (_DISK_FULL if exit_code else _EXPLANATIONS).items():
        if match := re.search(pattern, everything):
            return message.format(next(filter(None, match.groups()), "")), hint
    if exit_code is None:
        reason = _WRAPPERS.sub("", " ".join(error.split())).rstrip(".")
        return f"The build failed: {reason}.", "Correct the Dockerfile, then build again."
    code = exit_code[1]
    ended = "\n".join([code, *output, ""])
    hint = next(hint for pattern, hint in _RUN_HINTS if re.search(pattern, ended))
    meaning = _EXIT_CODES.get(code, "")
    return f"The build failed: a RUN command ended with exit code {code}{meaning}.", hint


def _last_lines(output: bytes | bytearray) -> tuple[str, ...]:
    """Return the last lines of a command's output that are not blank, without escape codes."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bytes(output).decode("utf-8", "replace"))
    lines = [line.rstrip().split("\r")[-1] for line in plain.splitlines() if line.strip()]
    return tuple(lines[-10:])
