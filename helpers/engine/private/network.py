"""The machine's network and the private engine: its bridge, iptables, and the packet filter.

dockerd turns IP forwarding on, sets the forward policy to DROP and adds chains and rules, and
leaves all of that behind when it exits. So the packet filter is saved before the engine starts and
restored when it has stopped, rule by rule, because others may have changed it meanwhile.
Source: what Engine 26.1 changed in an empty network namespace.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from helpers import process
from helpers.engine.labels import BOOT_ID
from helpers.engine.private.install import link
from helpers.engine.private.privileges import as_root, run_quietly
from helpers.errors import EngineUnavailable

TABLES = ("filter", "nat")
DOCKER_NAMES = ("DOCKER", r"\bbr-[0-9a-f]{12}\b")  # Docker's chains, and its networks' bridges
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


class Network:
    """What one private engine uses and changes of the machine's network."""

    def __init__(self, base: Path, root: Path) -> None:
        self.root = root
        self.bin_dir = base / "bin"
        # At most 15 letters, and different for each engine: two users may run one each.
        self.bridge = f"dcourse{hashlib.sha256(str(base).encode()).hexdigest()[:8]}"
        self.saved = base / "network-before.json"
        self.shared_rules: dict[str, list[str]] = {}

    @property
    def env(self) -> dict[str, str]:
        """The environment of the daemon and of network tools: the unpacked ones come first."""
        lib = next((self.root / "usr/lib").glob("*-linux-gnu"), self.root / "usr/lib")
        tools = f"{self.bin_dir}:{self.root}/usr/sbin:{self.root}/usr/bin:{self.root}/sbin"
        env = {k: v for k, v in os.environ.items() if k not in ("DOCKER_HOST", "DOCKER_CONTEXT")}
        return env | {
            "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "LD_LIBRARY_PATH": str(lib),
            "XTABLES_LIBDIR": str(lib / "xtables"),
        }

    def run(self, command: list[str]) -> str:
        """Run `ip`, `iptables` or another command as root; return what it printed."""
        env = self.env
        return process.run([*as_root(env), *command], env=env).stdout

    def prepare(self) -> None:
        """Choose the iptables variant, create the bridge and save the packet filter."""
        self.link_iptables()
        self._make_bridge()
        self.shared_rules = {table: self._rules(table) for table in TABLES}
        self._save()

    def restore_other_engines(self) -> None:
        """Add again what a starting dockerd removes: the rules of other engines' bridges.

        Rules of a single container (with -d) are left out: it may have ended meanwhile, and its
        published ports work without them, through docker-proxy.
        """
        for table, rules in self.shared_rules.items():
            present = self._rules(table)
            for rule in rules:
                if rule.startswith("-A DOCKER") and " -d " not in rule and rule not in present:
                    self._iptables(table, *shlex.split(rule))

    def restore(self, bridges: Iterable[str]) -> None:
        """Delete the engine's bridges and undo its changes to the packet filter, if it made any.

        While another dockerd is running, what the two share (policy, forwarding, Docker's chains)
        stays, and a later call restores it.
        """
        if not self.saved.exists():
            return
        bridges = [self.bridge, *bridges]
        for bridge in bridges:  # the engine recreates the bridge of a network when it starts
            self.run(["ip", "link", "del", bridge])
        try:
            before = json.loads(self.saved.read_text())
        except (OSError, ValueError):
            return
        is_alone = not is_another_dockerd_running()
        names = [*map(re.escape, bridges), *(DOCKER_NAMES if is_alone else ())]
        for table, rules_before in before["tables"].items():
            self._remove_rules(table, rules_before, re.compile("|".join(names)))
        if not is_alone:
            return
        for table, rules_before in before["tables"].items():
            for policy in (rule for rule in rules_before if rule.startswith("-P FORWARD ")):
                self._iptables(table, *shlex.split(policy))
        if before["forwarding"] != FORWARDING.read_text():
            self.run(["sh", "-c", f"echo {before['forwarding'].strip()} > {FORWARDING}"])
        self.saved.unlink()

    def link_iptables(self) -> None:
        """Link `iptables` to the variant in use on this machine.

        Legacy if its tables have rules (a packet must pass both), otherwise nft if the kernel
        supports it.
        """
        self.bin_dir.mkdir(parents=True, exist_ok=True)
        sbin = self.root / "usr/sbin"
        legacy_tables = self.run(["cat", "/proc/net/ip_tables_names"]).strip()
        nft_works = [str(sbin / "iptables-nft"), "-t", "nat", "-S"]
        variant = "nft" if not legacy_tables and run_quietly(nft_works, self.env) else "legacy"
        for name in ("iptables", "ip6tables"):
            for suffix in ("", "-save", "-restore"):
                link(self.bin_dir / f"{name}{suffix}", sbin / f"{name}-{variant}{suffix}")

    def _make_bridge(self) -> None:
        """Create the engine's bridge, on a subnet that no route of this machine uses.

        The bridge has a MAC address of its own, like those that Docker creates. Without one, it uses
        the lowest address of its ports. That changes when containers start and end, and connections
        of other containers then stall until their ARP caches are up to date.
        """
        env = self.env
        mac = ":".join(["02", "42", *re.findall("..", self.bridge[-8:])])
        if Path(f"/sys/class/net/{self.bridge}").exists():
            run_quietly(["ip", "link", "set", self.bridge, "address", mac], env)
            return
        routes = process.run(["ip", "-4", "route"], env=env).stdout
        subnet = next(n for n in range(99, 255) if f"172.30.{n}." not in routes)
        for args in (
            ["link", "add", "name", self.bridge, "address", mac, "type", "bridge"],
            ["addr", "add", f"172.30.{subnet}.1/24", "dev", self.bridge],
            ["link", "set", self.bridge, "up"],
        ):
            if not run_quietly(["ip", *args], env):
                raise EngineUnavailable(
                    "Could not create the network bridge of the private engine.",
                    "In a terminal, where sudo can ask for your password, run: python3 -m helpers engine start",
                )

    def _save(self) -> None:
        """Save the packet filter, unless the state before an engine not yet restored is saved.

        After a reboot a saved state is out of date: the rules of that engine are gone.
        """
        boot = BOOT_ID.read_text()
        with suppress(OSError, ValueError, KeyError):
            if json.loads(self.saved.read_text())["boot"] == boot:
                return
        state = {"boot": boot, "forwarding": FORWARDING.read_text(), "tables": self.shared_rules}
        self.saved.write_text(json.dumps(state))

    def _remove_rules(self, table: str, before: list[str], mark: re.Pattern[str]) -> None:
        """Remove the rules and chains of a table that match `mark` and were not there before."""
        added = [rule for rule in self._rules(table) if rule not in before and mark.search(rule)]
        # Remove a rule that jumps to a chain before the chain itself.
        for rule in sorted(added, key=lambda rule: rule.startswith("-N ")):
            verb, chain, *rest = shlex.split(rule)
            self._iptables(table, "-X" if verb == "-N" else "-D", chain, *rest)

    def _rules(self, table: str) -> list[str]:
        """Return the table's policies, chains and rules, each as the arguments that create it."""
        return self._iptables(table, "-S").splitlines()

    def _iptables(self, table: str, *args: str) -> str:
        return self.run(["iptables", "-w", "-t", table, *args])


def is_another_dockerd_running() -> bool:
    """Return whether a dockerd shares this process's network namespace, and so its packet filter.

    Without root, the namespace of another user's dockerd can't be read. It then counts as shared,
    so that nothing of it is removed.
    """
    namespace = Path("/proc/self/ns/net").readlink()
    for each in psutil.process_iter(["name"]):
        try:
            is_dockerd = each.info["name"] == "dockerd"
            if is_dockerd and Path(f"/proc/{each.pid}/ns/net").readlink() == namespace:
                return True
        except PermissionError:
            return True
        except OSError:
            continue
    return False
