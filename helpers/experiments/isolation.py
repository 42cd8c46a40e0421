"""The proofs that a container is a process with walls: its kernel, its numbers, its limits.

Each looks at something that runs: a container, the engine's host, a booted virtual machine. Must
not know how the result is shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from helpers.engine import answers
from helpers.engine.find import connect
from helpers.engine.host import Host
from helpers.engine.owner import labels
from helpers.engine.server import ABOUT, small_server
from helpers.engine.standin import REAL, image_for
from helpers.engine.vm import accelerator, guests, machine
from helpers.errors import CourseError
from helpers.results.isolation import (
    CONTAINER,
    HOST,
    HOST_NAME,
    KERNEL,
    MEMORY,
    PROCESS_1,
    THINGS,
    UPTIME,
    VM,
    Kernel,
    Kernels,
    Limits,
    SeenFromHost,
    Surrounding,
    Surroundings,
)

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
MB = 1 << 20
MEMORY_LIMIT, MEMORY_ASKED = 64 * MB, 200 * MB
CPU_LIMIT, CPU_SECONDS = 0.25, 2.0
END_SECONDS = 60
EAT = f"data = bytearray({MEMORY_ASKED}); data[::4096] = b'x' * len(data[::4096]); print(len(data))"
WORK = ("import time; began, used = time.perf_counter(), time.process_time()\n"
        f"while time.perf_counter() < began + {CPU_SECONDS}: pass\n"
        "print((time.process_time() - used) / (time.perf_counter() - began))")


def kernels(on_progress: Callable[[str], None] | None = None,
            engine: Engine | None = None) -> Kernels:
    """Ask the host, a container and a booted virtual machine which kernel they run on.

    Raises GuestNotReady for a guest that hangs.
    """
    engine = engine or connect()
    host = Host(engine)
    inside = _ask_container(engine)
    guest = _ask_guest(engine, on_progress or (lambda _: None))
    return Kernels((Kernel(HOST, host.kernel, host.boot_id, host.processes()),
                    _kernel(CONTAINER, inside), _kernel(VM, guest)), host.name, host.is_here)


def surroundings(on_progress: Callable[[str], None] | None = None,
                 engine: Engine | None = None) -> Surroundings:
    """Ask a container and a virtual machine what they see around them, and the host what it has.

    Raises GuestNotReady for a guest that hangs.
    """
    engine = engine or connect()
    host = Host(engine)
    inside = _ask_container(engine)     # and the host at once after it: one thing is a clock
    files = host.read("/proc/1/comm", "/proc/sys/kernel/hostname", "/proc/uptime")
    guest = _ask_guest(engine, on_progress or (lambda _: None))
    of_host = {KERNEL: f"{host.kernel}, boot {host.boot_id[:8]}",
               PROCESS_1: files["/proc/1/comm"].strip(),
               HOST_NAME: files["/proc/sys/kernel/hostname"].strip(),
               MEMORY: f"{host.memory_bytes('MemTotal') >> 20} MB",
               UPTIME: _seconds(files["/proc/uptime"])}
    return Surroundings(tuple(
        Surrounding(thing, of_host[thing], _told(inside)[thing], _told(guest)[thing])
        for thing in THINGS))


def seen_from_host(engine: Engine | None = None) -> SeenFromHost:
    """Start a container and find its process, namespaces and control group on the host."""
    engine = engine or connect()
    host = Host(engine)
    with small_server(engine, "seen") as server:
        inside, container = server.about(), server.container
        pid = int(container.attrs["State"]["Pid"])
        status = host.status(pid)
        if not status:
            raise CourseError(f"The engine says its container is process {pid}, and the host "
                              "has no such process.", "Run: python3 -m helpers doctor")
        numbers = [int(number) for number in status["NSpid"].split()]
        # Its parent, the engine's own, lives in the host's namespaces.
        reference = status["PPid"]
        links = host.links(*(f"/proc/{who}/ns/{kind}" for who in (reference, pid)
                             for kind in NAMESPACES))
        groups = host.read(f"/proc/{pid}/cgroup").get(f"/proc/{pid}/cgroup", "")
        return SeenFromHost(
            inside["first_process"].strip(), numbers[-1], numbers[0],
            tuple((kind, _number(links, reference, kind), _number(links, str(pid), kind))
                  for kind in NAMESPACES      # one that could not be read is not judged
                  if {f"/proc/{reference}/ns/{kind}", f"/proc/{pid}/ns/{kind}"} <= set(links)),
            tuple(line.replace(str(container.id), str(container.id)[:12] + "…")
                  for line in sorted(groups.splitlines(), key=lambda line: ":memory" not in line)
                  if str(container.id) in line), host.name)


def limits(on_progress: Callable[[str], None] | None = None,
           engine: Engine | None = None) -> Limits:
    """Run two containers held to a limit: one asks for too much memory, one for a whole CPU.

    `docker run --memory 64m --memory-swap 64m …`, `docker run --cpus 0.25 …`.
    """
    engine = engine or connect()
    say = on_progress or (lambda _: None)
    say(f"a container held to {MEMORY_LIMIT // MB} MB")
    _, state, warned = _run_held(engine, EAT, mem_limit=MEMORY_LIMIT,
                                 memswap_limit=MEMORY_LIMIT)
    say(f"a container held to {CPU_LIMIT:g} CPU")
    worked, _, warned_cpu = _run_held(engine, WORK, nano_cpus=int(CPU_LIMIT * 1e9))
    try:
        used = float(worked)
    except ValueError:
        raise CourseError(f"The container that works gave no number: {worked.strip()[-200:]}",
                          "Run: python3 -m helpers doctor") from None
    return Limits(MEMORY_LIMIT, MEMORY_ASKED, int(state["ExitCode"]), bool(state["OOMKilled"]),
                  CPU_LIMIT, used, (*warned, *warned_cpu))


def _ask_container(engine: Engine) -> dict[str, str]:
    """What the small server tells of its surroundings in a container."""
    with small_server(engine, "asked") as server:
        return server.about()


def _ask_guest(engine: Engine, say: Callable[[str], None]) -> dict[str, str]:
    """What it tells of them in a virtual machine."""
    found = accelerator.find(engine, say)
    say("booting a minimal virtual machine")
    with machine.boot(engine, guests.MINIMAL, accelerator=found.name) as booted:
        booted.wait_for(machine.ANSWER)
        return answers.about(booted.ask(ABOUT))


def _told(about: dict[str, str]) -> dict[str, str]:
    """The small server's words, in the words of the comparison."""
    return {KERNEL: f"{about['kernel']}, boot {about['boot_id'][:8]}",
            PROCESS_1: about["first_process"].split()[0], HOST_NAME: about["hostname"],
            MEMORY: f"{int(about['MemTotal_kb']) >> 10} MB", UPTIME: _seconds(about["uptime"])}


def _seconds(uptime: str) -> str:
    """The time since boot, out of what /proc/uptime says."""
    return f"{round(float(uptime.split()[0]))} s"


def _run_held(engine: Engine, code: str, **held: int) -> tuple[str, dict[str, object], list[str]]:
    """Run Python code in a held container: its output, its end state, the engine's warnings."""
    api = engine.client.api
    made = api.create_container(
        image_for(engine, REAL), ["python", "-c", code], labels=labels(),
        name=f"course-01-held-{secrets.token_hex(3)}", host_config=api.create_host_config(**held))
    container = engine.client.containers.get(made["Id"])
    try:
        container.start()
        container.wait(timeout=END_SECONDS)
        container.reload()
        output = container.logs().decode("utf-8", "replace")
        return output, container.attrs["State"], list(made.get("Warnings") or ())
    finally:
        container.remove(force=True)


def _kernel(who: str, told: dict[str, str]) -> Kernel:
    return Kernel(who, told["kernel"], told["boot_id"], int(told["processes"]))


def _number(links: dict[str, str], who: str, kind: str) -> str:
    """A namespace's number, out of a link such as "pid:[4026531836]"."""
    return links[f"/proc/{who}/ns/{kind}"].strip("]").rpartition("[")[2]
