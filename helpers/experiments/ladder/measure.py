"""Start one small program as a process, in namespaces, by a runtime, and by the engine.

Every rung starts the same BusyBox, `busybox echo hello`, and its time ends with the first line of
output. The rungs take turns. The numbers of the virtual machines come from a startup comparison of
the same session. A rung that cannot run on this machine is returned with the reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.engine.find import connect
from helpers.engine.private import PrivateEngine
from helpers.errors import CourseError, RungMissing
from helpers.experiments.ladder.result import (
    ENGINE,
    FULL,
    MINIMAL,
    NAMES,
    NAMESPACES,
    NO_NETWORK,
    PROCESS,
    RUNTIME,
    Ladder,
    Rung,
)
from helpers.experiments.startup.measure import time_short_container
from helpers.experiments.startup.result import FIRST_OUTPUT, FULL_VM, MINIMAL_VM, StartupComparison
from helpers.process import error_line, run
from helpers.vm import accelerator, guests

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

PROGRAM = ("echo", "hello")
UNSHARE = ("--fork", "--pid", "--mount", "--net", "--ipc", "--uts", "--cgroup")
RUN_SECONDS = 20
HOW = {
    PROCESS: "busybox echo hello",
    NAMESPACES: "unshare " + " ".join(UNSHARE) + " busybox echo hello",
    RUNTIME: "runc run, with a bundle that contains BusyBox",
    NO_NETWORK: f"docker run --rm --network none {guests.SERVER} echo hello",
    ENGINE: f"docker run --rm {guests.SERVER} echo hello",
    MINIMAL: "QEMU, a kernel, BusyBox",
    FULL: "QEMU, Debian with systemd",
}


def measure_ladder(
    *startups: StartupComparison | None,
    repeats: int = 7,
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> Ladder:
    """Time every rung `repeats` times; the virtual machines' times are those of `startups`.

    Raises CourseError for an invalid argument.

    Example:
        measure_ladder(compare_startup(), repeats=5).facts()
    """
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise CourseError(f"Invalid repeats={repeats!r}.", "Use a whole number, 1 or more.")
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    guests.ensure(engine, guests.SERVER, progress)
    seconds, missing = _time_rungs(engine, repeats, progress)
    for name, kind in ((MINIMAL, MINIMAL_VM), (FULL, FULL_VM)):
        seconds[name] = [
            value
            for comparison in startups
            if comparison and kind in comparison.kinds
            for value in comparison.all_seconds(kind, FIRST_OUTPUT)
        ]
        missing[name] = "not booted in this session"
    rungs = tuple(
        Rung(name, HOW[name], tuple(seconds[name]), "" if seconds[name] else missing[name])
        for name in NAMES
    )
    return Ladder(rungs, accelerator.find(engine, progress))


def _time_rungs(
    engine: Engine, repeats: int, progress: Callable[[str], None]
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Time the rungs below the virtual machines in turn; return their seconds, or why not."""
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="course-ladder-") as folder:
        rungs = _rungs(engine, Path(folder))
        seconds: dict[str, list[float]] = {name: [] for name in rungs}
        for turn in range(repeats + 1):  # turn 0 warms up
            for name in [name for name in rungs if name not in missing]:
                progress(f"turn {turn or 'to warm up'} of {repeats}: {name}")
                try:
                    elapsed = rungs[name]()
                except RungMissing as error:
                    missing[name] = str(error)
                    continue
                if turn:
                    seconds[name].append(elapsed)
    return seconds, missing


def _rungs(engine: Engine, folder: Path) -> dict[str, Callable[[], float]]:
    """Return a function for each rung below the virtual machines, which runs and times it."""

    def busybox() -> str:
        if platform.system() != "Linux":
            raise RungMissing(f"BusyBox runs only on Linux, and this is {platform.system()}")
        return str(guests.copy_busybox(engine))

    def time_engine(network: str | None) -> float:
        return time_short_container(engine, PROGRAM, network=network)[FIRST_OUTPUT]

    return {
        PROCESS: lambda: time_to_first_line([busybox(), *PROGRAM]),
        NAMESPACES: lambda: time_to_first_line([*_unshare(), busybox(), *PROGRAM]),
        RUNTIME: lambda: _time_runtime(busybox(), folder),
        NO_NETWORK: lambda: time_engine("none"),
        ENGINE: lambda: time_engine(None),
    }


def time_to_first_line(command: list[str]) -> float:
    """Return the seconds from starting a program to its first line of output.

    Raises RungMissing with its error message if it fails or prints nothing.
    """
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        except OSError as error:
            raise RungMissing(f"{command[0]}: {error.strerror}") from None
        assert child.stdout is not None
        try:
            line = child.stdout.readline()
            seconds = time.perf_counter() - began
            code = child.wait(RUN_SECONDS)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        if line and code == 0:
            return seconds
        errors.seek(0)
        lines = errors.read().decode("utf-8", "replace").strip().splitlines()
        raise RungMissing(lines[-1] if lines else f"{command[0]} ended with code {code}")


def _unshare() -> list[str]:
    """Return the command that starts a program in new namespaces."""
    tool = shutil.which("unshare")
    if not tool:
        raise RungMissing("there is no unshare command on this machine (Debian: util-linux)")
    return [tool, *UNSHARE, *([] if os.geteuid() == 0 else ["--map-root-user"])]


def _time_runtime(busybox: str, folder: Path) -> float:
    """Time one run of the OCI runtime without an engine, on a bundle in `folder`."""
    runc = _find_runc()
    bundle = folder / "bundle"
    if not bundle.is_dir():
        _make_bundle(runc, busybox, bundle)
    name = f"course-ladder-{secrets.token_hex(4)}"
    command = [runc, "--root", str(folder / "state")]
    try:
        return time_to_first_line([*command, "run", "--bundle", str(bundle), name])
    finally:
        if (folder / "state" / name).exists():  # the run was interrupted
            with contextlib.suppress(OSError):
                run([*command, "delete", "--force", name])


def _find_runc() -> str:
    """Return the path of runc, which may be the private engine's."""
    unpacked = PrivateEngine().root / "usr/sbin/runc"
    tool = shutil.which("runc") or (str(unpacked) if unpacked.is_file() else "")
    if not tool:
        raise RungMissing("there is no runc command on this machine")
    return tool


def _make_bundle(runc: str, busybox: str, bundle: Path) -> None:
    """Create a bundle as the OCI runtime specification defines it: config.json and rootfs."""
    (bundle / "rootfs/bin").mkdir(parents=True)
    for name in ("proc", "dev", "sys"):
        (bundle / "rootfs" / name).mkdir()
    shutil.copy2(busybox, bundle / "rootfs/bin/busybox")
    # Without root, runc uses a user namespace, as unshare does on the rung below.
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    completed = run([runc, "spec", *rootless, "--bundle", str(bundle)])
    if completed.returncode != 0:
        raise RungMissing(f"runc spec: {error_line(completed)}")
    file = bundle / "config.json"
    config = json.loads(file.read_text())
    config["process"].update(terminal=False, args=["/bin/busybox", *PROGRAM])
    file.write_text(json.dumps(config))
