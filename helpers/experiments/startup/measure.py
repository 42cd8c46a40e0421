"""Start containers and virtual machines in turn, and record the moments of each start.

Both run the same small server from the same files, and "ready" is the same question for both: has
the program printed its first line, has it answered once?
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from helpers.engine.find import connect
from helpers.engine.labels import labels
from helpers.errors import CourseError
from helpers.experiments.startup.result import (
    CONTAINER,
    CREATED,
    FIRMWARE,
    FIRST_ANSWER,
    FIRST_OUTPUT,
    FULL_VM,
    KERNEL,
    KINDS,
    MINIMAL_VM,
    REMOVED,
    Start,
    StartupComparison,
)
from helpers.vm import accelerator, guests, machine, server

if TYPE_CHECKING:
    from docker.models.containers import Container

    from helpers.engine.engine import Engine

GUESTS = {MINIMAL_VM: guests.MINIMAL, FULL_VM: guests.FULL}
# The phases of a booting guest, as moments of a start.
PHASE_MOMENTS = {
    machine.FIRMWARE: FIRMWARE,
    machine.KERNEL: KERNEL,
    machine.USER_SPACE: FIRST_OUTPUT,
    machine.ANSWER: FIRST_ANSWER,
}


def compare_startup(
    rounds: int = 5,
    kinds: Sequence[str] = (CONTAINER, MINIMAL_VM),
    *,
    warm_up: bool = True,
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> StartupComparison:
    """Start each of `kinds` once per round; a first round to warm up is not counted.

    Ctrl-C ends it early: the starts of the complete rounds are returned, and nothing is left
    running. Raises CourseError for an invalid argument, GuestNotReady for a guest that hangs.

    Example:
        compare_startup(rounds=3).ratio("minimal VM")
    """
    check_arguments(rounds, kinds)
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    for image in (guests.SERVER, *(GUESTS[kind].image for kind in kinds if kind in GUESTS)):
        guests.ensure(engine, image, progress)
    chosen = accelerator.find(engine, progress)

    warm_ups = len(kinds) if warm_up else 0
    plan = [kind for turn in range(rounds + warm_up) for kind in rotate(kinds, turn)]
    starts: list[Start] = []
    interrupted = False
    try:
        for number, kind in enumerate(plan, 1):
            note = " (warming up)" if number <= warm_ups else ""
            progress(f"start {number} of {len(plan)}: {kind}{note}")
            starts.append(start_once(engine, kind, chosen.name))
    except KeyboardInterrupt:
        interrupted = True
        del starts[len(starts) - len(starts) % len(kinds) :]  # the incomplete round
        if len(starts) <= warm_ups:
            raise
    return StartupComparison(tuple(starts[warm_ups:]), rounds, chosen, interrupted)


def check_arguments(rounds: int, kinds: Sequence[str]) -> None:
    """Raise CourseError for an invalid number of rounds, or for kinds that cannot be started."""
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
        raise CourseError(f"Invalid rounds={rounds!r}.", "Use a whole number, 1 or more.")
    if not kinds or not set(kinds) <= set(KINDS):
        raise CourseError(f"Invalid kinds={kinds!r}.", f"Choose from: {', '.join(KINDS)}.")


def rotate(kinds: Sequence[str], turn: int) -> tuple[str, ...]:
    """Return the kinds in the order of a round: each round begins with another one."""
    first = turn % len(kinds)
    return (*kinds[first:], *kinds[:first])


def start_once(engine: Engine, kind: str, accelerator_name: str) -> Start:
    """Start one of a kind, wait for its answer, and end it."""
    if kind == CONTAINER:
        return Start(CONTAINER, time_container(engine))
    return Start(kind, time_machine(engine, GUESTS[kind], accelerator_name))


def time_container(engine: Engine) -> dict[str, float]:
    """Return the moments of a container with the small server, removed after its first answer.

    `docker run -d -p 127.0.0.1::80 dockercourse/small-server`, then `docker rm -f`.
    """
    began = time.perf_counter()
    container = server.create_server(engine, "start")
    try:
        moments = {CREATED: time.perf_counter() - began}
        reader = watch_first_output(container, began, moments)
        container.start()
        moments[FIRST_ANSWER] = server.wait_for_server(container)[1] - began
    finally:
        container.remove(force=True)
    reader.join(5)
    moments[REMOVED] = time.perf_counter() - began
    return moments


def time_short_container(
    engine: Engine, command: Sequence[str] = ("echo", "hello"), *, network: str | None = None
) -> dict[str, float]:
    """Return the moments of a container whose program prints a line and ends.

    `docker run --rm dockercourse/small-server echo hello`, with `--network` if one is given.
    """
    began = time.perf_counter()
    container = engine.client.containers.create(
        guests.SERVER,
        list(command),
        name=f"course-01-short-{secrets.token_hex(3)}",
        labels=labels(),
        **({"network": network} if network else {}),
    )
    try:
        moments = {CREATED: time.perf_counter() - began}
        reader = watch_first_output(container, began, moments)
        container.start()
        container.wait()
    finally:
        container.remove(force=True)
    moments[REMOVED] = time.perf_counter() - began
    reader.join(5)
    return moments


def time_machine(engine: Engine, guest: guests.Guest, accelerator_name: str) -> dict[str, float]:
    """Return the moments of a virtual machine, stopped after its server's first answer."""
    with machine.boot(engine, guest, accelerator=accelerator_name) as booted:
        booted.wait_for(machine.ANSWER)
        phases = booted.console.moments
    moments = {
        moment: phases[phase] - phases[machine.PROCESS]
        for phase, moment in PHASE_MOMENTS.items()
        if phase in phases
    }
    return moments | {REMOVED: time.perf_counter() - phases[machine.PROCESS]}


def watch_first_output(
    container: Container, began: float, moments: dict[str, float]
) -> threading.Thread:
    """Add the moment at which a container that is about to start writes its first bytes."""
    stream = container.attach(stream=True, stdout=True, stderr=True)

    def read() -> None:
        with contextlib.suppress(Exception):  # the stream of a killed container ends in many ways
            for _ in stream:
                moments.setdefault(FIRST_OUTPUT, time.perf_counter() - began)
                return

    thread = threading.Thread(target=read, name="course-first-output", daemon=True)
    thread.start()
    return thread
