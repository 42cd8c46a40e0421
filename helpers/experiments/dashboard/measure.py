"""Reads the engine's objects, and a container's use of CPU and memory.

One request lists all objects of a kind. Source: Docker Engine API, GET /containers/json,
/images/json, /volumes, /networks and /containers/ID/stats.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from helpers.engine.cleanup import is_course_object
from helpers.experiments.dashboard.result import Port, Row, Usage
from helpers.tables import human_size

if TYPE_CHECKING:
    from docker import APIClient

EXIT_CODE = re.compile(r"\((\d+)\)")
RUNNING = ("running", "paused", "restarting")
EVERYWHERE = ("0.0.0.0", "::")


def list_rows(api: APIClient, kind: str) -> tuple[Row, ...]:
    """Return a row for each object of a kind: containers newest first, the rest by name."""
    if kind == "containers":
        return tuple(map(container_row, api.containers(all=True)))
    if kind == "images":
        rows = map(image_row, api.images())
    elif kind == "volumes":
        rows = map(named_row, api.volumes()["Volumes"] or ())
    else:
        rows = map(named_row, api.networks())
    return tuple(sorted(rows, key=lambda row: (not row.is_course, row.name)))


def container_row(container: dict[str, Any]) -> Row:
    """Return the row of a container."""
    state, image = container["State"], container["Image"]
    if re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", image):  # its name has moved to another image
        image = image.removeprefix("sha256:")[:12]
    code = EXIT_CODE.search(container["Status"]) if state == "exited" else None
    return Row(
        container["Id"],
        ((container["Names"] or ["/?"])[0]).removeprefix("/"),
        (image, f"exited ({code[1]})" if code else state),
        _is_course(container),
        state in RUNNING,
        _ports(container["Ports"] or ()),
    )


def image_row(image: dict[str, Any]) -> Row:
    """Return the row of an image; one without a tag has its id as the name."""
    short_id = image["Id"].removeprefix("sha256:")[:12]
    name = ", ".join(image.get("RepoTags") or ()) or short_id
    return Row(image["Id"], name, (human_size(image["Size"]),), _is_course(image))


def named_row(thing: dict[str, Any]) -> Row:
    """Return the row of a volume or a network."""
    return Row(
        thing.get("Id") or thing["Name"], thing["Name"], (thing["Driver"],), _is_course(thing)
    )


def _is_course(thing: dict[str, Any]) -> bool:
    return is_course_object(thing.get("Labels"), all_sessions=True)


def _ports(ports: tuple[dict[str, Any], ...]) -> tuple[Port, ...]:
    """Return the ports as `docker ps` shows them, but one for both IPv4 and IPv6."""
    result = {}
    for port in sorted(ports, key=lambda port: (port["PrivatePort"], port.get("PublicPort", 0))):
        inside, outside = f"{port['PrivatePort']}/{port['Type']}", port.get("PublicPort")
        if not outside:
            result[inside] = Port(inside)
            continue
        text = f"{outside}→{inside}"
        address = "127.0.0.1" if port["IP"] in EVERYWHERE else port["IP"]
        url = f"http://{address}:{outside}/" if port["Type"] == "tcp" else ""
        result[text] = Port(text, url)
    return tuple(result.values())


def read_usage(stats: dict[str, Any]) -> Usage | None:
    """Return what a message of a stats stream says, None for one without values.

    As `docker stats` computes it: CPU time since the message before, and memory without the file
    cache that the kernel can reclaim.
    """
    memory, cpu, before = stats["memory_stats"], stats["cpu_stats"], stats["precpu_stats"]
    if not memory.get("usage") or not before.get("system_cpu_usage"):
        return None
    cpu_used = cpu["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    all_used = cpu["system_cpu_usage"] - before["system_cpu_usage"]
    details = memory.get("stats", {})
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Usage(
        100 * cpu.get("online_cpus", 1) * cpu_used / all_used if all_used > 0 else 0.0,
        memory["usage"] - cache if cache < memory["usage"] else memory["usage"],
    )
