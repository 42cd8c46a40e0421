"""What one of each costs at rest, and the measured cost of one more of each.

The same small server runs in all of them. Several are started and kept running: 1, 2, 4, 8; what
their processes hold is read from the host's /proc, for a container with the engine's process that
looks after it. Never so many that the machine could fill up. Must not know how it is shown.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from helpers.engine import answers
from helpers.engine.find import connect
from helpers.engine.host import Host
from helpers.engine.server import ABOUT, small_server
from helpers.engine.vm import accelerator, guests, machine
from helpers.errors import CourseError
from helpers.results.footprint import Density, Footprint, FootprintComparison
from helpers.results.startup import CONTAINER, MINIMAL_VM

if TYPE_CHECKING:
    from helpers.engine.engine import Engine
    from helpers.engine.server import Server

COUNTS = (1, 2, 4, 8)
REST_SECONDS = 0.5
# The guests of the largest count, with room for QEMU itself, may take this part of what is free.
MOST_OF_FREE = 0.5
QEMU_BYTES = 96 << 20


def compare_footprints(counts: Sequence[int] = COUNTS,
                       on_progress: Callable[[str], None] | None = None,
                       engine: Engine | None = None) -> FootprintComparison:
    """Measure one of each at rest, then the memory of `counts` of each, running at once.

    Raises CourseError for wrong counts, or where that many guests could fill the machine.
    """
    engine = engine or connect()
    say = on_progress or (lambda _: None)
    host = Host(engine)
    found = accelerator.find(engine, say)
    guests.ensure(engine, guests.MACHINE, say)
    free = host.memory_bytes("MemAvailable")
    check_counts(counts, free)
    box_density, box = _containers(engine, host, counts, free, say)
    vm_density, vm = _machines(engine, host, counts, free, found.name, say)
    return FootprintComparison((box, vm), (box_density, vm_density), found)


def check_counts(counts: Sequence[int], free_bytes: int) -> None:
    """Raise CourseError where the counts make no sense or do not fit with room to spare."""
    if len(counts) < 2 or list(counts) != sorted(set(counts)) or counts[0] < 1:
        raise CourseError(f"The counts are {tuple(counts)!r}.",
                          "Give two or more, growing, such as (1, 2, 4).")
    need = counts[-1] * (guests.MINIMAL.memory_bytes + QEMU_BYTES)
    if need > free_bytes * MOST_OF_FREE:
        raise CourseError(
            f"{counts[-1]} guests could need {need >> 20} MB, and {free_bytes >> 20} MB are free.",
            "Give smaller counts, such as counts=(1, 2), or close other programs.")


def _containers(engine: Engine, host: Host, counts: Sequence[int], free: int,
                say: Callable[[str], None]) -> tuple[Density, Footprint]:
    """Start containers up to each count; the memory of all, and the footprint of the first."""
    with ExitStack() as running:
        say("one container")
        first = running.enter_context(small_server(engine, "footprint"))
        time.sleep(REST_SECONDS)
        footprint = Footprint(
            CONTAINER, memory_in_use(first.container.stats(stream=False)), "its control group",
            ((f"image {guests.SERVER}", int(first.container.image.attrs["Size"])),),
            int(first.about()["processes"]))
        servers, held = [first], []
        for count in counts:
            say(f"{count} container{'' if count == 1 else 's'}")
            while len(servers) < count:
                servers.append(running.enter_context(small_server(engine, "footprint")))
            time.sleep(REST_SECONDS)
            pids = [pid for server in servers for pid in _pids(host, server)]
            held.append(_held(host, host.resident_bytes(pids)))
    return Density(CONTAINER, tuple(counts), tuple(held), free), footprint


def _machines(engine: Engine, host: Host, counts: Sequence[int], free: int, accelerator_name: str,
              say: Callable[[str], None]) -> tuple[Density, Footprint]:
    """The same for virtual machines; those that a count adds boot side by side."""
    with ExitStack() as running:
        def boot_more(number: int) -> list[machine.Machine]:
            added = [running.enter_context(machine.boot(
                engine, guests.MINIMAL, accelerator=accelerator_name)) for _ in range(number)]
            bound = guests.MINIMAL.boot_seconds * max(1, number)
            with ThreadPoolExecutor(max(1, number)) as waiting:
                list(waiting.map(lambda one: one.wait_for(machine.ANSWER, bound), added))
            time.sleep(REST_SECONDS)
            return added

        say("one virtual machine")
        booted, held = boot_more(1), []
        footprint = Footprint(
            MINIMAL_VM, _resident(host, booted), "its QEMU process",
            tuple(guests.file_sizes(engine, guests.MINIMAL).items()),
            int(answers.about(booted[0].ask(ABOUT))["processes"]))
        for count in counts:
            say(f"{count} virtual machine{'' if count == 1 else 's'}")
            booted += boot_more(count - len(booted))
            held.append(_resident(host, booted))
    return Density(MINIMAL_VM, tuple(counts), tuple(held), free), footprint


def _resident(host: Host, machines: Sequence[machine.Machine]) -> int:
    """The memory of their QEMU processes, in bytes."""
    pids = [one.pid for one in machines]
    # A Mac's own QEMU is no process of the engine's Linux VM.
    beside = machines[0].where == "host" and not host.is_here
    return _held(host, resident_by_ps(pids) if beside else host.resident_bytes(pids))


def _held(host: Host, size_bytes: int) -> int:
    """The bytes that processes hold; raises CourseError for 0, which says that none were seen."""
    if not size_bytes:
        raise CourseError(f"The memory of processes cannot be read on {host.name}.",
                          "Run: python3 -m helpers doctor")
    return size_bytes


def resident_by_ps(pids: Sequence[int]) -> int:
    """The memory that processes of this machine hold, in bytes, as ps(1) tells it; 0 if unknown."""
    said = subprocess.run(["ps", "-o", "rss=", "-p", ",".join(map(str, pids))], text=True,
                          capture_output=True, check=False)
    return sum(int(line) * 1024 for line in said.stdout.split())


def _pids(host: Host, server: Server) -> list[int]:
    """A container's processes on the host, and the engine's process that looks after it."""
    rows: list[list[str]] = server.container.top(ps_args="-eo pid")["Processes"]
    pid = int(server.container.attrs["State"]["Pid"])
    return [*(int(row[0]) for row in rows), int(host.status(pid)["PPid"])]


def memory_in_use(stats: dict[str, Any]) -> int | None:
    """What `docker stats` calls the memory usage: the control group's, less its idle file cache.

    None where the engine has no control groups to ask. Source: docker stats, "Description".
    """
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    detail = memory.get("stats") or {}
    idle = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return max(0, int(memory["usage"]) - int(idle))

