"""Chapter 05: publish the app's port on the host."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from helpers.engine.engine import Engine
from helpers.errors import Mistake
from helpers.exercises.answering import explain_silence, read_json, stays_up
from helpers.exercises.app_images import ensure_app_image
from helpers.exercises.checks import HandsOn, Progress, check
from helpers.exercises.command import Command, Publish, read_command
from helpers.exercises.container import Launch
from helpers.exercises.frame import Task
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import Sandbox, open_sandbox

IMAGE, HOST_PORT, PORT = "my-flask-app", 5005, 5000
TASK = Task(
    "05-publish-port",
    "05",
    "Publish the app's port",
    "command",
    f"The image {IMAGE} is built from apps/flask-app: its server listens on port {PORT} of the "
    "container. Write one docker run command that starts it in the background, so that "
    f"http://localhost:{HOST_PORT}/ on your machine answers.",
    f"docker run {IMAGE}\n",
)


@dataclass
class Trial:
    """One command, and the container that it starts."""

    typed: str
    sandbox: Sandbox
    token: str

    @lazy
    def command(self) -> Command:
        """Return the command as it runs in the sandbox."""
        return read_command(self.typed, IMAGE, self.sandbox)

    @lazy
    def launch(self) -> Launch:
        """Return the command, started, with an image of the app that answers with the token."""
        app = self.sandbox.folder / "app.py"
        app.write_text(app.read_text().replace("Hello from a container!", self.token))
        base = ensure_app_image(self.sandbox.engine, "flask-app")
        image = self.sandbox.build_own(f"FROM {base}\nCOPY app.py .\n")
        return self.sandbox.launch(self.command.options, image, self.command.words)


@contextmanager
def begin(typed: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of a command; the app answers with a word that is new in each try."""
    with open_sandbox(engine, "flask-app", on_progress) as sandbox:
        yield Trial(typed, sandbox, uuid.uuid4().hex)


@check()
def is_docker_run(trial: Trial) -> str:
    """It is one docker run command for the image my-flask-app."""
    return f"image: {IMAGE}" if trial.command else ""


@check(needs="is_docker_run")
def runs_in_background(trial: Trial) -> str:
    """The container runs, in the background."""
    returned = trial.launch.wait(2)
    container = trial.launch.container
    if not returned:
        raise Mistake(
            "foreground",
            "The command did not return: the container runs in the foreground.",
            "In a terminal, you would see the server's log and get no new prompt until you stop "
            "it. One option detaches the container from the terminal.",
            "In a terminal, `docker run --help` lists it: run in the background and print the container's id.",
        )
    time.sleep(1)  # a server can end a moment after it started
    if not container.is_running:
        raise explain_silence(container)
    return "the command returned, and the container runs"


@check(needs="is_docker_run")
def answers(trial: Trial) -> str:
    """The app answers on host port 5005."""
    trial.launch.wait(0)
    container = trial.launch.container
    if container.is_running:
        port = choose_port(trial.command.published, container.host_port(PORT))
    else:
        raise explain_silence(container)
    body = read_json(container, port.container)
    if body.get("message") != trial.token:
        raise Mistake(
            "another-program",
            f"Something answers, but not the app of the image: {json.dumps(body)[:80]}",
            "Words after the image's name replace the program that the image starts.",
        )
    stays_up(container, port.container)
    return f"GET http://localhost:{HOST_PORT}/: 200 OK"


def choose_port(published: list[Publish], actual: int | None) -> Publish:
    """Return the published port that host port 5005 leads to. Raises Mistake if there is none."""
    right = [port for port in published if port.host == HOST_PORT]
    if any(share_address(one, other) for one, other in itertools.combinations(right, 2)):
        raise Mistake(
            "published-twice",
            f"Host port {HOST_PORT} is published {len(right)} times.",
            "For one address and protocol, a host port can lead to only one container port.",
        )
    if not right:
        raise explain_ports(published, actual)
    port = next((each for each in right if each.kind == "tcp" and each.is_reachable), right[0])
    if port.kind != "tcp":
        raise Mistake("udp", f"Port {HOST_PORT} is published for {port.kind}.", "HTTP uses TCP.")
    if not port.is_reachable:
        raise Mistake(
            "other-address",
            f"Port {HOST_PORT} is published on the address {port.ip} only.",
            f"localhost is the address 127.0.0.1, so nothing answers at http://localhost:{HOST_PORT}/.",
        )
    if port.container != PORT:
        raise Mistake(
            "other-container-port",
            f"Host port {HOST_PORT} leads to container port {port.container}, and the app listens "
            f"on container port {PORT}.",
            "The number after the colon is the port in the container. Which one does the app use?",
        )
    return port


def share_address(one: Publish, other: Publish) -> bool:
    """Return whether two published ports with the same number can't be open side by side."""
    ips = {one.ip, other.ip}
    is_same_family = len({ip.startswith("[") for ip in ips}) == 1
    overlap = len(ips) == 1 or "" in ips or (is_same_family and bool(ips & {"0.0.0.0", "[::]"}))
    return one.kind == other.kind and overlap


def explain_ports(published: list[Publish], actual: int | None) -> Mistake:
    """Return why nothing answers on host port 5005."""
    if not published and actual is None:
        return Mistake(
            "not-published",
            "The container publishes no port.",
            "The app listens in the container's own network. EXPOSE in the image describes that, "
            "and opens nothing on the host: a port must be published.",
            "In a terminal, `docker run --help` lists it: publish a container's port to the host.",
        )
    if any(port.container == HOST_PORT and port.host == PORT for port in published):
        return Mistake(
            "ports-swapped",
            f"Host port {PORT} leads to container port {HOST_PORT}.",
            "The two numbers are the wrong way round: read them as host:container.",
        )
    if actual is not None and not any(port.host for port in published):
        return Mistake(
            "random-host-port",
            f"Docker chose a free host port for container port {PORT}; port {HOST_PORT} is closed.",
            "Without a host port, Docker takes any free one. Say which one you want.",
            "The two ports are one value, separated by a colon: host first.",
        )
    ports = ", ".join(f"{port.host or 'any free port'} → {port.container}" for port in published)
    return Mistake(
        "other-host-port",
        f"Published: {ports} (host → container). Nothing leads from host port {HOST_PORT}.",
        "In -p, the number before the colon is the port of your machine, and the one after it is the "
        "container's. A number without a colon is the container's.",
    )


EXERCISE = HandsOn(TASK, begin, (is_docker_run, runs_in_background, answers))
