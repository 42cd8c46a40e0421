"""What speeds a virtual machine up here, found by a trial boot that is bounded and remembered.

A `/dev/kvm` can be there and hang, so that it is there proves nothing: the minimal guest has to
reach its user space with it. A trial costs TRIAL_SECONDS at most, once a machine; emulation
(QEMU's TCG) needs no trial and is what remains.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import CourseError
from helpers.results.accelerator import TCG, Accelerator
from helpers.setup.console import cache_dir

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

TRIAL_SECONDS = 5.0
# Of that: for starting and killing the trial's container.
AROUND_SECONDS = 1.5
# By the system that a QEMU of the machine itself runs on; in a container it is always KVM.
HARDWARE = {"Linux": "kvm", "Darwin": "hvf"}
KVM = Path("/dev/kvm")


def find(engine: Engine, on_progress: Callable[[str], None] | None = None) -> Accelerator:
    """The accelerator to use on this machine: remembered, or found now by a trial boot."""
    from helpers.engine.vm import guests
    from helpers.engine.vm.machine import place

    where = place(engine)
    known = remembered(engine, where)
    if known is None:
        guests.ensure(engine, guests.MACHINE, on_progress)      # not a part of the trial's time
        if on_progress:
            on_progress("a trial boot with hardware virtualisation, 5 s at most")
        known = _try(engine, where)
        _remember(engine, where, known)
    return known


def remembered(engine: Engine, where: str) -> Accelerator | None:
    """What an earlier trial on this machine found, or None where there was none."""
    try:
        known = json.loads(_file(engine, where).read_text())
        return Accelerator(known["name"], known["why"])
    except (OSError, ValueError, KeyError):
        return None


def forget() -> None:
    """Forget all findings, so that the next virtual machine begins with a trial."""
    shutil.rmtree(_folder(), ignore_errors=True)


def _try(engine: Engine, where: str) -> Accelerator:
    from helpers.engine.vm import guests
    from helpers.engine.vm.machine import USER_SPACE, GuestNotReady, boot

    name = HARDWARE[platform.system()] if where == "host" else "kvm"
    if name == "kvm" and platform.system() == "Linux" and engine.host.startswith("unix:"):
        if not KVM.exists():
            return Accelerator(TCG, "there is no /dev/kvm")
        if where == "host" and not os.access(KVM, os.R_OK | os.W_OK):
            return Accelerator(TCG, "this user may not use /dev/kvm")
    began = time.monotonic()
    try:
        with boot(engine, guests.MINIMAL, accelerator=name, where=where) as machine:
            left = TRIAL_SECONDS - AROUND_SECONDS - (time.monotonic() - began)
            machine.wait_for(USER_SPACE, max(0.5, left))
    except GuestNotReady as error:
        return Accelerator(TCG, f"a trial boot with {name.upper()} "
                                     f"came no further than: {error.phase}")
    except CourseError as error:
        return Accelerator(TCG, f"{name.upper()} cannot be used: {error.message[-120:]}")
    return Accelerator(name, "a trial boot succeeded")


def _remember(engine: Engine, where: str, found: Accelerator) -> None:
    file = _file(engine, where)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(asdict(found)))
    part.replace(file)


def _file(engine: Engine, where: str) -> Path:
    """Where the finding is kept: another kernel, QEMU, or right to /dev/kvm is another machine."""
    kvm = os.access(KVM, os.R_OK | os.W_OK) if KVM.exists() else None
    told = (where, engine.host, platform.node(), platform.release(), str(kvm))
    name = hashlib.sha256("|".join(told).encode()).hexdigest()[:16]
    return _folder() / f"{name}.json"


def _folder() -> Path:
    return cache_dir() / "accelerator"
