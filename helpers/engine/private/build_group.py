"""The control group of a private engine in which the exercises' builds run, with limits.

BuildKit ignores limits on the memory of a build (moby/buildkit#593), but it runs the steps in the
group that `--cgroup-parent` names. One name for all tries keeps the cache, of which it is a part.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from helpers.engine.private.privileges import run_quietly

CGROUPS = Path("/sys/fs/cgroup")
MEMORY_BYTES, PROCESSES = 1500 * 2**20, 400
CPU_PERIOD = 100_000  # microseconds


def name_group(host: str) -> str:
    """Return the name of an engine's group, different for each engine."""
    return f"dcourse-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def list_limits(name: str) -> dict[Path, str]:
    """Return the limits of a group: the files that hold them, and their values.

    Source: the kernel's admin-guide/cgroup-v1 and admin-guide/cgroup-v2.
    """
    root = CGROUPS
    quota = (os.cpu_count() or 1) * CPU_PERIOD * 3 // 4
    if (root / "cgroup.controllers").exists():
        group = root / name
        return {
            group / "memory.max": str(MEMORY_BYTES),
            group / "memory.swap.max": "0",
            group / "pids.max": str(PROCESSES),
            group / "cpu.max": f"{quota} {CPU_PERIOD}",
        }
    memory = root / "memory" / name
    limits = {
        memory / "memory.use_hierarchy": "1",  # the limit holds for groups below
        memory / "memory.limit_in_bytes": str(MEMORY_BYTES),
        root / "pids" / name / "pids.max": str(PROCESSES),
        root / "cpu" / name / "cpu.cfs_quota_us": str(quota),
    }
    with_swap = "memory.memsw.limit_in_bytes"
    if (root / "memory" / with_swap).exists():  # some kernels don't count swap
        limits[memory / with_swap] = str(MEMORY_BYTES)
    return limits


def make_group(host: str) -> None:
    """Make the group; where that is impossible, `has_limits` says so."""
    limits = list_limits(name_group(host))
    lines = [f"mkdir -p {file.parent} && echo {value} > {file}" for file, value in limits.items()]
    run_quietly(["sh", "-c", "\n".join(lines)])


def has_limits(host: str) -> bool:
    """Return whether the group is there and all of its limits hold."""
    try:
        limits = list_limits(name_group(host)).items()
        return all(file.read_text().strip() == value for file, value in limits)
    except OSError:
        return False


def remove_group(host: str) -> None:
    """Remove the group of a stopped engine, in each hierarchy of control groups."""
    name = name_group(host)
    if folders := [str(p) for p in (CGROUPS / name, *CGROUPS.glob(f"*/{name}")) if p.is_dir()]:
        run_quietly(["find", *folders, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
