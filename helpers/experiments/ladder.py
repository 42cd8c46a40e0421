"""The ladder: one small program started as a process, in namespaces, by a runtime, by the engine.

Every rung starts the same BusyBox, `busybox echo hello`, and its time ends with the first line that
comes out. The rungs take turns. The virtual machines' numbers come from a startup comparison of the
same session. A rung that this machine cannot run is returned with the reason, never with a guess.
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
from helpers.engine.vm import accelerator, guests
from helpers.errors import CourseError
from helpers.experiments.startup import short_container
from helpers.results import ladder as told
from helpers.results.ladder import Ladder, Rung
from helpers.results.startup import FIRST_OUTPUT, FULL_VM, MINIMAL_VM, StartupComparison

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

PROGRAM = ("echo", "hello")
NAMESPACES = ("--fork", "--pid", "--mount", "--net", "--ipc", "--uts", "--cgroup")
RUN_SECONDS = 20
HOW = {
    told.PROCESS: "busybox echo hello",
    told.NAMESPACES: "unshare " + " ".join(NAMESPACES) + " busybox echo hello",
    told.RUNTIME: "runc run, on a folder with BusyBox in it",
    told.NO_NETWORK: f"docker run --rm --network none {guests.SERVER} echo hello",
    told.ENGINE: f"docker run --rm {guests.SERVER} echo hello",
    told.MINIMAL: "QEMU, a kernel, BusyBox",
    told.FULL: "QEMU, Debian with systemd",
}


class RungMissing(Exception):
    """A rung that cannot be run here; says why."""


def ladder(*startups: StartupComparison | None, repeats: int = 7,
           on_progress: Callable[[str], None] | None = None,
           engine: Engine | None = None) -> Ladder:
    """Climb the ladder `repeats` times; the virtual machines' rungs are those of `startups`.

    Raises CourseError for a wrong argument.
    """
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise CourseError(f"repeats is {repeats!r}.", "Give a whole number, 1 or more.")
    engine = engine or connect()
    say = on_progress or (lambda _: None)
    guests.ensure(engine, guests.SERVER, say)
    found: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="course-ladder-") as folder:
        ways = _ways(engine, Path(folder))
        for turn in range(repeats + 1):         # the first turn warms up
            for name, run in ways.items():
                say(f"turn {turn or 'to warm up'} of {repeats}: {name}")
                if name in missing:
                    continue
                try:
                    seconds = run()
                except RungMissing as error:
                    missing[name] = str(error)
                else:
                    if turn:
                        found.setdefault(name, []).append(seconds)
    for name, kind in ((told.MINIMAL, MINIMAL_VM), (told.FULL, FULL_VM)):
        for comparison in startups:
            if comparison and kind in comparison.kinds:
                found.setdefault(name, []).extend(comparison.all_seconds(kind, FIRST_OUTPUT))
        missing.setdefault(name, "not booted in this session")
    return Ladder(tuple(Rung(name, HOW[name], tuple(found.get(name, ())),
                             "" if name in found else missing[name]) for name in told.NAMES),
                  accelerator.find(engine, say))


def _ways(engine: Engine, folder: Path) -> dict[str, Callable[[], float]]:
    """How each rung below the virtual machines is run once."""
    def busybox() -> str:
        if platform.system() != "Linux":
            raise RungMissing(f"BusyBox is a Linux program, and this is {platform.system()}")
        return str(guests.busybox(engine))

    def engine_rung(network: str | None) -> float:
        return dict(short_container(engine, PROGRAM, network=network))[FIRST_OUTPUT]

    return {
        told.PROCESS: lambda: to_first_line([busybox(), *PROGRAM]),
        told.NAMESPACES: lambda: to_first_line([*_unshare(), busybox(), *PROGRAM]),
        told.RUNTIME: lambda: _runc(busybox(), folder),
        told.NO_NETWORK: lambda: engine_rung("none"),
        told.ENGINE: lambda: engine_rung(None),
    }


def to_first_line(command: list[str]) -> float:
    """The seconds from starting a program to its first line of output.

    Raises RungMissing with its last words when it ends without one.
    """
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=errors)
        except OSError as error:
            raise RungMissing(f"{command[0]}: {error.strerror}") from None
        try:
            assert child.stdout is not None
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
        words = errors.read().decode("utf-8", "replace").strip().splitlines()
        raise RungMissing(words[-1] if words else f"{command[0]} ended with code {code}")


def _unshare() -> list[str]:
    tool = shutil.which("unshare")
    if not tool:
        raise RungMissing("there is no unshare command here (Debian: util-linux)")
    return [tool, *NAMESPACES, *([] if os.geteuid() == 0 else ["--map-root-user"])]


def _runc(busybox: str, folder: Path) -> float:
    """One run of the runtime alone, on a bundle made for it; nothing of it is left."""
    tool = _runtime()
    bundle = folder / "bundle"
    if not bundle.is_dir():
        _make_bundle(tool, busybox, bundle)
    name = f"course-ladder-{secrets.token_hex(4)}"
    base = [tool, "--root", str(folder / "state")]
    try:
        return to_first_line([*base, "run", "--bundle", str(bundle), name])
    finally:        # only where the run was cut short is there still something to delete
        if (folder / "state" / name).exists():
            with contextlib.suppress(OSError):
                subprocess.run([*base, "delete", "--force", name], capture_output=True, check=False)


def _runtime() -> str:
    unpacked = PrivateEngine().root / "usr/sbin/runc"
    tool = shutil.which("runc") or (str(unpacked) if unpacked.is_file() else "")
    if not tool:
        raise RungMissing("there is no runc command on this machine")
    return tool


def _make_bundle(tool: str, busybox: str, bundle: Path) -> None:
    """A folder as the OCI runtime specification has it: config.json and rootfs."""
    (bundle / "rootfs/bin").mkdir(parents=True)
    for name in ("proc", "dev", "sys"):
        (bundle / "rootfs" / name).mkdir()
    shutil.copy2(busybox, bundle / "rootfs/bin/busybox")
    # The user is made root of a user namespace, as on the rung below.
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    made = subprocess.run([tool, "spec", *rootless, "--bundle", str(bundle)], text=True,
                          capture_output=True, check=False)
    if made.returncode != 0:
        raise RungMissing(f"runc spec: {made.stderr.strip()}")
    file = bundle / "config.json"
    config = json.loads(file.read_text())
    config["process"].update(terminal=False, args=["/bin/busybox", *PROGRAM])
    file.write_text(json.dumps(config))
