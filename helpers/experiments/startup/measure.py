"""Start containers and virtual machines in turn, and record the moments of each start.

Both run the same small server from the same files, and "ready" is the same question for both: has
the program printed its first line, has it answered once? The first round warms up and is not
counted; which kind goes first changes from round to round.
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
    CONTAINER_MOMENTS,
    CREATED,
    EXITED,
    FIRMWARE,
    FIRST_ANSWER,
    FIRST_OUTPUT,
    FULL_VM,
    KERNEL,
    MINIMAL_VM,
    REMOVED,
    STARTED,
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
    """Start each of `kinds` once per round, after a round to warm up.

    Ctrl-C ends it early: the starts of the complete rounds are returned, and nothing is left
    running. Raises CourseError for an invalid argument, GuestNotReady for a guest that hangs.
    """
    check_arguments(rounds, kinds)
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    for image in (guests.SERVER, *(GUESTS[kind].image for kind in kinds if kind in GUESTS)):
        guests.ensure(engine, image, progress)
    chosen = accelerator.find(engine, progress)

    planned = plan_starts(kinds, rounds, warm_up=warm_up)
    starts: list[Start] = []
    interrupted = False
    try:
        for number, (turn, kind) in enumerate(planned, 1):
            progress(
                f"start {number} of {len(planned)}: {kind}" + ("" if turn else " (warming up)")
            )
            starts.append(start_once(engine, kind, turn, chosen.name))
    except KeyboardInterrupt:
        starts, interrupted = drop_incomplete_round(starts, kinds), True
        if not any(start.round for start in starts):
            raise
    return StartupComparison(
        samples=tuple(start for start in starts if start.round),
        warm_up=tuple(start for start in starts if not start.round),
        planned_rounds=rounds,
        accelerator=chosen,
        interrupted=interrupted,
    )


def check_arguments(rounds: int, kinds: Sequence[str]) -> None:
    """Raise CourseError for an invalid number of rounds, or for kinds that cannot be started."""
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
        raise CourseError(f"Invalid rounds={rounds!r}.", "Use a whole number, 1 or more.")
    unknown = [kind for kind in kinds if kind not in (CONTAINER, *GUESTS)]
    if unknown or not kinds:
        raise CourseError(
            f"Invalid kinds: {unknown[0]!r} is not known." if unknown else "Invalid kinds: empty.",
            f"Choose from: {', '.join((CONTAINER, *GUESTS))}.",
        )


def plan_starts(
    kinds: Sequence[str], rounds: int, *, warm_up: bool = True
) -> tuple[tuple[int, str], ...]:
    """Return the round and the kind of each start; round 0 warms up, and who is first changes."""
    planned: list[tuple[int, str]] = []
    for turn in range(0 if warm_up else 1, rounds + 1):
        first = turn % len(kinds)
        planned += [(turn, kind) for kind in (*kinds[first:], *kinds[:first])]
    return tuple(planned)


def drop_incomplete_round(starts: Sequence[Start], kinds: Sequence[str]) -> list[Start]:
    """Return the starts without those of a round in which a kind is missing; keep the warm-up."""
    kinds_by_round: dict[int, set[str]] = {}
    for start in starts:
        kinds_by_round.setdefault(start.round, set()).add(start.kind)
    return [s for s in starts if s.round == 0 or kinds_by_round[s.round] == set(kinds)]


def start_once(engine: Engine, kind: str, turn: int, accelerator_name: str) -> Start:
    """Start one of a kind, wait for its answer, and end it."""
    if kind == CONTAINER:
        return Start(CONTAINER, turn, time_container(engine))
    return Start(kind, turn, time_machine(engine, GUESTS[kind], accelerator_name))


def time_container(engine: Engine) -> tuple[tuple[str, float], ...]:
    """Return the moments of a container with the small server, killed after its first answer.

    `docker run -p 127.0.0.1::80 dockercourse/small-server`, then `docker kill` and `docker rm`.
    """
    clock = Clock()
    container = server.create_server(engine, "start")
    try:
        clock.record(CREATED)
        watch_first_output(container, clock)
        container.start()
        clock.record(STARTED)
        clock.record(FIRST_ANSWER, server.wait_for_server(container)[1])
        container.kill()
        container.wait()
        clock.record(EXITED)
    finally:
        container.remove(force=True)
    clock.record(REMOVED)
    return clock.moments()


def short_container(
    engine: Engine, command: Sequence[str] = ("echo", "hello"), *, network: str | None = None
) -> tuple[tuple[str, float], ...]:
    """Return the moments of a container whose program prints a line and ends.

    `docker run --rm dockercourse/small-server echo hello`, with `--network` if one is given.
    """
    clock = Clock()
    container = engine.client.containers.create(
        guests.SERVER,
        list(command),
        name=f"course-01-short-{secrets.token_hex(3)}",
        labels=labels(),
        **({"network": network} if network else {}),
    )
    try:
        clock.record(CREATED)
        reader = watch_first_output(container, clock)
        container.start()
        clock.record(STARTED)
        container.wait()
        clock.record(EXITED)
    finally:
        container.remove(force=True)
    clock.record(REMOVED)
    reader.join(5)
    return clock.moments()


def time_machine(
    engine: Engine, guest: guests.Guest, accelerator_name: str
) -> tuple[tuple[str, float], ...]:
    """Return the moments of a virtual machine, stopped after its server's first answer."""
    with machine.boot(engine, guest, accelerator=accelerator_name) as booted:
        booted.wait_for(machine.ANSWER)
        phases = booted.console.moments
        stop_began = time.perf_counter()
    stop_seconds = time.perf_counter() - stop_began
    began = phases[machine.PROCESS]
    moments = [
        (moment, phases[phase] - began)
        for phase, moment in PHASE_MOMENTS.items()
        if phase in phases
    ]
    return (*moments, (REMOVED, moments[-1][1] + stop_seconds))


class Clock:
    """The moments of one start, in seconds since the clock was created; used by two threads."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._moments: dict[str, float] = {}
        self._lock = threading.Lock()

    def record(self, name: str, moment: float | None = None) -> None:
        """Record a moment the first time it comes: now, or a value of `time.perf_counter`."""
        now = time.perf_counter() if moment is None else moment
        with self._lock:
            self._moments.setdefault(name, now - self._began)

    def moments(self) -> tuple[tuple[str, float], ...]:
        """Return the recorded moments in the order of CONTAINER_MOMENTS."""
        with self._lock:
            return tuple(
                (name, self._moments[name]) for name in CONTAINER_MOMENTS if name in self._moments
            )


def watch_first_output(container: Container, clock: Clock) -> threading.Thread:
    """Record when a container that is about to start writes its first bytes."""
    stream = container.attach(stream=True, stdout=True, stderr=True)

    def read() -> None:
        with contextlib.suppress(Exception):  # the stream of a killed container ends in many ways
            for _ in stream:
                clock.record(FIRST_OUTPUT)
                return

    thread = threading.Thread(target=read, name="course-first-output", daemon=True)
    thread.start()
    return thread
