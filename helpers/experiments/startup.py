"""Containers and virtual machines started in turn, and every moment of each start kept.

The same small server, from the same files, is started both ways, and "ready" is the same question
for both: has the program inside printed its first line, has it answered once. One round is for
warming up and not counted; who is first changes from round to round. Must not know how the result
is shown.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from helpers.engine import server
from helpers.engine.find import connect
from helpers.engine.owner import labels
from helpers.engine.vm import accelerator, guests, machine
from helpers.errors import CourseError
from helpers.results import startup as told
from helpers.results.startup import CONTAINER, FULL_VM, MINIMAL_VM, Start, StartupComparison

if TYPE_CHECKING:
    from docker.models.containers import Container

    from helpers.engine.engine import Engine

GUESTS = {MINIMAL_VM: guests.MINIMAL, FULL_VM: guests.FULL}


def compare_startup(rounds: int = 5, kinds: Sequence[str] = (CONTAINER, MINIMAL_VM), *,
                    warm_up: bool = True, on_progress: Callable[[str], None] | None = None,
                    engine: Engine | None = None) -> StartupComparison:
    """Start each of `kinds` once in each of `rounds` rounds, in turn, after one to warm up.

    Ctrl-C ends it early: the samples of the complete rounds are returned, and nothing is left
    running. Raises CourseError for a wrong argument, GuestNotReady for a guest that hangs.
    """
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
        raise CourseError(f"rounds is {rounds!r}.", "Give a whole number, 1 or more.")
    unknown = [kind for kind in kinds if kind not in (CONTAINER, *GUESTS)]
    if unknown or not kinds:
        raise CourseError(f"There is no {unknown[0] if unknown else 'kind'!r} to start.",
                          f"Choose of: {', '.join((CONTAINER, *GUESTS))}.")
    engine = engine or connect()
    say = on_progress or (lambda _: None)
    guests.ensure(engine, guests.SERVER, say)
    for kind in kinds:
        if kind in GUESTS:
            guests.ensure(engine, GUESTS[kind].image, say)
    found = accelerator.find(engine, say)
    done: list[Start] = []
    interrupted = False
    order = [(turn, kind) for turn, kind in plan(tuple(kinds), rounds) if turn or warm_up]
    try:
        for number, (turn, kind) in enumerate(order, 1):
            say(f"start {number} of {len(order)}: {kind}" + ("" if turn else " (warming up)"))
            done.append(start_once(engine, kind, turn, found.name))
    except KeyboardInterrupt:
        complete = {turn for turn, _ in order if turn and all(
            (turn, kind) in {(s.round, s.kind) for s in done} for kind in kinds)}
        if not complete:
            raise
        done, interrupted = [s for s in done if s.round in complete or not s.round], True
    return StartupComparison(
        tuple(s for s in done if s.round), tuple(s for s in done if not s.round),
        rounds, found, interrupted)


def plan(kinds: tuple[str, ...], rounds: int) -> tuple[tuple[int, str], ...]:
    """Which kind is started in which round: round 0 warms up, and the first one changes."""
    turns = []
    for turn in range(rounds + 1):
        first = turn % len(kinds)
        turns += [(turn, kind) for kind in kinds[first:] + kinds[:first]]
    return tuple(turns)


def start_once(engine: Engine, kind: str, turn: int, accelerator_name: str) -> Start:
    """Start one of a kind, await its answer, and end it."""
    if kind == CONTAINER:
        return Start(CONTAINER, turn, answering_container(engine))
    return Start(kind, turn, virtual_machine(engine, GUESTS[kind], accelerator_name))


def answering_container(engine: Engine) -> tuple[tuple[str, float], ...]:
    """The moments of a container with the small server, which is killed once it has answered.

    `docker run -p 127.0.0.1::80 dockercourse/small-server`, then `docker kill` and `docker rm`.
    """
    clock = Clock()
    container = server.create(engine, "start")
    try:
        clock.note(told.CREATED)
        watch_first_output(container, clock)
        container.start()
        clock.note(told.STARTED)
        clock.note(told.FIRST_ANSWER, server.first_answer(container)[1])
        container.kill()
        container.wait()
        clock.note(told.EXITED)
    finally:
        container.remove(force=True)
    clock.note(told.REMOVED)
    return clock.moments()


def short_container(engine: Engine, command: Sequence[str] = ("echo", "hello"), *,
                    network: str | None = None) -> tuple[tuple[str, float], ...]:
    """The moments of a container whose program prints a line and ends by itself.

    `docker run --rm dockercourse/small-server echo hello`, with `--network` where one is given.
    """
    clock = Clock()
    container = engine.client.containers.create(
        guests.SERVER, list(command), name=f"course-01-short-{secrets.token_hex(3)}",
        labels=labels(),
        **({"network": network} if network else {}))
    try:
        clock.note(told.CREATED)
        reader = watch_first_output(container, clock)
        container.start()
        clock.note(told.STARTED)
        container.wait()
        clock.note(told.EXITED)
    finally:
        container.remove(force=True)
    clock.note(told.REMOVED)
    reader.join(5)
    return clock.moments()


def virtual_machine(engine: Engine, guest: guests.Guest,
                    accelerator_name: str) -> tuple[tuple[str, float], ...]:
    """The moments of a virtual machine, which is ended once its server has answered."""
    with machine.boot(engine, guest, accelerator=accelerator_name) as booted:
        booted.wait_for(machine.ANSWER)
        seen = booted.console.moments
        ending = time.perf_counter()
    ended = time.perf_counter() - ending
    began = seen[machine.PROCESS]
    names = {machine.FIRMWARE: told.FIRMWARE, machine.KERNEL: told.KERNEL,
             machine.USER_SPACE: told.FIRST_OUTPUT, machine.ANSWER: told.FIRST_ANSWER}
    moments = [(names[phase], seen[phase] - began) for phase in machine.PHASES[1:] if phase in seen]
    return (*moments, (told.REMOVED, moments[-1][1] + ended))


class Clock:
    """The moments of one start, in seconds since the clock was made; used by two threads."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, name: str, moment: float | None = None) -> None:
        """Note that a moment has come, now or at the `time.perf_counter` given."""
        now = time.perf_counter() if moment is None else moment
        with self._lock:
            self._noted.setdefault(name, now - self._began)

    def moments(self) -> tuple[tuple[str, float], ...]:
        """What was noted, in the usual order of a container's moments."""
        with self._lock:
            return tuple((name, self._noted[name]) for name in told.CONTAINER_MOMENTS
                         if name in self._noted)


def watch_first_output(container: Container, clock: Clock) -> threading.Thread:
    """Note when a container that is about to start gives out its first bytes."""
    stream = container.attach(stream=True, stdout=True, stderr=True)

    def read() -> None:
        with contextlib.suppress(Exception):    # the stream of a killed container ends in many ways
            for _ in stream:
                clock.note(told.FIRST_OUTPUT)
                return

    thread = threading.Thread(target=read, name="course-first-output", daemon=True)
    thread.start()
    return thread
