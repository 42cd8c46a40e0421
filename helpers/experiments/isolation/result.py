"""What was seen of a container's isolation: its surroundings, its process, its namespaces.

Every sentence is derived from what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass

HOST, CONTAINER, VM = "host", "container", "virtual machine"
# The container and the host report their uptime one after the other.
MOST_SECONDS_APART = 15
VERSION, BOOT_ID, PROCESSES = KERNEL_THINGS = ("kernel version", "boot id", "processes it sees")
KERNEL, PROCESS_1, HOST_NAME, MEMORY, UPTIME = THINGS = (
    "the running kernel",
    "process 1",
    "the host name",
    "how much memory /proc/meminfo reports",
    "the time since the kernel booted",
)
# The namespaces that every engine gives a container; cgroup and user depend on its configuration.
ALWAYS_SEPARATE = ("ipc", "mnt", "net", "pid", "uts")


@dataclass(frozen=True)
class Surroundings:
    """What the host, a container and a virtual machine see: `seen[who][thing]`, as text.

    `note` says what the host is.
    """

    seen: dict[str, dict[str, str]]
    note: str

    def is_hosts(self, who: str, thing: str) -> bool:
        """Return whether one of them sees the host's."""
        value, host = self.seen[who][thing], self.seen[HOST][thing]
        if thing == UPTIME:
            return abs(_seconds(value) - _seconds(host)) <= MOST_SECONDS_APART
        return value == host


@dataclass(frozen=True)
class Kernels(Surroundings):
    """The kernels of the three. The same kernel has the same version and the same boot id."""

    def same(self, who: str) -> bool:
        """Return whether one of them runs on the host's kernel: same version, same boot."""
        return self.is_hosts(who, VERSION) and self.is_hosts(who, BOOT_ID)

    def facts(self) -> str:
        """Return who shares the host's kernel."""
        return "\n".join(
            f"{who} kernel {'=' if self.same(who) else '≠'} host kernel" for who in (CONTAINER, VM)
        )

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table with its heads: who, version, boot id, processes."""
        return [
            ("who", *KERNEL_THINGS),
            *((who, *(seen[thing] for thing in KERNEL_THINGS)) for who, seen in self.seen.items()),
        ]


def _seconds(text: str) -> int:
    return int(text.split()[0])


@dataclass(frozen=True)
class SeenFromHost:
    """One container's process, as the host and as the container see it."""

    command: str
    inside_pid: int
    outside_pid: int
    namespaces: tuple[tuple[str, str, str], ...]  # kind, id on the host, id in the container
    cgroup: str  # its path, empty if the container has none
    host_name: str

    @property
    def separate_namespaces(self) -> tuple[str, ...]:
        """The kinds of namespace that the container does not share with the host."""
        return tuple(kind for kind, host, inside in self.namespaces if host != inside)

    def facts(self) -> str:
        """Return whether the host sees the process, and what separates it from the host."""
        separate = [kind for kind in self.separate_namespaces if kind in ALWAYS_SEPARATE]
        number = "a different" if self.outside_pid != self.inside_pid else "the same"
        return (
            f"the host {'sees' if self.outside_pid else 'does not see'} the container's process\n"
            f"it is process {self.inside_pid} in the container, and has {number} number on the host\n"
            f"separate namespaces: {', '.join(separate)}\n"
            f"in a separate cgroup: {'yes' if self.cgroup else 'no'}"
        )

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table of namespaces with its heads."""
        return [
            ("namespace", "of the host", "of the container", "result"),
            *(
                (kind, host, inside, "shared" if host == inside else "separate")
                for kind, host, inside in self.namespaces
            ),
        ]

    def note(self) -> str:
        """Return the process with its two ids, and its cgroup."""
        return (
            f"{self.command}: process {self.inside_pid} in the container, process "
            f"{self.outside_pid} on {self.host_name}; cgroup: {self.cgroup or 'none'}"
        )
