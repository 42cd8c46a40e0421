"""Real virtual machines: booted, hanging, broken, interrupted, and removed afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers import process
from helpers.engine.engine import Engine
from helpers.engine.labels import SESSION_LABEL
from helpers.errors import CourseError, GuestNotReady
from helpers.experiments.startup.measure import compare_startup
from helpers.experiments.startup.result import CONTAINER, FULL_VM, MINIMAL_VM
from helpers.paths import CHECKOUT, cache_dir
from helpers.setup import packages
from helpers.vm import accelerator, guests
from helpers.vm.machine import ANSWER, KERNEL, PHASES, PROCESS, Machine, boot
from tests.inventory import session

pytestmark = pytest.mark.engine


def qemus() -> set[int]:
    """Return the QEMU processes of this machine."""
    return {
        each.pid
        for each in psutil.process_iter(["name"])
        if (each.info["name"] or "").startswith("qemu-system")
    }


@pytest.fixture(autouse=True)
def no_qemu_and_no_file_left(leaves_nothing: None) -> Iterator[None]:
    """Check that a test leaves no QEMU process that it started, and no file in the checkout.

    A QEMU in a container is counted with its container.
    """

    def current() -> tuple[set[int], set[str]]:
        listed = subprocess.run(
            ["git", "status", "--porcelain", "--ignored"],
            cwd=CHECKOUT,
            text=True,
            capture_output=True,
            check=True,
        ).stdout
        return qemus() & set(process.children(os.getpid(), recursive=True)), {
            line
            for line in listed.splitlines()
            if "__pycache__" not in line and "_cache/" not in line
        }

    before = current()
    yield
    assert current() == before


@pytest.fixture(scope="module")
def chosen(engine: Engine) -> accelerator.Accelerator:
    return accelerator.find(engine)


def test_guest_reaches_every_phase(engine: Engine, chosen: accelerator.Accelerator) -> None:
    with boot(engine, guests.MINIMAL, accelerator=chosen.name) as machine:
        machine.wait_for(ANSWER)
        assert list(machine.console.moments) == list(PHASES)
        assert sorted(machine.console.moments.values()) == list(machine.console.moments.values())
        about = machine.about()
        assert machine.pid in qemus()
    assert about["hostname"] == "guest" and about["first_process"].startswith("busybox httpd")
    assert about["boot_id"] != Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_hanging_guest_names_its_phase(engine: Engine, chosen: accelerator.Accelerator) -> None:
    with (
        pytest.raises(
            GuestNotReady, match=r"not ready within 8 s. Last phase reached: kernel"
        ) as caught,
        boot(engine, guests.MINIMAL, accelerator=chosen.name, append="rdinit=/bin/cat") as machine,
    ):
        machine.wait_for(ANSWER, 8)
    assert caught.value.phase == KERNEL and caught.value.hint


def test_kernel_panic_ends_at_once(engine: Engine, chosen: accelerator.Accelerator) -> None:
    began = time.monotonic()
    with (
        pytest.raises(GuestNotReady, match="ended by itself"),
        boot(
            engine, guests.MINIMAL, accelerator=chosen.name, append="rdinit=/bin/false"
        ) as machine,
    ):
        machine.wait_for(ANSWER)
    assert time.monotonic() - began < guests.MINIMAL.boot_seconds / 2


def test_failing_qemu_says_why(engine: Engine) -> None:
    with (
        pytest.raises(GuestNotReady, match="invalid accelerator nonsense") as caught,
        boot(engine, guests.MINIMAL, accelerator="nonsense") as machine,
    ):
        machine.wait_for(ANSWER)
    assert caught.value.phase == PROCESS


def test_error_in_block_ends_guest(engine: Engine, chosen: accelerator.Accelerator) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        boot(engine, guests.MINIMAL, accelerator=chosen.name) as machine,
    ):
        assert machine.pid in qemus()
        raise ZeroDivisionError


def test_trial_is_bounded_and_remembered(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests.ensure(engine, guests.MACHINE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    began = time.monotonic()
    first = accelerator.find(engine)
    took = time.monotonic() - began
    assert took <= accelerator.TRIAL_SECONDS + 0.5  # plus half a second to find QEMU
    began = time.monotonic()
    assert accelerator.find(engine) == first
    assert time.monotonic() - began < 1.0


def test_hanging_accelerator_falls_back(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest never gets past its kernel, whatever this machine's /dev/kvm does."""
    from helpers.vm import machine as machines

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(accelerator, "KVM", Path("/dev/null"))
    real = machines.qemu.command

    def hanging(*args: object, **more: object) -> list[str]:
        return real(*args, **{**more, "accelerator": "tcg", "append": "rdinit=/bin/cat"})

    monkeypatch.setattr(machines.qemu, "command", hanging)
    began = time.monotonic()
    chosen = accelerator.try_hardware(engine, "container")
    assert time.monotonic() - began <= accelerator.TRIAL_SECONDS
    assert chosen.emulated and "last phase: kernel" in chosen.why


@pytest.fixture(scope="module")
def installed_qemu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with QEMU from the distribution's package, as if it was installed."""
    root = cache_dir() / "test-qemu"
    packages.unpack(["qemu-system-x86"], root, suites=[packages.os_codename()])
    lib = ":".join(str(path) for path in root.glob("**/lib/*-linux-gnu"))
    folder = tmp_path_factory.mktemp("qemu")
    script = folder / "qemu-system-x86_64"
    script.write_text(
        f"#!/bin/sh\nexport LD_LIBRARY_PATH={lib}\n"
        f"exec {root}/usr/bin/qemu-system-x86_64 -L {root}/usr/share/seabios "
        f'-L {root}/usr/share/qemu "$@"\n'
    )
    script.chmod(0o755)
    return folder


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the test's QEMU is an x86 one")
def test_installed_qemu_is_used(
    engine: Engine, installed_qemu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.vm.machine import choose_place

    assert choose_place(engine) == "container" or shutil.which("qemu-system-x86_64")
    monkeypatch.setenv("PATH", f"{installed_qemu}:{os.environ['PATH']}")
    assert choose_place(engine) == "host"
    course_containers = ("ps", "-aq", "--filter", f"label={SESSION_LABEL}={session()}")
    before = engine.run(*course_containers).stdout
    with boot(engine, guests.MINIMAL, accelerator="tcg") as machine:
        machine.wait_for(ANSWER)
        assert machine.where == "host" and machine.pid in qemus()
        assert engine.run(*course_containers).stdout == before
        assert machine.about()["hostname"] == "guest"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the test's QEMU is an x86 one")
def test_killed_notebook_kills_its_qemu(engine: Engine, installed_qemu: Path) -> None:
    code = (
        "from helpers.engine.find import connect\n"
        "from helpers.vm import guests, machine\n"
        "with machine.boot(connect(), guests.MINIMAL, accelerator='tcg') as booted:\n"
        "    print(booted.where, booted.pid, flush=True)\n"
        "    booted.wait_for(machine.ANSWER)\n"
    )
    env = {**engine.env, "PATH": f"{installed_qemu}:{os.environ['PATH']}"}
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env, cwd=CHECKOUT
    )
    assert child.stdout is not None
    where, pid = child.stdout.readline().split()
    assert where == "host"
    child.kill()
    child.wait(10)
    assert process.wait_until(lambda: int(pid) not in qemus(), 5)


def test_ctrl_c_keeps_complete_rounds(engine: Engine) -> None:
    code = (
        "from helpers.experiments.startup.measure import compare_startup\n"
        "result = compare_startup(20, on_progress=lambda line: print(line, flush=True))\n"
        "print(result.headline(), result.interrupted, len(result.samples), flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=engine.env,
        cwd=CHECKOUT,
    )
    assert child.stdout is not None
    try:
        for line in child.stdout:
            if line.startswith("start 6 of 42: minimal VM"):  # round 1 is complete
                time.sleep(1.5)
                child.send_signal(signal.SIGINT)
                break
        rest = child.stdout.read()
        assert child.wait(30) == 0, rest
    finally:
        child.kill()
    assert "1 round of 20, then stopped" in rest and "True 2" in rest


def test_ctrl_c_before_first_round(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    from helpers.experiments.startup import measure as startup

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(startup, "start_once", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare_startup(2, engine=engine)


def test_full_guest_is_complete_debian(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one cell of chapter 01 that takes minutes: built, booted, comparison."""
    guest: dict[str, str] = {}

    @contextmanager
    def boot_and_look(*args: Any, **options: Any) -> Iterator[Machine]:
        with boot(*args, **options) as machine:
            yield machine
            guest.update(machine.about(), console="\n".join(machine.console.lines()))

    monkeypatch.setattr("helpers.vm.machine.boot", boot_and_look)
    comparison = compare_startup(1, (CONTAINER, FULL_VM), warm_up=False, engine=engine)
    assert comparison.kinds == (CONTAINER, FULL_VM)
    assert "the container was faster than the full VM" in comparison.facts()
    assert "systemd" in guest["first_process"] or "init" in guest["first_process"]
    assert "Multi-User System" in guest["console"]
    assert sum(guests.file_sizes(engine, guests.FULL).values()) > 200e6


def test_both_kinds_are_compared(engine: Engine) -> None:
    comparison = compare_startup(1, warm_up=False, engine=engine)
    assert comparison.kinds == (CONTAINER, MINIMAL_VM)
    assert comparison.moments(CONTAINER) == ("created", "first output", "first answer", "removed")
    assert comparison.moments(MINIMAL_VM)[-3:] == ("first output", "first answer", "removed")
    assert comparison.accelerator == accelerator.find(engine)


def test_images_are_built_once(engine: Engine) -> None:
    guests.ensure(engine, guests.SERVER)
    built = engine.client.images.get(guests.SERVER).id
    guests.ensure(engine, guests.SERVER)
    assert engine.client.images.get(guests.SERVER).id == built
    with pytest.raises(CourseError, match="no virtual machines for the architecture"):
        from helpers.vm.machine import find_architecture

        class Odd:
            class client:
                @staticmethod
                def info() -> dict[str, str]:
                    return {"Architecture": "riscv64"}

        find_architecture(Odd())
