"""The isolation results as HTML tables, with every difference also in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers.experiments.isolation.result import HOST, Kernels, Limits, SeenFromHost
from helpers.tables import html_table


def render_kernels(result: Kernels) -> dict[str, Any]:
    """Return a table of who runs on which kernel."""
    rows = [
        (
            row.who,
            row.version,
            row.boot_id,
            str(row.processes),
            "" if row.who == HOST else "the host's" if result.same(row.who) else "its own",
        )
        for row in result.rows
    ]
    page = html_table(
        ("who", "kernel version", "boot id", "processes it sees", "whose kernel"),
        rows,
        result.note(),
    )
    return {"text/plain": result.text(), "text/html": page}


def render_seen_from_host(result: SeenFromHost) -> dict[str, Any]:
    """Return a table of a process's namespaces, and which of them it shares with the host."""
    rows = [
        (kind, host, inside, "shared" if host == inside else "its own")
        for kind, host, inside in result.namespaces
    ]
    page = html_table(
        ("namespace", "on the host", "in the container", "result"),
        rows,
        f"{result.process()}; {result.cgroup()}",
    )
    return {"text/plain": result.text(), "text/html": page}


def render_limits(result: Limits) -> dict[str, Any]:
    """Return a table of what happened to the containers with a limit."""
    rows = [
        (
            "memory",
            result.memory_limit,
            f"asked for {result.memory_requested}",
            f"exit code {result.exit_code}"
            + (", killed for memory" if result.killed_for_memory else ""),
        ),
        (
            "processor",
            f"{result.cpu_limit:g} CPU",
            "worked without a pause",
            f"got {result.cpu_used:.2f} CPU",
        ),
    ]
    notes = " ".join([result.explained(), *(f"The engine warns: {w}" for w in result.warnings)])
    page = html_table(("what", "limit", "the program", "what happened"), rows, notes)
    return {"text/plain": result.text(), "text/html": page}


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    Kernels: render_kernels,
    SeenFromHost: render_seen_from_host,
    Limits: render_limits,
}
