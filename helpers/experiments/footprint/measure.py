"""Measure what a container and a virtual machine need at rest, and what one more of each costs.

All of them run the same small server. Memory is that of all processes that exist because of one
more: a container's, with the containerd-shim that supervises them, or a virtual machine's QEMU. It
is read from the host's /proc; pages that processes share are divided among them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psutil

from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.footprint.result import (
    GUEST_RAM,
    QEMU,
    SERVER,
    SHIM,
    TRANSLATED,
    Density,
    Footprint,
    FootprintComparison,
)
from helpers.experiments.startup.result import CONTAINER, MINIMAL_VM
from helpers.tables import memory_size
from helpers.vm import accelerator, guests, machine
from helpers.vm.host import Host
from helpers.vm.server import run_server

if TYPE_CHECKING:
    from helpers.engine.engine import Engine
    from helpers.vm.server import Server

REST_SECONDS = 0.5
# The largest number of guests, each with QEMU itself, may use this share of the free memory.
MOST_OF_FREE = 0.5
QEMU_BYTES = 192 << 20


def compare_footprints(
    on_progress: Callable[[str], None] | None = None, engine: Engine | None = None
) -> FootprintComparison:
    """Measure the memory, disk and processes of one container and one virtual machine at rest.

    Example:
        compare_footprints().footprint("container").memory_bytes
    """
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    host, chosen = Host(engine), accelerator.find(engine, progress)
    progress("one container")
    with run_server(engine, "rest") as server:
        time.sleep(REST_SECONDS)
        container = Footprint(
            CONTAINER,
            container_memory(host, server),
            size_of_files(engine, server),
            int(server.about()["processes"]),
        )
    progress("one virtual machine")
    with machine.boot(engine, guests.MINIMAL, accelerator=chosen.name) as vm:
        vm.wait_for(machine.ANSWER)
        time.sleep(REST_SECONDS)
        virtual_machine = Footprint(
            MINIMAL_VM,
            machine_memory(host, vm),
            sum(guests.file_sizes(engine, guests.MINIMAL).values()),
            int(vm.about()["processes"]),
        )
    return FootprintComparison((container, virtual_machine), guests.MINIMAL.memory_bytes, chosen)


def measure_density(
    counts: Sequence[int] = (1, 2, 4),
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> Density:
    """Measure the memory of `counts` containers, then of `counts` virtual machines, running at once.

    Raises CourseError for invalid counts, or if the machines could need too much memory.

    Example:
        measure_density(counts=(1, 2, 4, 8)).one_more("container")
    """
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    host, chosen = Host(engine), accelerator.find(engine, progress)
    check_counts(counts, host.memory_bytes("MemAvailable"))
    containers, machines = [], []
    with ExitStack() as running:
        servers: list[Server] = []
        for count in counts:
            progress(f"{count} container{'' if count == 1 else 's'}")
            while len(servers) < count:
                servers.append(running.enter_context(run_server(engine, "density")))
            time.sleep(REST_SECONDS)
            containers.append(sum(sum(container_memory(host, each).values()) for each in servers))
    with ExitStack() as running:
        vms: list[machine.Machine] = []
        for count in counts:
            progress(f"{count} virtual machine{'' if count == 1 else 's'}")
            while len(vms) < count:
                vm = machine.boot(engine, guests.MINIMAL, accelerator=chosen.name)
                vms.append(running.enter_context(vm))
            wait_for_all(vms)
            time.sleep(REST_SECONDS)
            machines.append(sum(sum(machine_memory(host, vm).values()) for vm in vms))
    return Density(tuple(counts), {CONTAINER: tuple(containers), MINIMAL_VM: tuple(machines)})


def check_counts(counts: Sequence[int], free_bytes: int) -> None:
    """Raise CourseError for invalid counts, or if the machines could need too much memory."""
    if len(counts) < 2 or list(counts) != sorted(set(counts)) or counts[0] < 1:
        raise CourseError(
            f"Invalid counts={tuple(counts)!r}.",
            "Use two or more increasing numbers, such as (1, 2, 4).",
        )
    needed = counts[-1] * (guests.MINIMAL.memory_bytes + QEMU_BYTES)
    if needed > free_bytes * MOST_OF_FREE:
        raise CourseError(
            f"{counts[-1]} virtual machines could need {memory_size(needed)} of memory. The course "
            f"uses at most half of the {memory_size(free_bytes)} that is available.",
            "Use smaller counts, such as counts=(1, 2), or close other programs.",
        )


def wait_for_all(machines: Sequence[machine.Machine]) -> None:
    """Wait until all virtual machines, which boot at the same time, answer."""
    timeout = guests.MINIMAL.boot_seconds * len(machines)
    with ThreadPoolExecutor(len(machines)) as threads:
        list(threads.map(lambda vm: vm.wait_for(machine.ANSWER, timeout), machines))


def size_of_files(engine: Engine, server: Server) -> int:
    """Return the size in bytes of a container's files; an image store may count them compressed."""
    output = engine.exec(server.container, "du", "-s", "-k", "-x", "/")
    return int(output.splitlines()[-1].split()[0]) * 1024


def container_memory(host: Host, server: Server) -> dict[str, int]:
    """Return the memory of a container's processes and of its containerd-shim, in bytes."""
    rows: list[list[str]] = server.container.top(ps_args="-eo pid")["Processes"]
    shim = int(host.read_status(int(server.container.attrs["State"]["Pid"]))["PPid"])
    return require_memory(
        host,
        {
            SERVER: host.resident_bytes([int(row[0]) for row in rows]),
            SHIM: host.resident_bytes([shim]),
        },
    )


def machine_memory(host: Host, vm: machine.Machine) -> dict[str, int]:
    """Return the memory of a virtual machine's QEMU by part, in bytes."""
    if vm.where == "host" and not host.is_here:
        # On a Mac with QEMU installed, QEMU is not a process of the engine's Linux VM.
        return {QEMU: int(psutil.Process(vm.pid).memory_info().rss)}
    file = f"/proc/{vm.pid}/smaps"
    text = host.read_files(file).get(file, "")
    return require_memory(host, split_qemu(text, vm.guest.memory_bytes))


def split_qemu(smaps: str, ram_bytes: int) -> dict[str, int]:
    """Return a QEMU's memory by part, in bytes, from the text of its /proc/PID/smaps.

    The guest's RAM is the mapping of exactly its size. Instructions that QEMU translated are in a
    mapping that can be written and executed. Source: proc_pid_smaps(5).
    """
    parts = dict.fromkeys((GUEST_RAM, TRANSLATED, QEMU), 0)
    part = QEMU
    for line in smaps.splitlines():
        words = line.split()
        if not words[0].endswith(":"):  # the head of a mapping: "7f6c…-7f6c… rwxp …"
            part = TRANSLATED if words[1].startswith("rwx") else QEMU
        elif words[0] == "Size:" and int(words[1]) * 1024 == ram_bytes:
            part = GUEST_RAM
        elif words[0] == "Pss:":
            parts[part] += int(words[1]) * 1024
    return {part: size for part, size in parts.items() if size}


def require_memory(host: Host, memory: dict[str, int]) -> dict[str, int]:
    """Return the memory by part; raise CourseError if none could be read."""
    if not any(memory.values()):
        raise CourseError(
            f"Cannot read the memory of processes on {host.name}.",
            "Run `python3 -m helpers doctor` to check your setup.",
        )
    return memory
