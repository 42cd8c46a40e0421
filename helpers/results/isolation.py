"""What was seen of a container's walls: whose kernel it runs on, who sees it, what holds it.

Frozen values and the words for them; every sentence is derived from what was seen.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from helpers.results.columns import columns

HOST, CONTAINER, VM = "host", "container", "virtual machine"
# The container and the host are looked at one after the other.
LOOKS_APART_SECONDS = 15
KERNEL, PROCESS_1, HOST_NAME, MEMORY, UPTIME = THINGS = (
    "the running kernel", "process 1", "the host name", "how much memory /proc/meminfo tells",
    "the time since the kernel booted")


@dataclass(frozen=True)
class Kernel:
    """The kernel that somebody runs on: its version, and the id it drew when it booted."""

    who: str
    version: str
    boot_id: str
    processes: int


@dataclass(frozen=True)
class Kernels:
    """The kernels of the engine's host, a container and a virtual machine.

    `host_name` says what the host is; `is_here` whether this notebook runs on it too.
    """

    rows: tuple[Kernel, ...]
    host_name: str
    is_here: bool

    def kernel(self, who: str) -> Kernel:
        """The kernel of one of them."""
        return next(row for row in self.rows if row.who == who)

    def same(self, who: str) -> bool:
        """Whether somebody runs on the host's own kernel: same version, same boot."""
        one, host = self.kernel(who), self.kernel(HOST)
        return (one.version, one.boot_id) == (host.version, host.boot_id)

    def facts(self) -> str:
        """Who shares the host's kernel."""
        return "\n".join(f"{who} kernel {'=' if self.same(who) else '≠'} host kernel"
                         for who in (CONTAINER, VM))

    def note(self) -> str:
        """What the host is, where it is not the machine this notebook runs on."""
        if self.is_here:
            return "The host is the machine this notebook runs on."
        return (f"The host is {self.host_name}: this notebook runs on {platform.system()}, whose "
                "kernel cannot run Linux programs, so the engine keeps a Linux VM of its own. The "
                "containers share that VM's kernel.")

    def text(self) -> str:
        """A table: who, version, boot id, processes."""
        rows = [("who", "kernel version", "boot id", "processes it sees"),
                *((r.who, r.version, r.boot_id[:13] + "…", str(r.processes)) for r in self.rows)]
        return f"{columns(rows)}\n\n{self.note()}"


@dataclass(frozen=True)
class Surrounding:
    """One thing as the host has it, and as a container and a virtual machine see it."""

    thing: str
    host: str
    container: str
    vm: str

    def seen_by(self, who: str) -> str:
        """The thing as somebody sees it."""
        return {HOST: self.host, CONTAINER: self.container, VM: self.vm}[who]

    def is_hosts(self, who: str) -> bool:
        """Whether somebody sees the host's own."""
        if self.thing == UPTIME:
            return abs(_number(self.seen_by(who)) - _number(self.host)) <= LOOKS_APART_SECONDS
        return self.seen_by(who) == self.host


@dataclass(frozen=True)
class Surroundings:
    """All the things that were looked at."""

    rows: tuple[Surrounding, ...]

    def of(self, thing: str) -> Surrounding:
        """One of the things."""
        return next(row for row in self.rows if row.thing == thing)

    def text(self) -> str:
        """A table: the thing, the host's, the container's, the virtual machine's."""
        return columns([("what", HOST, CONTAINER, VM),
                        *((r.thing, r.host, r.container, r.vm) for r in self.rows)])


def _number(words: str) -> int:
    return int(next(word for word in words.split() if word.isdigit()))


@dataclass(frozen=True)
class SeenFromHost:
    """One container's process as the host has it, beside how the container has it."""

    command: str
    inside_pid: int
    outside_pid: int
    namespaces: tuple[tuple[str, str, str], ...]      # kind, the host's, the container's
    cgroups: tuple[str, ...]
    host_name: str

    @property
    def own(self) -> tuple[str, ...]:
        """The kinds of namespace of which the container has one of its own."""
        return tuple(kind for kind, host, inside in self.namespaces if host != inside)

    def facts(self) -> str:
        """Whether the host sees the process, under which number, and what is the container's."""
        return "\n".join([
            f"the container's process is {'' if self.outside_pid else 'not '}visible from the host",
            f"inside it is process {self.inside_pid}; outside it has "
            f"{'another' if self.outside_pid != self.inside_pid else 'the same'} number",
            "namespaces of its own: " + ", ".join(
                kind for kind in self.own if kind in ("pid", "mnt", "net", "ipc", "uts")),
            f"in a control group of its own: {'yes' if self.cgroups else 'no'}"])

    def text(self) -> str:
        """The two numbers, the namespaces of both, and the control group."""
        rows = [("namespace", "host", "container", ""), *(
            (kind, host, inside, "its own" if host != inside else "shared")
            for kind, host, inside in self.namespaces)]
        return (f"{self.command}: process {self.inside_pid} in the container, "
                f"process {self.outside_pid} on {self.host_name}\n\n{columns(rows)}\n\n"
                "control group: " + (self.cgroups[0] if self.cgroups else "none of its own"))


@dataclass(frozen=True)
class Limits:
    """Two containers held to a limit: one in memory (bytes), one in processor time (cpus).

    `warnings` are the engine's, where it cannot hold a container to one.
    """

    memory_limit_bytes: int
    memory_asked_bytes: int
    exit_code: int
    killed_for_memory: bool
    cpu_limit: float
    cpu_used: float
    warnings: tuple[str, ...] = ()

    def facts(self) -> str:
        """What became of the two."""
        killed = self.exit_code == 137 and self.killed_for_memory
        memory = (f"held to {self.memory_limit_bytes >> 20} MB, asked for "
                  f"{self.memory_asked_bytes >> 20} MB: exit code {self.exit_code}, "
                  f"{'killed for memory' if killed else 'not killed for memory'}")
        held = self.cpu_used <= self.cpu_limit * 1.3
        cpu = (f"held to {self.cpu_limit:g} CPU, worked without a pause: "
               f"{'held' if held else 'not held'}")
        return "\n".join([memory, cpu, *(f"the engine warns: {w}" for w in self.warnings)])

    def text(self) -> str:
        """The facts, the time the processor gave, and what 137 means."""
        return f"{self.facts()} (it got {self.cpu_used:.2f} CPU)\n\n{self.explained()}"

    def explained(self) -> str:
        """What the first container's exit code says."""
        if self.exit_code != 137:
            return f"Exit code {self.exit_code}: this engine did not hold the container."
        return ("137 = 128 + 9: the process was ended by signal 9 (SIGKILL), here sent by the "
                "kernel, because its control group had used up its "
                f"{self.memory_limit_bytes >> 20} MB.")
