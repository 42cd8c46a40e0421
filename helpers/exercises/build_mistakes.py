"""Names the mistake behind a failed build; trouble with network, disk or engine is none."""

from __future__ import annotations

import re

from helpers.build.failure import ENGINE_STOPPED, LAYER_LOST
from helpers.errors import BuildFailed, CourseError, Mistake

# apt prints no reason for some failed connections. With a 4xx status, the server has answered.
NETWORK = re.compile(
    r"Temporary failure (in name )?resol|NewConnectionError|Could not resolve|ConnectTimeout"
    r"|Network is unreachable|^[EW]: Failed to fetch \S++(?! +(4\d\d|File not found))"
    r"|CERTIFICATE_VERIFY_FAILED|invalid peer certificate|error sending request for url"
    r"|ProxyError|TLS handshake timeout",
    re.MULTILINE,
)
NO_REGISTRY = re.compile(r"the image '(.*)' is not on the engine, and its registry did not answer")
# Names that are certainly wrong, without asking a registry: a typo in an official image's, or a tag of
# `python` that there has never been.
OFFICIAL = ("alpine", "busybox", "debian", "fedora", "nginx", "node", "ubuntu")
PYTHON = re.compile(
    r"python(:(latest|(3(\.(\d|1[0-5])(\.\d+)?)?-?)?"
    r"(slim|alpine[\d.]*|(slim-)?(trixie|bookworm|bullseye))?))?"
)
# What apt and pip print before they try again.
TRIES_AGAIN = re.compile(r"^Ign:\d+ http|: Retrying \(Retry\(", re.MULTILINE)
# A pattern in the message, the name of the mistake, and what more to say the second time.
MISTAKES = (
    (
        r"base image '(.*)' is not available|its registry did not answer",
        "base-image",
        "FROM needs python:3.13-slim here. COPY --from needs the name of a stage, spelled as it is "
        "after AS.",
    ),
    (
        r"COPY did not find",
        "not-in-context",
        "COPY reads from the folder that is built; COPY --from=STAGE reads from that stage. Compare "
        "the path with what is there.",
    ),
    (
        r"unknown instruction",
        "unknown-instruction",
        "The instructions are FROM, WORKDIR, COPY, RUN, EXPOSE, ENV, CMD and a few more.",
    ),
    (
        r"has no FROM|is empty",
        "no-base-image",
        "FROM comes before all other instructions; only ARG may stand above it.",
    ),
    (r"can't be read", "not-readable", "The line shown has the wrong form for its instruction."),
    (
        r"exit code 127|: not found|executable file not found",
        "no-such-program",
        "The base image has Python and pip, and few other programs.",
    ),
    (
        r"requirements.*(No such file|not found)|(No such file|not open).*requirements",
        "requirements-missing",
        "RUN sees only what earlier COPY lines brought into the image, not your folder.",
    ),
    (
        r"literally named",
        "file-as-package",
        "pip takes the name of a file for a package. Its option -r says that it is a file.",
    ),
    (
        r"No matching distribution|Could not find a version",
        "no-such-package",
        "Compare the name and the version with those in requirements.txt.",
    ),
    (
        r"exit code 137|Killed|Cannot fork|MemoryError|Resource temporarily unavailable",
        "out-of-memory",
        "A build may be limited to 1.5 GB of memory and 400 processes here. Installing the app's "
        "packages needs far less.",
    ),
    (r"exit code", "run-fails", "Read the last lines of its output: they say what went wrong."),
)


def waits_for_network(failure: BuildFailed) -> bool:
    """Return whether a step that was stopped was about to ask the network again."""
    return bool(TRIES_AGAIN.search("\n".join(failure.output)))


def is_network_failure(failure: BuildFailed) -> bool:
    """Return whether a step of the build got no answer from the network."""
    return bool(NETWORK.search("\n".join([failure.message, *failure.output])))


def no_answer() -> CourseError:
    """Return the error for a build that got no answer from the network."""
    return CourseError(
        "The build got no answer from the network, so it could not be checked.",
        "Check that this machine is online, then try again.",
    )


def may_exist(image: str) -> bool:
    """Return whether there may be an image of this name in a registry."""
    name = image.partition(":")[0]
    return "/" in name or name in OFFICIAL or PYTHON.fullmatch(image) is not None


def explain_failed_build(failure: BuildFailed) -> Exception:
    """Return the Mistake behind a failed build, or a CourseError if it is not the student's."""
    text = "\n".join([failure.message, *failure.output])
    not_the_students = (ENGINE_STOPPED[0], LAYER_LOST[0])
    if failure.message.startswith(not_the_students) or "disk is full" in failure.message:
        return CourseError(failure.message, failure.hint)
    if is_network_failure(failure):
        return no_answer()
    if (match := NO_REGISTRY.search(text)) and may_exist(match[1]):
        return CourseError(
            f"The image {match[1]} is not on the engine, and its registry did not answer, so it could "
            "not be checked.",
            "Connect to the internet, or use python:3.13-slim.",
        )
    for pattern, name, more in MISTAKES:
        if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            return Mistake(name, failure.message, failure.hint, more)
    return Mistake("build-fails", failure.message, failure.hint)
