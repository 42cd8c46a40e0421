"""What a container shares with its host, and what holds it back, seen on running containers.

Each function looks at something that runs: a container, the engine's host, a virtual machine.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.engine.base_image import REAL, image_for
from helpers.engine.find import connect
from helpers.engine.labels import labels
from helpers.errors import CourseError
from helpers.experiments.isolation.result import (
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
from helpers.tables import memory_size
from helpers.vm import accelerator, guests, machine
from helpers.vm.host import Host
from helpers.vm.server import run_server

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
MEMORY_LIMIT, MEMORY_REQUESTED = 64 << 20, 200 << 20
CPU_LIMIT, CPU_SECONDS = 0.25, 2.0
END_SECONDS = 60
USE_MEMORY = (
    f"data = bytearray({MEMORY_REQUESTED}); data[::4096] = b'x' * len(data[::4096]); "
    "print(len(data))"
)
USE_CPU = (
    "import time; began, used = time.perf_counter(), time.process_time()\n"
    f"while time.perf_counter() < began + {CPU_SECONDS}: pass\n"
    "print((time.process_time() - used) / (time.perf_counter() - began))"
)


def compare_kernels(
    on_progress: Callable[[str], None] | None = None, engine: Engine | None = None
) -> Kernels:
    """Return the kernel of the host, of a container and of a virtual machine booted for this.

    Raises GuestNotReady if the virtual machine does not start.

    Example:
        kernels = compare_kernels()
        kernels.same("container")
    """
    engine = engine or connect()
    host = Host(engine)
    container = _ask_container(engine)
    guest = _ask_guest(engine, on_progress)
    return Kernels(
        (
            Kernel(HOST, host.kernel, host.boot_id, host.count_processes()),
            _kernel(CONTAINER, container),
            _kernel(VM, guest),
        ),
        host.name,
        host.is_here,
    )


def compare_surroundings(
    on_progress: Callable[[str], None] | None = None, engine: Engine | None = None
) -> Surroundings:
    """Return what a container and a virtual machine see around them, and what the host has.

    Raises GuestNotReady if the virtual machine does not start.
    """
    engine = engine or connect()
    host = Host(engine)
    container = _ask_container(engine)  # and right after it the host: uptimes are compared
    files = host.read_files("/proc/1/comm", "/proc/sys/kernel/hostname", "/proc/uptime")
    guest = _ask_guest(engine, on_progress)
    on_host = {
        KERNEL: f"{host.kernel}, boot {host.boot_id[:8]}",
        PROCESS_1: files["/proc/1/comm"].strip(),
        HOST_NAME: files["/proc/sys/kernel/hostname"].strip(),
        MEMORY: memory_size(host.memory_bytes("MemTotal")),
        UPTIME: _uptime(files["/proc/uptime"]),
    }
    in_container, in_guest = _describe(container), _describe(guest)
    return Surroundings(
        tuple(
            Surrounding(thing, on_host[thing], in_container[thing], in_guest[thing])
            for thing in THINGS
        )
    )


def look_from_host(engine: Engine | None = None) -> SeenFromHost:
    """Start a container and find its process, namespaces and cgroup on the host.

    Example:
        print(look_from_host().facts())
    """
    engine = engine or connect()
    host = Host(engine)
    with run_server(engine, "seen") as server:
        inside, container = server.about(), server.container
        pid = int(container.attrs["State"]["Pid"])
        status = host.read_status(pid)
        if not status:
            raise CourseError(
                f"Docker reports that the container is process {pid}, but the host has no such "
                "process.",
                "Run `python3 -m helpers doctor` to check your setup.",
            )
        pids = [int(number) for number in status["NSpid"].split()]
        # The parent is the engine's containerd-shim, which is in the host's namespaces.
        on_host = _namespaces(host, status["PPid"])
        in_container = _namespaces(host, str(pid))
        cgroup_file = f"/proc/{pid}/cgroup"
        cgroups = host.read_files(cgroup_file).get(cgroup_file, "").splitlines()
        return SeenFromHost(
            command=inside["first_process"].strip(),
            inside_pid=pids[-1],
            outside_pid=pids[0],
            namespaces=tuple(
                (kind, on_host[kind], in_container[kind])
                for kind in NAMESPACES
                if kind in on_host and kind in in_container
            ),
            cgroups=tuple(
                line.replace(str(container.id), str(container.id)[:12] + "…")
                for line in sorted(cgroups, key=lambda line: ":memory" not in line)
                if str(container.id) in line
            ),
            host_name=host.name,
        )


def show_limits(
    on_progress: Callable[[str], None] | None = None, engine: Engine | None = None
) -> Limits:
    """Run two containers with a limit: one requests too much memory, one uses all CPU time it gets.

    `docker run --memory 64m --memory-swap 64m …`, `docker run --cpus 0.25 …`.

    Example:
        print(show_limits().facts())
    """
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    progress(f"a container limited to {memory_size(MEMORY_LIMIT)} of memory")
    _, state, memory_warnings = _run_limited(
        engine, USE_MEMORY, mem_limit=MEMORY_LIMIT, memswap_limit=MEMORY_LIMIT
    )
    progress(f"a container limited to {CPU_LIMIT:g} CPU")
    output, _, cpu_warnings = _run_limited(engine, USE_CPU, nano_cpus=int(CPU_LIMIT * 1e9))
    try:
        cpu_used = float(output)
    except ValueError:
        raise CourseError(
            f"The container that measures its CPU time failed: {output.strip()[-200:]}",
            "Run `python3 -m helpers doctor` to check your setup.",
        ) from None
    return Limits(
        MEMORY_LIMIT,
        MEMORY_REQUESTED,
        int(state["ExitCode"]),
        bool(state["OOMKilled"]),
        CPU_LIMIT,
        cpu_used,
        (*memory_warnings, *cpu_warnings),
    )


def _ask_container(engine: Engine) -> dict[str, str]:
    """Return what the small server reports about its environment in a container."""
    with run_server(engine, "asked") as server:
        return server.about()


def _ask_guest(engine: Engine, on_progress: Callable[[str], None] | None) -> dict[str, str]:
    """Return what the small server reports about its environment in a virtual machine."""
    chosen = accelerator.find(engine, on_progress)
    if on_progress:
        on_progress("booting a minimal virtual machine")
    with machine.boot(engine, guests.MINIMAL, accelerator=chosen.name) as guest:
        guest.wait_for(machine.ANSWER)
        return guest.about()


def _describe(about: dict[str, str]) -> dict[str, str]:
    """Return a server's report as the values of THINGS."""
    return {
        KERNEL: f"{about['kernel']}, boot {about['boot_id'][:8]}",
        PROCESS_1: about["first_process"].split()[0],
        HOST_NAME: about["hostname"],
        MEMORY: memory_size(int(about["MemTotal_kb"]) * 1024),
        UPTIME: _uptime(about["uptime"]),
    }


def _uptime(text: str) -> str:
    """Return the time since boot from the text of /proc/uptime."""
    return f"{round(float(text.split()[0]))} s"


def _run_limited(engine: Engine, code: str, **limits: int) -> tuple[str, dict[str, Any], list[str]]:
    """Run Python code in a container with limits; return its output, end state and warnings."""
    api = engine.client.api
    created = api.create_container(
        image_for(engine, REAL),
        ["python", "-c", code],
        labels=labels(),
        name=f"course-01-limited-{secrets.token_hex(3)}",
        host_config=api.create_host_config(**limits),
    )
    container = engine.client.containers.get(created["Id"])
    try:
        container.start()
        container.wait(timeout=END_SECONDS)
        container.reload()
        output = container.logs().decode("utf-8", "replace")
        return output, container.attrs["State"], list(created.get("Warnings") or ())
    finally:
        container.remove(force=True)


def _kernel(who: str, about: dict[str, str]) -> Kernel:
    return Kernel(who, about["kernel"], about["boot_id"], int(about["processes"]))


def _namespaces(host: Host, pid: str) -> dict[str, str]:
    """Return the namespace ids of a process by kind, without those that cannot be read.

    They are the targets of links such as /proc/1/ns/pid -> "pid:[4026531836]".
    """
    links = host.read_links(*(f"/proc/{pid}/ns/{kind}" for kind in NAMESPACES))
    return {
        path.rpartition("/")[2]: target.strip("]").rpartition("[")[2]
        for path, target in links.items()
    }
