"""What was measured of a container's isolation: its kernel, its namespaces, its limits.

Every sentence is derived from the measured values.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from helpers.tables import text_table

HOST, CONTAINER, VM = "host", "container", "virtual machine"
# The container and the host report their uptime one after the other.
MOST_SECONDS_APART = 15
KERNEL, PROCESS_1, HOST_NAME, MEMORY, UPTIME = THINGS = (
    "the running kernel",
    "process 1",
    "the host name",
    "how much memory /proc/meminfo reports",
    "the time since the kernel booted",
)


@dataclass(frozen=True)
class Kernel:
    """The kernel that one of them runs on: its version, and the id that it chose at boot."""

    who: str
    version: str
    boot_id: str
    processes: int


@dataclass(frozen=True)
class Kernels:
    """The kernels of the engine's host, a container and a virtual machine.

    `host_name` describes the host; `is_here` is whether this notebook runs on it too.
    """

    rows: tuple[Kernel, ...]
    host_name: str
    is_here: bool

    def kernel(self, who: str) -> Kernel:
        """Return the kernel of the host, the container or the virtual machine."""
        return next(row for row in self.rows if row.who == who)

    def same(self, who: str) -> bool:
        """Return whether one of them runs on the host's kernel: same version, same boot."""
        one, host = self.kernel(who), self.kernel(HOST)
        return (one.version, one.boot_id) == (host.version, host.boot_id)

    def facts(self) -> str:
        """Return who shares the host's kernel."""
        return "\n".join(
            f"{who} kernel {'=' if self.same(who) else '≠'} host kernel" for who in (CONTAINER, VM)
        )

    def note(self) -> str:
        """Return what the host is."""
        if self.is_here:
            return "The host is the machine this notebook runs on."
        return (
            f"The host is {self.host_name}: this notebook runs on {platform.system()}, whose "
            "kernel cannot run Linux programs, so the engine runs in a Linux VM. The "
            "containers share that VM's kernel."
        )

    def text(self) -> str:
        """Return a table: who, version, boot id, processes."""
        rows = [
            ("who", "kernel version", "boot id", "processes it sees"),
            *((r.who, r.version, r.boot_id[:13] + "…", str(r.processes)) for r in self.rows),
        ]
        return f"{text_table(rows)}\n\n{self.note()}"


@dataclass(frozen=True)
class Surrounding:
    """One thing on the host, and as a container and a virtual machine see it."""

    thing: str
    host: str
    container: str
    vm: str

    def seen_by(self, who: str) -> str:
        """Return the thing as one of them sees it."""
        return {HOST: self.host, CONTAINER: self.container, VM: self.vm}[who]

    def is_hosts(self, who: str) -> bool:
        """Return whether one of them sees the host's."""
        if self.thing == UPTIME:
            return abs(_number(self.seen_by(who)) - _number(self.host)) <= MOST_SECONDS_APART
        return self.seen_by(who) == self.host


@dataclass(frozen=True)
class Surroundings:
    """All the things that were compared."""

    rows: tuple[Surrounding, ...]

    def row(self, thing: str) -> Surrounding:
        """Return one of the things."""
        return next(row for row in self.rows if row.thing == thing)

    def text(self) -> str:
        """Return a table: the thing, the host's, the container's, the virtual machine's."""
        return text_table(
            [
                ("what", HOST, CONTAINER, VM),
                *((r.thing, r.host, r.container, r.vm) for r in self.rows),
            ]
        )


def _number(text: str) -> int:
    return int(next(word for word in text.split() if word.isdigit()))


@dataclass(frozen=True)
class SeenFromHost:
    """One container's process, as the host and as the container see it."""

    command: str
    inside_pid: int
    outside_pid: int
    namespaces: tuple[tuple[str, str, str], ...]  # kind, id on the host, id in the container
    cgroups: tuple[str, ...]
    host_name: str

    @property
    def separate_namespaces(self) -> tuple[str, ...]:
        """The kinds of namespace that the container does not share with the host."""
        return tuple(kind for kind, host, inside in self.namespaces if host != inside)

    def facts(self) -> str:
        """Return whether the host sees the process, and what separates it from the host."""
        # The user and cgroup namespaces depend on the engine's configuration.
        separate = [
            kind for kind in self.separate_namespaces if kind in ("pid", "mnt", "net", "ipc", "uts")
        ]
        number = "another" if self.outside_pid != self.inside_pid else "the same"
        return (
            f"the container's process is {'' if self.outside_pid else 'not '}visible from the host\n"
            f"inside it is process {self.inside_pid}; outside it has {number} number\n"
            f"namespaces of its own: {', '.join(separate)}\n"
            f"in a control group of its own: {'yes' if self.cgroups else 'no'}"
        )

    def text(self) -> str:
        """Return the process ids, the namespaces of both, and the cgroup."""
        rows = [
            ("namespace", "host", "container", ""),
            *(
                (kind, host, inside, "its own" if host != inside else "shared")
                for kind, host, inside in self.namespaces
            ),
        ]
        return f"{self.process()}\n\n{text_table(rows)}\n\n{self.cgroup()}"

    def process(self) -> str:
        """Return the process with its two ids."""
        return (
            f"{self.command}: process {self.inside_pid} in the container, "
            f"process {self.outside_pid} on {self.host_name}"
        )

    def cgroup(self) -> str:
        """Return the container's cgroup in words."""
        return "control group: " + (self.cgroups[0] if self.cgroups else "none of its own")


@dataclass(frozen=True)
class Limits:
    """Two containers with a limit: one of memory (bytes), one of processor time (CPUs).

    `warnings` are the engine's, when it does not support a limit.
    """

    memory_limit_bytes: int
    memory_requested_bytes: int
    exit_code: int
    killed_for_memory: bool
    cpu_limit: float
    cpu_used: float
    warnings: tuple[str, ...] = ()

    @property
    def memory_limit(self) -> str:
        """The memory limit, with Docker's 64m written as the stored notebook has it: 64 MB."""
        return f"{self.memory_limit_bytes >> 20} MB"

    @property
    def memory_requested(self) -> str:
        """The memory that the program requests, in the same unit."""
        return f"{self.memory_requested_bytes >> 20} MB"

    def facts(self) -> str:
        """Return what happened to the two."""
        killed = self.exit_code == 137 and self.killed_for_memory
        memory = (
            f"held to {self.memory_limit}, asked for {self.memory_requested}: "
            f"exit code {self.exit_code}, {'' if killed else 'not '}killed for memory"
        )
        held = self.cpu_used <= self.cpu_limit * 1.3
        cpu = (
            f"held to {self.cpu_limit:g} CPU, worked without a pause: "
            f"{'held' if held else 'not held'}"
        )
        return "\n".join([memory, cpu, *(f"the engine warns: {w}" for w in self.warnings)])

    def text(self) -> str:
        """Return the facts, the CPU time used, and what the exit code means."""
        return f"{self.facts()} (it got {self.cpu_used:.2f} CPU)\n\n{self.explained()}"

    def explained(self) -> str:
        """Return what the first container's exit code means."""
        if self.exit_code != 137:
            return f"Exit code {self.exit_code}: this engine did not enforce the memory limit."
        return (
            "137 = 128 + 9: the process was ended by signal 9 (SIGKILL), here sent by the "
            f"kernel, because its control group had used up its {self.memory_limit}."
        )
