"""What a container shares with its host, seen on running containers.

Each function looks at something that runs: a container, the engine's host, a virtual machine.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import TYPE_CHECKING

from helpers.engine.find import connect
from helpers.engine.labels import label_args
from helpers.errors import CourseError
from helpers.experiments.isolation.result import (
    BOOT_ID,
    CONTAINER,
    HOST,
    HOST_NAME,
    KERNEL,
    MEMORY,
    PROCESS_1,
    PROCESSES,
    UPTIME,
    VERSION,
    VM,
    Kernels,
    SeenFromHost,
    Surroundings,
)
from helpers.process import error_line
from helpers.tables import memory_size
from helpers.vm import accelerator, guests, machine
from helpers.vm.host import Host
from helpers.vm.server import run_server

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
MOUNT = ("--rm", "--privileged", guests.SERVER, "mount", "-t", "tmpfs", "none", "/tmp")


def compare_kernels(
    on_progress: Callable[[str], None] | None = None, engine: Engine | None = None
) -> Kernels:
    """Return the kernel of the host, of a container and of a virtual machine booted for this.

    Raises GuestNotReady if the virtual machine does not start.

    Example:
        compare_kernels().same("container")
    """
    surroundings = compare_surroundings(on_progress, engine)
    return Kernels(surroundings.seen, surroundings.note)


def compare_surroundings(
    on_progress: Callable[[str], None] | None = None, engine: Engine | None = None
) -> Surroundings:
    """Return what a container and a virtual machine see around them, and what the host has.

    Raises GuestNotReady if the virtual machine does not start.

    Example:
        compare_surroundings().is_hosts("container", "process 1")
    """
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    host, chosen = Host(engine), accelerator.find(engine, progress)
    with run_server(engine, "asked") as server:
        in_container = server.about()
    on_host = _ask_host(host)  # right after the container: uptimes are compared
    progress("booting a minimal virtual machine")
    with machine.boot(engine, guests.MINIMAL, accelerator=chosen.name) as guest:
        guest.wait_for(machine.ANSWER)
        in_guest = guest.about()
    return Surroundings(
        {HOST: _describe(on_host), CONTAINER: _describe(in_container), VM: _describe(in_guest)},
        _describe_host(host),
    )


def look_from_host(container: str, engine: Engine | None = None) -> SeenFromHost:
    """Return a running container's first process as the host sees it, with its namespaces.

    Raises CourseError if no such container runs.

    Example:
        look_from_host("course-01-web").outside_pid
    """
    engine = engine or connect()
    host = Host(engine)
    pid, container_id = _first_process(engine, container)
    status = host.read_status(pid)
    if not status:
        raise CourseError(
            f"Docker reports that the container is process {pid}, but the host has no such process.",
            "Run `python3 -m helpers doctor` to check your setup.",
        )
    pids = [int(number) for number in status["NSpid"].split()]
    # The parent is the engine's containerd-shim, which is in the host's namespaces.
    on_host, in_container = _namespaces(host, status["PPid"]), _namespaces(host, str(pid))
    files = host.read_files(f"/proc/{pid}/cmdline", f"/proc/{pid}/cgroup")
    cgroups = files[f"/proc/{pid}/cgroup"].splitlines()
    # With cgroup v1 there is a line for each resource, such as "4:memory:/docker/0f60d2…".
    paths = [line.partition(":/")[2] for line in cgroups if container_id in line]
    return SeenFromHost(
        command=files[f"/proc/{pid}/cmdline"].replace("\0", " ").strip(),
        inside_pid=pids[-1],
        outside_pid=pids[0],
        namespaces=tuple(
            (kind, on_host[kind], in_container[kind])
            for kind in NAMESPACES
            if kind in on_host and kind in in_container
        ),
        cgroup="/" + paths[0].replace(container_id, container_id[:12] + "…") if paths else "",
        host_name=host.name,
    )


def mount_with_privileges(engine: Engine | None = None) -> None:
    """Mount a file system in a privileged container and print the result.

    Only on the private engine: a privileged container may do what root on the host may do.

    Example:
        mount_with_privileges()
    """
    engine = engine or connect()
    print("$ docker run", *MOUNT)
    if engine.kind == "user":
        print("not run on your own engine; it would succeed")
        return
    completed = engine.run("run", *label_args(), *MOUNT)
    print("the mount succeeded" if completed.returncode == 0 else error_line(completed))


def _first_process(engine: Engine, name: str) -> tuple[int, str]:
    """Return the process id of a running container's first process, and the container's id."""
    completed = engine.run("inspect", "--type", "container", "-f", "{{.State.Pid}} {{.Id}}", name)
    pid, _, container_id = completed.stdout.strip().partition(" ")
    if completed.returncode or pid == "0":
        raise CourseError(
            f"There is no running container {name!r}.", "Run the cell that starts it first."
        )
    return int(pid), container_id


def _ask_host(host: Host) -> dict[str, str]:
    """Return the host's surroundings under the names that the small server uses for its own."""
    files = host.read_files("/proc/1/comm", "/proc/sys/kernel/hostname", "/proc/uptime")
    return {
        "kernel": host.kernel,
        "boot_id": host.boot_id,
        "processes": str(host.count_processes()),
        "first_process": files["/proc/1/comm"].strip(),
        "hostname": files["/proc/sys/kernel/hostname"].strip(),
        "MemTotal_kb": str(host.memory_bytes("MemTotal") // 1024),
        "uptime": files["/proc/uptime"],
    }


def _describe(about: dict[str, str]) -> dict[str, str]:
    """Return a report about a machine as the values of KERNEL_THINGS and THINGS."""
    return {
        VERSION: about["kernel"],
        BOOT_ID: about["boot_id"],
        PROCESSES: about["processes"],
        KERNEL: f"{about['kernel']}, boot {about['boot_id'][:8]}",
        PROCESS_1: about["first_process"].split()[0],
        HOST_NAME: about["hostname"],
        MEMORY: memory_size(int(about["MemTotal_kb"]) * 1024),
        UPTIME: f"{round(float(about['uptime'].split()[0]))} s",
    }


def _describe_host(host: Host) -> str:
    """Return what the host is, in a sentence."""
    if host.is_here:
        return "The host is the machine this notebook runs on."
    if platform.system() == "Linux":
        return f"The host is {host.name}, not the machine this notebook runs on."
    return (
        f"The host is {host.name}: this notebook runs on {platform.system()}, whose kernel cannot "
        "run Linux programs, so the engine runs in a Linux VM. The containers share that VM's "
        "kernel."
    )


def _namespaces(host: Host, pid: str) -> dict[str, str]:
    """Return the namespace ids of a process by kind, without those that cannot be read.

    They are the targets of links such as /proc/1/ns/pid -> "pid:[4026531836]".
    """
    links = host.read_links(*(f"/proc/{pid}/ns/{kind}" for kind in NAMESPACES))
    return {
        path.rpartition("/")[2]: target.strip("]").rpartition("[")[2]
        for path, target in links.items()
    }
