"""Measure what a container and a virtual machine need at rest, and what one more of each costs.

All of them run the same small server. Several are started and kept running: 1, 2, 4, 8. The memory
of their processes is read from the host's /proc; a container's includes containerd-shim, the
process that supervises it. The number is limited so that the machine's memory never fills up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psutil

from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.footprint.result import Density, Footprint, FootprintComparison
from helpers.experiments.startup.result import CONTAINER, MINIMAL_VM
from helpers.tables import memory_size
from helpers.vm import accelerator, guests, machine
from helpers.vm.host import Host
from helpers.vm.server import run_server

if TYPE_CHECKING:
    from helpers.engine.engine import Engine
    from helpers.vm.server import Server

COUNTS = (1, 2, 4, 8)
REST_SECONDS = 0.5
# The largest number of guests, each with QEMU itself, may use this share of the free memory.
MOST_OF_FREE = 0.5
QEMU_BYTES = 96 << 20


def compare_footprints(
    counts: Sequence[int] = COUNTS,
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> FootprintComparison:
    """Measure one of each at rest, then the memory of `counts` of each, running at once.

    Raises CourseError for invalid counts, or if that many guests could fill the memory.

    Example:
        compare_footprints(counts=(1, 2, 4))
    """
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    host = Host(engine)
    chosen = accelerator.find(engine, progress)
    guests.ensure(engine, guests.MACHINE, progress)
    free = host.memory_bytes("MemAvailable")
    check_counts(counts, free)
    container, containers = _measure_containers(engine, host, counts, progress)
    vm, vms = _measure_machines(engine, host, counts, chosen.name, progress)
    return FootprintComparison(
        (container, vm),
        (
            Density(CONTAINER, tuple(counts), containers, free),
            Density(MINIMAL_VM, tuple(counts), vms, free),
        ),
        chosen,
    )


def check_counts(counts: Sequence[int], free_bytes: int) -> None:
    """Raise CourseError for invalid counts, or if that many guests could fill the memory."""
    if len(counts) < 2 or list(counts) != sorted(set(counts)) or counts[0] < 1:
        raise CourseError(
            f"Invalid counts={tuple(counts)!r}.",
            "Use two or more increasing numbers, such as (1, 2, 4).",
        )
    needed = counts[-1] * (guests.MINIMAL.memory_bytes + QEMU_BYTES)
    if needed > free_bytes * MOST_OF_FREE:
        raise CourseError(
            f"{counts[-1]} virtual machines could need {memory_size(needed)} of memory, "
            f"and {memory_size(free_bytes)} are free.",
            "Use smaller counts, such as counts=(1, 2), or close other programs.",
        )


def _measure_containers(
    engine: Engine, host: Host, counts: Sequence[int], progress: Callable[[str], None]
) -> tuple[Footprint, tuple[int, ...]]:
    """Return the footprint of one container, and the memory of each number of containers."""
    with ExitStack() as running:
        progress("one container")
        first = running.enter_context(run_server(engine, "footprint"))
        time.sleep(REST_SECONDS)
        footprint = Footprint(
            CONTAINER,
            memory_in_use(first.container.stats(stream=False)),
            "its control group",
            ((f"image {guests.SERVER}", int(first.container.image.attrs["Size"])),),
            int(first.about()["processes"]),
        )
        servers, memory = [first], []
        for count in counts:
            progress(f"{count} container{'' if count == 1 else 's'}")
            while len(servers) < count:
                servers.append(running.enter_context(run_server(engine, "footprint")))
            time.sleep(REST_SECONDS)
            pids = [pid for server in servers for pid in _pids(host, server)]
            memory.append(_require_memory(host, host.resident_bytes(pids)))
    return footprint, tuple(memory)


def _measure_machines(
    engine: Engine,
    host: Host,
    counts: Sequence[int],
    accelerator_name: str,
    progress: Callable[[str], None],
) -> tuple[Footprint, tuple[int, ...]]:
    """Return the footprint of one virtual machine, and the memory of each number of them."""
    with ExitStack() as running:

        def boot_more(number: int) -> list[machine.Machine]:
            """Boot virtual machines in parallel, and wait until all of them answer."""
            added = [
                running.enter_context(
                    machine.boot(engine, guests.MINIMAL, accelerator=accelerator_name)
                )
                for _ in range(number)
            ]
            timeout = guests.MINIMAL.boot_seconds * max(1, number)
            with ThreadPoolExecutor(max(1, number)) as threads:
                list(threads.map(lambda one: one.wait_for(machine.ANSWER, timeout), added))
            time.sleep(REST_SECONDS)
            return added

        progress("one virtual machine")
        machines = boot_more(1)
        footprint = Footprint(
            MINIMAL_VM,
            _machines_memory(host, machines),
            "its QEMU process",
            tuple(guests.file_sizes(engine, guests.MINIMAL).items()),
            int(machines[0].about()["processes"]),
        )
        memory = []
        for count in counts:
            progress(f"{count} virtual machine{'' if count == 1 else 's'}")
            machines += boot_more(count - len(machines))
            memory.append(_machines_memory(host, machines))
    return footprint, tuple(memory)


def _machines_memory(host: Host, machines: Sequence[machine.Machine]) -> int:
    """Return the memory of the machines' QEMU processes, in bytes."""
    pids = [one.pid for one in machines]
    # On a Mac with QEMU installed, QEMU is not a process of the engine's Linux VM.
    outside = machines[0].where == "host" and not host.is_here
    return _require_memory(host, resident_here(pids) if outside else host.resident_bytes(pids))


def _require_memory(host: Host, size_bytes: int) -> int:
    """Return the memory of processes; raise CourseError for 0, which means none could be read."""
    if not size_bytes:
        raise CourseError(
            f"Cannot read the memory of processes on {host.name}.",
            "Run `python3 -m helpers doctor` to check your setup.",
        )
    return size_bytes


def resident_here(pids: Sequence[int]) -> int:
    """Return the resident memory of processes on this machine in bytes, 0 for those that ended."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.Error:
            continue
    return total


def _pids(host: Host, server: Server) -> list[int]:
    """Return a container's process ids on the host, and that of its containerd-shim."""
    rows: list[list[str]] = server.container.top(ps_args="-eo pid")["Processes"]
    pid = int(server.container.attrs["State"]["Pid"])
    return [*(int(row[0]) for row in rows), int(host.read_status(pid)["PPid"])]


def memory_in_use(stats: dict[str, Any]) -> int | None:
    """Return what `docker stats` shows as memory usage: the cgroup's, minus its inactive files.

    None if the engine reports no cgroup memory. Source: docker stats, "Description".
    """
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    detail = memory.get("stats") or {}
    inactive = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return max(0, int(memory["usage"]) - int(inactive))
