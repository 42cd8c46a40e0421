"""The accelerator of virtual machines: chosen by a test boot with a time limit, then remembered.

That `/dev/kvm` exists proves nothing, because it can hang: the minimal guest has to reach its user
space with it. A trial takes TRIAL_SECONDS at most, once per machine; emulation (QEMU's TCG) needs
no trial and is the fallback.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import CourseError, GuestNotReady
from helpers.paths import cache_dir
from helpers.vm import guests
from helpers.vm.machine import USER_SPACE, Where, boot, choose_place
from helpers.vm.qemu import TCG

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

TRIAL_SECONDS = 5.0
# The part of it that starting and killing the trial's container takes.
CONTAINER_SECONDS = 1.5
# For a QEMU installed on this machine; in a container the accelerator is always KVM.
HARDWARE = {"Linux": "kvm", "Darwin": "hvf"}
KVM = Path("/dev/kvm")


@dataclass(frozen=True)
class Accelerator:
    """What runs the guest's instructions: "kvm", "hvf", or "tcg" (emulation), and why."""

    name: str
    why: str

    @property
    def emulated(self) -> bool:
        """Whether software emulates the guest's CPU."""
        return self.name == TCG

    def text(self) -> str:
        """Return the accelerator in words, for a table."""
        if self.emulated:
            return f"software emulation (QEMU TCG; {self.why})"
        return f"hardware virtualization ({self.name.upper()}; {self.why})"

    def meaning(self) -> str:
        """Return what the accelerator does to the virtual machine's numbers, in words."""
        if self.emulated:
            return (
                "Hardware virtualization is not usable here, so QEMU emulates the CPU in software.\n"
                "With hardware virtualization the virtual machine would boot several times faster:\n"
                "this is not a fair comparison for the VM."
            )
        return (
            "The guest's instructions run directly on the CPU, as on a server:\n"
            "this is a fair comparison for the VM."
        )


def find(engine: Engine, on_progress: Callable[[str], None] | None = None) -> Accelerator:
    """Return the accelerator to use on this machine; the first call makes a test boot."""
    where = choose_place(engine)
    known = recall(engine, where)
    if known is None:
        guests.ensure(engine, guests.MACHINE, on_progress)  # does not count as trial time
        if on_progress:
            on_progress("testing hardware virtualization, at most 5 s")
        known = try_hardware(engine, where)
        remember(engine, where, known)
    return known


def try_hardware(engine: Engine, where: Where) -> Accelerator:
    """Boot the minimal guest with hardware virtualization; return it, or TCG and the reason."""
    name = HARDWARE[platform.system()] if where == "host" else "kvm"
    if name == "kvm" and platform.system() == "Linux" and engine.host.startswith("unix:"):
        if not KVM.exists():
            return Accelerator(TCG, "there is no /dev/kvm")
        if where == "host" and not os.access(KVM, os.R_OK | os.W_OK):
            return Accelerator(TCG, "no permission to use /dev/kvm")
    began = time.monotonic()
    try:
        with boot(engine, guests.MINIMAL, accelerator=name, where=where) as machine:
            left = TRIAL_SECONDS - CONTAINER_SECONDS - (time.monotonic() - began)
            machine.wait_for(USER_SPACE, max(0.5, left))
    except GuestNotReady as error:
        return Accelerator(
            TCG, f"a test boot with {name.upper()} did not finish (last phase: {error.phase})"
        )
    except CourseError as error:
        return Accelerator(TCG, f"{name.upper()} cannot be used: {error.message[-120:]}")
    return Accelerator(name, "a test boot succeeded")


def recall(engine: Engine, where: str) -> Accelerator | None:
    """Return the result of an earlier trial on this machine, or None if there was none."""
    try:
        return Accelerator(**json.loads(result_file(engine, where).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remember(engine: Engine, where: str, accelerator: Accelerator) -> None:
    """Save the result of a trial."""
    file = result_file(engine, where)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(accelerator)))


def forget() -> None:
    """Delete all trial results, so that the next virtual machine starts with a trial."""
    shutil.rmtree(cache_dir() / "accelerator", ignore_errors=True)


def result_file(engine: Engine, where: str) -> Path:
    """Return the file of a trial's result; its name changes with kernel, engine and /dev/kvm."""
    kvm = os.access(KVM, os.R_OK | os.W_OK) if KVM.exists() else None
    machine = (where, engine.host, platform.node(), platform.release(), str(kvm))
    name = hashlib.sha256("|".join(machine).encode()).hexdigest()[:16]
    return cache_dir() / "accelerator" / f"{name}.json"
