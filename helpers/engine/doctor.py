"""`doctor`: look at everything the course needs; each part is asked by itself.

Starts and changes nothing lasting: one container is run and removed. Standard library only.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path

from helpers.engine import find, probe, standin
from helpers.engine.engine import Engine
from helpers.engine.owner import labels
from helpers.engine.private import PrivateEngine
from helpers.engine.vm import accelerator
from helpers.errors import EngineUnavailable
from helpers.results.doctor import DoctorReport, Row
from helpers.setup import environment

NEED_BYTES = 3_000_000_000
PORTS = (5000, 5005)
START = "python3 -m helpers lab"


def examine() -> DoctorReport:
    """Look at Python, engine, plugins, base image, disk, ports and accelerator."""
    rows = [Row("Python", True, f"{platform.python_version()}"),
            Row("environment", environment.is_ready(),
                "made from the lock" if environment.is_ready()
                else f"missing, outdated or of another folder: {START}")]
    engine_rows, engine = _engine_rows()
    rows += engine_rows
    free = shutil.disk_usage(Path.home()).free
    rows.append(Row("disk", free > NEED_BYTES, f"{free / 1e9:.0f} GB free"
                    + ("" if free > NEED_BYTES else "; the course needs 3 GB: make room")))
    rows += [_port_row(port) for port in PORTS]
    rows.append(_accelerator_row(engine))
    return DoctorReport(tuple(rows))


def _engine_rows() -> tuple[list[Row], Engine | None]:
    try:
        engine = find.find_own(install=False)
    except EngineUnavailable as error:
        return [Row("engine", False, f"{error.message} → {error.hint}")], None
    if engine is None:
        private = PrivateEngine()
        answer = private.answer()
        if answer is None:
            why = private.refusal()
            return [Row("engine", False, f"none answers, and {why}" if why else
                        f"none answers yet; the course starts a private one: {START}")], None
        engine = private.engine(answer.version)
    rows = [Row("engine", True, f"{engine.version}, "
                + ("your own" if engine.kind == "own" else "private, from Debian packages")
                + f", {probe.image_store(engine.host)} image store"
                + f", at {engine.host.replace(str(Path.home()), '~')}")]
    for name, command in (("BuildKit", "buildx"), ("Compose", "compose")):
        said = engine.run(command, "version")
        rows.append(Row(name, said.returncode == 0,
                        (said.stdout or said.stderr).strip().splitlines()[0]
                        + ("; the course's client, yours is older or incomplete"
                           if engine.kind == "own" and engine.has_course_client else "")))
    base = standin.base_image(engine)
    rows.append(Row("base image", base != "missing",
                    f"{standin.REAL}: {base}" + (f" → {START}" if base == "missing" else "")))
    if base != "missing":
        rows.append(_run_row(engine))
    return rows, engine


def _run_row(engine: Engine) -> Row:
    done = engine.run("run", "--rm", *(f"--label={k}={v}" for k, v in labels().items()),
                      standin.image_for(engine, standin.REAL), "python", "-c", "print('hello')")
    good = done.returncode == 0 and done.stdout.strip() == "hello"
    return Row("a container runs", good,
               "yes" if good else f"no: {(done.stderr.strip().splitlines() or ['?'])[-1]}")


def _port_row(port: int) -> Row:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return Row(f"port {port}", False, "taken by another program; stop it first "
                       f"(who: ss -ltnp 'sport = :{port}')")
    return Row(f"port {port}", True, "free")


def _accelerator_row(engine: Engine | None) -> Row:
    for where in ("host", "container") if engine else ():
        known = accelerator.remembered(engine, where)
        if known:
            return Row("VM accelerator", True,
                       f"{known.text()}; to try anew: python3 -m helpers clean")
    kvm = Path("/dev/kvm")
    if platform.system() == "Linux" and kvm.exists():
        may = os.access(kvm, os.R_OK | os.W_OK)
        return Row("VM accelerator", True, "/dev/kvm is there" + (
            ", not tried yet (it can be there and hang)" if may
            else ", but not for this user: emulation"))
    return Row("VM accelerator", True, "none: virtual machines are emulated, and slower")
