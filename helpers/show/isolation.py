"""How the proofs look: tables whose differences are said in words. Must not know how they came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers.results.isolation import HOST, Kernels, Limits, SeenFromHost
from helpers.show.table import words


def kernels(found: Kernels) -> dict[str, Any]:
    """Who runs on which kernel."""
    rows = [(row.who, row.version, row.boot_id, str(row.processes),
             "" if row.who == HOST else "the host's" if found.same(row.who) else "its own")
            for row in found.rows]
    page = words(("who", "kernel version", "boot id", "processes it sees", "whose kernel"),
                 rows, found.note())
    return {"text/plain": found.text(), "text/html": page}


def seen_from_host(found: SeenFromHost) -> dict[str, Any]:
    """One process under two numbers, and what it shares with the host."""
    rows = [(kind, host, inside, "shared" if host == inside else "its own")
            for kind, host, inside in found.namespaces]
    told = (f"{found.command}: process {found.inside_pid} in the container, process "
            f"{found.outside_pid} on {found.host_name}. Control group: "
            + (found.cgroups[0] if found.cgroups else "none of its own"))
    page = words(("namespace", "on the host", "in the container", "so it is"), rows, told)
    return {"text/plain": found.text(), "text/html": page}


def limits(found: Limits) -> dict[str, Any]:
    """What became of a container that asked for more than it was given."""
    rows = [("memory", f"{found.memory_limit_bytes >> 20} MB",
             f"asked for {found.memory_asked_bytes >> 20} MB",
             f"exit code {found.exit_code}"
             + (", killed for memory" if found.killed_for_memory else "")),
            ("processor", f"{found.cpu_limit:g} CPU", "worked without a pause",
             f"got {found.cpu_used:.2f} CPU")]
    notes = " ".join([found.explained(), *(f"The engine warns: {w}" for w in found.warnings)])
    page = words(("what", "limit", "the program", "what happened"), rows, notes)
    return {"text/plain": found.text(), "text/html": page}


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    Kernels: kernels, SeenFromHost: seen_from_host, Limits: limits}
