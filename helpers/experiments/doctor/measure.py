"""Checks everything the course needs on this machine; changes nothing that lasts."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from helpers import bootstrap
from helpers.engine import base_image, find, probe
from helpers.engine.engine import Engine
from helpers.engine.labels import label_args
from helpers.engine.private import PrivateEngine
from helpers.errors import EngineUnavailable
from helpers.experiments.doctor.result import DoctorReport, Row
from helpers.process import error_line, is_port_free
from helpers.vm import accelerator

NEEDED_BYTES = 3_000_000_000
PORTS = (5000, 5005)
START = "python3 -m helpers lab"


def examine() -> DoctorReport:
    """Check Python, engine, plugins, base image, disk, ports and accelerator.

    Example:
        examine().ok
    """
    engine, engine_row = _find_engine()
    rows = [Row("Python", True, platform.python_version()), _check_environment(), engine_row]
    if engine:
        rows += [_check_plugin(engine, "Buildx", "buildx")]
        rows += [_check_plugin(engine, "Compose", "compose")]
        rows += _check_base_image(engine)
    rows += [_check_disk(), *map(_check_port, PORTS), _check_accelerator(engine)]
    return DoctorReport(tuple(rows))


def _check_environment() -> Row:
    if bootstrap.is_ready():
        return Row("environment", True, "up to date")
    return Row("environment", False, f"missing, outdated or from another folder → {START}")


def _find_engine() -> tuple[Engine | None, Row]:
    """Return the engine that the course would use, without starting one, and its row."""
    try:
        engine = find.find_user_engine(install=False)
    except EngineUnavailable as error:
        return None, Row("engine", False, f"{error.message} → {error.hint}")
    if engine is None:
        private = PrivateEngine()
        answer = private.answer()
        if answer is None:
            reason = private.unavailable_reason()
            text = f"not running. {reason} → {find.install_hint()}"
            if not reason:
                text = f"not running → to start the private engine: {START}"
            return None, Row("engine", False, text)
        engine = private.engine(answer.version)
    origin = "your own" if engine.kind == "user" else "private, from Debian packages"
    store = probe.image_store(engine.host)
    host = engine.host.replace(str(Path.home()), "~")
    return engine, Row(
        "engine", True, f"{engine.version}, {origin}, {store} image store, at {host}"
    )


def _check_plugin(engine: Engine, name: str, command: str) -> Row:
    completed = engine.run(command, "version")
    seen = (completed.stdout or completed.stderr).strip().splitlines()[0]
    if engine.kind == "user" and engine.has_course_client:
        seen += " (the course's own; yours is missing, incomplete or too old)"
    return Row(name, completed.returncode == 0, seen)


def _check_base_image(engine: Engine) -> Iterator[Row]:
    """Yield whether the base image is there and, if it is, whether a container of it runs."""
    state = base_image.find_kind(engine)
    if state == "missing":
        yield Row("base image", False, f"{base_image.REAL}: missing → {START}")
        return
    yield Row("base image", True, f"{base_image.REAL}: {state}")
    image = base_image.image_for(engine, base_image.REAL)
    completed = engine.run("run", "--rm", *label_args(), image, "python", "-c", "print('hello')")
    ok = completed.returncode == 0 and completed.stdout.strip() == "hello"
    yield Row("a container runs", ok, "yes" if ok else f"no: {error_line(completed)}")


def _check_disk() -> Row:
    free = shutil.disk_usage(Path.home()).free
    ok = free > NEEDED_BYTES
    hint = "" if ok else "; the course needs 3 GB: free some space"
    return Row("disk", ok, f"{free / 1e9:.0f} GB free{hint}")


def _check_port(port: int) -> Row:
    if is_port_free(port):
        return Row(f"port {port}", True, "free")
    find_it = f"sudo ss -ltnp 'sport = :{port}'"
    if platform.system() == "Darwin":
        find_it = f"lsof -nP -iTCP:{port} -sTCP:LISTEN"
    seen = f"in use by another program → stop that program; to find it: {find_it}"
    return Row(f"port {port}", False, seen)


def _check_accelerator(engine: Engine | None) -> Row:
    kvm = Path("/dev/kvm")
    known = engine and (
        accelerator.recall(engine, "host") or accelerator.recall(engine, "container")
    )
    if known:
        seen = known.text()
    elif platform.system() != "Linux":
        seen = "not tested yet; chapter 01 tests it"
    elif not kvm.exists():
        seen = "no /dev/kvm, so QEMU will emulate virtual machines, which is slower"
    elif os.access(kvm, os.R_OK | os.W_OK):
        seen = "/dev/kvm exists and has not been tested yet; chapter 01 tests it"
    else:
        seen = "no permission to open /dev/kvm; chapter 01 tries it in a container"
    return Row("VM accelerator", True, seen)
