"""This machine's packet filter and IP forwarding, as they were before the private engine.

dockerd turns forwarding on, sets the forward policy to DROP and adds chains and rules; when it
ends it leaves all that. What it found is written down before it starts and is put back when it
has ended, rule by rule, since others may have changed the filter meanwhile. Standard library
only. Source: what Engine 26.1 did to an empty network namespace.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

TABLES = ("filter", "nat")
DOCKERS = ("DOCKER", r"\bbr-[0-9a-f]{12}\b")      # its chains, and its networks' bridges
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BOOT = Path("/proc/sys/kernel/random/boot_id")

# Runs a command with the right to change the network; what it printed, "" when it failed.
Run = Callable[[list[str]], str]


def remember(file: Path, run: Run) -> None:
    """Write down how the packet filter is, unless an engine that was never put back has done so.

    A machine that has started anew since then has forgotten that engine's rules by itself.
    """
    try:
        if json.loads(file.read_text())["boot"] == BOOT.read_text():
            return
    except (OSError, ValueError, KeyError):
        pass
    file.write_text(json.dumps({"boot": BOOT.read_text(), "forwarding": FORWARDING.read_text(),
                                "tables": {table: _rules(table, run) for table in TABLES}}))


def put_back(file: Path, bridges: Iterable[str], run: Run) -> None:
    """Take away what the engine with these bridges added since `remember`.

    Where another dockerd runs by now, what the two share stays (policy, forwarding, chains), and
    is put back by a later call that finds none.
    """
    try:
        before = json.loads(file.read_text())
    except (OSError, ValueError):
        return
    alone = not another_dockerd()
    names = [re.escape(name) for name in bridges]
    mark = re.compile("|".join([*names, *(DOCKERS if alone else ())]))
    for table in TABLES:
        was = before["tables"][table]
        added = [rule for rule in _rules(table, run) if rule not in was]
        ours = [rule for rule in added if mark.search(rule)]
        # A rule that jumps to a chain goes before the chain.
        for rule in sorted(ours, key=lambda rule: rule.startswith("-N ")):
            verb, chain, *rest = shlex.split(rule)
            run(["iptables", "-w", "-t", table, "-X" if verb == "-N" else "-D", chain, *rest])
        if alone:
            for policy in (rule for rule in was if rule.startswith("-P FORWARD ")):
                run(["iptables", "-w", "-t", table, *shlex.split(policy)])
    if alone:
        if before["forwarding"] != FORWARDING.read_text():
            run(["sh", "-c", f"echo {before['forwarding'].strip()} > {FORWARDING}"])
        file.unlink()


def another_dockerd() -> bool:
    """Whether a dockerd runs that has the same packet filter: one in our network namespace."""
    # Root may read every process's; another user is told no, and then it is taken for a shared
    # one, so that nothing of its is removed.
    ours = Path("/proc/self/ns/net").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text() == "dockerd\n" \
                    and (process / "ns/net").readlink() == ours:
                return True
        except PermissionError:
            return True
        except OSError:
            continue
    return False


def _rules(table: str, run: Run) -> list[str]:
    """The table's policies, chains and rules, each as the arguments that make it."""
    return run(["iptables", "-w", "-t", table, "-S"]).splitlines()
