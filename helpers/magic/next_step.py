"""What to do next after a docker command failed, from what docker printed."""

from __future__ import annotations

import re
from collections.abc import Callable

from helpers.engine.engine import Engine

PORT = re.compile(
    r"(?:Bind for \S*?:(\d+) failed: port is already allocated"
    r"|failed to bind host port for \S*?:(\d+):\S+ address already in use"
    r"|listen \w+ \S*?:(\d+): bind: address already in use)"
)
ENDPOINT = re.compile(r"on endpoint (\S+) \(")


def next_step(output: str, engine: Engine) -> str:
    """Return the next step after a failure that printed `output`; "" if it is not known.

    Example:
        next_step('Conflict. The container name "/web" is already in use by container "…".', engine)
        # "Remove the container web (docker rm -f web), or choose another --name."
    """
    for pattern, advise in ADVICE.items():
        if match := re.search(pattern, output):
            return advise(match, engine)
    return ""


def engine_stopped(engine: Engine) -> str:
    """Return how to start an engine that stopped answering."""
    if engine.kind == "private":
        return "Start it: python3 -m helpers engine start   (then run this cell again)"
    return "Start Docker again, then run this cell again."


def _port_taken(match: re.Match[str], engine: Engine) -> str:
    port = next(number for number in match.groups() if number)
    filters = ("--filter", f"publish={port}", "--format", "{{.Names}}")
    holder = engine.run("ps", *filters).stdout.split()
    if holder:
        who = f"the container {holder[0]}. Stop it (docker stop {holder[0]}),"
    else:
        who = "a program that is not a container. Stop that program,"
    text = f"Port {port} is in use by {who} or choose another host port."
    endpoint = ENDPOINT.search(match.string)
    if endpoint and _is_left_over(endpoint[1], engine):
        text += f" Then remove the container that could not start: docker rm {endpoint[1]}"
    return text


def _is_left_over(name: str, engine: Engine) -> bool:
    """Return whether a container was created, and then could not be started."""
    completed = engine.run("inspect", "-f", "{{.State.Status}}", name)
    return completed.stdout.strip() == "created"


def _not_running(match: re.Match[str], engine: Engine) -> str:
    completed = engine.run("inspect", "-f", "{{.Name}}", match[1])
    name = completed.stdout.strip().removeprefix("/") or match[1][:12]
    return f"The container {name} is not running. Start it: docker start {name}"


def _no_image(match: re.Match[str], engine: Engine) -> str:
    name = match[1].removesuffix(":latest")
    return (
        f"There is no image {name} on this engine. If you build it yourself: "
        f"docker build -t {name} ."
    )


def _not_pulled(match: re.Match[str], _: Engine) -> str:
    name = match[1].removesuffix(":latest")
    return (
        f"Docker could not pull the image {name}. If you build it yourself: "
        f"docker build -t {name} . Otherwise check its name, and that this machine is online."
    )


ADVICE: dict[str | re.Pattern[str], Callable[[re.Match[str], Engine], str]] = {
    r"[Nn]o space left on device": lambda *_: (
        "The disk is full. Free some space, then run this again: `docker system df` shows what the "
        "engine uses, `python3 -m helpers clean` removes what the course made."
    ),
    PORT: _port_taken,
    r'The container name "/(\S+)" is already in use': lambda match, _: (
        f"Remove the container {match[1]} (docker rm -f {match[1]}), or choose another --name."
    ),
    r"[Cc]ontainer (\S+) is not running": _not_running,
    r"No such container: (\S+)": lambda match, _: (
        f"List all containers with docker ps -a, or run the cell again that creates {match[1]}."
    ),
    # Docker prints the first line before each pull, also before one that succeeds.
    r"Unable to find image '(\S+)' locally\s+docker: ": _not_pulled,
    r"No such image: (\S+)": _no_image,
    "Cannot connect to the Docker daemon": lambda _, engine: engine_stopped(engine),
}
