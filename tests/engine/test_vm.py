"""Real virtual machines: booted, hung, broken, interrupted, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.engine import answers, processes
from helpers.engine.engine import Engine
from helpers.engine.owner import CHECKOUT
from helpers.engine.vm import accelerator, guests
from helpers.engine.vm.machine import ANSWER, KERNEL, PHASES, PROCESS, GuestNotReady, boot
from helpers.errors import CourseError
from helpers.experiments.startup import compare_startup
from helpers.results.startup import CONTAINER, FULL_VM, MINIMAL_VM
from helpers.setup import packages
from helpers.setup.console import cache_dir

pytestmark = pytest.mark.engine


def qemus() -> set[int]:
    """The QEMU processes of this machine."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().startswith("qemu-system"):
                found.add(int(process.name))
        except OSError:
            continue
    return found


def of_this_test(pid: int) -> bool:
    """Whether a process was started by this one, or by one that this one started."""
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = processes.parent(pid)
    return False


@pytest.fixture(autouse=True)
def no_qemu_and_no_file_left(leaves_nothing: None) -> Iterator[None]:
    """After each test: no QEMU of its own and no file in the checkout more than before it.

    A QEMU in a container is counted with its container.
    """
    def seen() -> tuple[set[int], set[str]]:
        listed = subprocess.run(["git", "status", "--porcelain", "--ignored"], cwd=CHECKOUT,
                                text=True, capture_output=True, check=True).stdout
        return set(filter(of_this_test, qemus())), {
            line for line in listed.splitlines()
            if "__pycache__" not in line and "_cache/" not in line}

    before = seen()
    yield
    assert seen() == before


@pytest.fixture(scope="module")
def found(engine: Engine) -> accelerator.Accelerator:
    return accelerator.find(engine)


def test_a_guest_reaches_every_phase_and_answers(engine: Engine,
                                                 found: accelerator.Accelerator) -> None:
    with boot(engine, guests.MINIMAL, accelerator=found.name) as machine:
        machine.wait_for(ANSWER)
        assert list(machine.console.moments) == list(PHASES)
        assert sorted(machine.console.moments.values()) == list(machine.console.moments.values())
        told = answers.about(machine.ask("/cgi-bin/about"))
        assert machine.pid in qemus()
    assert told["hostname"] == "guest" and told["first_process"].startswith("busybox httpd")
    assert told["boot_id"] != Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_guest_that_hangs_names_the_phase_it_reached(engine: Engine,
                                                       found: accelerator.Accelerator) -> None:
    told = r"was not ready within 8 s. It reached: kernel"
    with (pytest.raises(GuestNotReady, match=told) as e,
          boot(engine, guests.MINIMAL, accelerator=found.name,
               append="rdinit=/bin/cat") as machine):
        machine.wait_for(ANSWER, 8)
    assert e.value.phase == KERNEL and "\n→ " in str(e.value)


def test_a_guest_whose_kernel_panics_ends_at_once(engine: Engine,
                                                  found: accelerator.Accelerator) -> None:
    began = time.monotonic()
    with (pytest.raises(GuestNotReady, match="ended by itself"),
          boot(engine, guests.MINIMAL, accelerator=found.name,
               append="rdinit=/bin/false") as machine):
        machine.wait_for(ANSWER)
    assert time.monotonic() - began < guests.MINIMAL.boot_seconds / 2


def test_a_qemu_that_cannot_start_says_why(engine: Engine) -> None:
    with (pytest.raises(GuestNotReady, match="invalid accelerator nonsense") as caught,
          boot(engine, guests.MINIMAL, accelerator="nonsense") as machine):
        machine.wait_for(ANSWER)
    assert caught.value.phase == PROCESS


def test_an_error_in_the_block_ends_the_guest(engine: Engine,
                                              found: accelerator.Accelerator) -> None:
    with (pytest.raises(ZeroDivisionError),
          boot(engine, guests.MINIMAL, accelerator=found.name) as machine):
        assert machine.pid in qemus()
        raise ZeroDivisionError


def test_the_trial_is_bounded_and_made_once(engine: Engine, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    guests.ensure(engine, guests.MACHINE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    began = time.monotonic()
    first = accelerator.find(engine)
    took = time.monotonic() - began
    assert took <= accelerator.TRIAL_SECONDS + 0.5      # half a second to look where QEMU is
    began = time.monotonic()
    assert accelerator.find(engine) == first
    assert time.monotonic() - began < 1.0


def test_an_accelerator_that_hangs_gives_way_to_emulation(
        engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's /dev/kvm does: a guest that never gets past its kernel."""
    from helpers.engine.vm import machine as machines

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(accelerator, "KVM", Path("/dev/null"))
    real = machines.qemu.command

    def hanging(*args: object, **more: object) -> list[str]:
        return real(*args, **{**more, "accelerator": "tcg", "append": "rdinit=/bin/cat"})

    monkeypatch.setattr(machines.qemu, "command", hanging)
    began = time.monotonic()
    found = accelerator._try(engine, "container")
    assert time.monotonic() - began <= accelerator.TRIAL_SECONDS
    assert found.emulated and "came no further than: kernel" in found.why


@pytest.fixture(scope="module")
def own_qemu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a QEMU of this machine's own, from the distribution's package."""
    root = cache_dir() / "test-qemu"
    packages.unpack(["qemu-system-x86"], root, suites=[packages.os_codename()])
    lib = ":".join(str(path) for path in root.glob("**/lib/*-linux-gnu"))
    folder = tmp_path_factory.mktemp("qemu")
    script = folder / "qemu-system-x86_64"
    script.write_text(f"#!/bin/sh\nexport LD_LIBRARY_PATH={lib}\n"
                      f"exec {root}/usr/bin/qemu-system-x86_64 -L {root}/usr/share/seabios "
                      f'-L {root}/usr/share/qemu "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the test's QEMU is an x86 one")
def test_this_machines_own_qemu_is_used_where_there_is_one(
        engine: Engine, own_qemu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpers.engine.vm.machine import place

    assert place(engine) == "container" or shutil.which("qemu-system-x86_64")
    monkeypatch.setenv("PATH", f"{own_qemu}:{os.environ['PATH']}")
    assert place(engine) == "host"
    containers = engine.run("ps", "-aq").stdout
    with boot(engine, guests.MINIMAL, accelerator="tcg") as machine:
        machine.wait_for(ANSWER)
        assert machine.where == "host" and machine.pid in qemus()
        assert engine.run("ps", "-aq").stdout == containers
        assert answers.about(machine.ask("/cgi-bin/about"))["hostname"] == "guest"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the test's QEMU is an x86 one")
def test_this_machines_own_qemu_dies_with_a_killed_notebook(engine: Engine, own_qemu: Path) -> None:
    code = ("from helpers.engine.find import connect\n"
            "from helpers.engine.vm import guests, machine\n"
            "with machine.boot(connect(), guests.MINIMAL, accelerator='tcg') as booted:\n"
            "    print(booted.where, booted.pid, flush=True)\n"
            "    booted.wait_for(machine.ANSWER)\n")
    env = {**engine.env, "PATH": f"{own_qemu}:{os.environ['PATH']}"}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                             env=env, cwd=CHECKOUT)
    assert child.stdout is not None
    where, pid = child.stdout.readline().split()
    assert where == "host"
    child.kill()
    child.wait(10)
    deadline = time.monotonic() + 5
    while int(pid) in qemus() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert int(pid) not in qemus()


def test_ctrl_c_keeps_the_samples_so_far_and_kills_the_guest(engine: Engine) -> None:
    code = ("from helpers.experiments.startup import compare_startup\n"
            "found = compare_startup(20, on_progress=lambda line: print(line, flush=True))\n"
            "print(found.headline(), found.interrupted, len(found.samples), flush=True)\n")
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                             env=engine.env, cwd=CHECKOUT)
    assert child.stdout is not None
    try:
        for line in child.stdout:
            if line.startswith("start 6 of 42: minimal VM"):      # round 1 is complete
                time.sleep(1.5)
                child.send_signal(signal.SIGINT)
                break
        rest = child.stdout.read()
        assert child.wait(30) == 0, rest
    finally:
        child.kill()
    assert "1 round of 20, then stopped" in rest and "True 2" in rest


def test_ctrl_c_before_the_first_round_is_ctrl_c(monkeypatch: pytest.MonkeyPatch,
                                                 engine: Engine) -> None:
    from helpers.experiments import startup

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(startup, "start_once", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare_startup(2, engine=engine)


def test_the_full_guest_is_a_whole_debian(engine: Engine,
                                          found: accelerator.Accelerator) -> None:
    """The one cell of chapter 01 that costs minutes: made, booted, compared."""
    compared = compare_startup(1, (CONTAINER, FULL_VM), warm_up=False, engine=engine)
    assert compared.kinds == (CONTAINER, FULL_VM)
    assert "the container came before the full VM" in compared.facts()
    with boot(engine, guests.FULL, accelerator=found.name) as machine:
        machine.wait_for(ANSWER)
        told = answers.about(machine.ask("/cgi-bin/about"))
        shown = "\n".join(machine.console.lines())
    assert "systemd" in told["first_process"] or "init" in told["first_process"]
    assert "Multi-User System" in shown
    assert sum(guests.file_sizes(engine, guests.FULL).values()) > 200e6


def test_both_kinds_are_compared_and_named(engine: Engine) -> None:
    compared = compare_startup(1, engine=engine)
    assert compared.kinds == (CONTAINER, MINIMAL_VM) and len(compared.warm_up) == 2
    assert compared.moments(CONTAINER) == (
        "created", "started", "first output", "first answer", "exited", "removed")
    assert compared.moments(MINIMAL_VM)[-3:] == ("first output", "first answer", "removed")
    assert compared.accelerator == accelerator.find(engine) and compared.meaning


def test_images_are_made_once(engine: Engine) -> None:
    guests.ensure(engine, guests.SERVER)
    made = engine.client.images.get(guests.SERVER).id
    guests.ensure(engine, guests.SERVER)
    assert engine.client.images.get(guests.SERVER).id == made
    with pytest.raises(CourseError, match="no guests for the architecture"):
        from helpers.engine.vm.machine import architecture

        class Odd:
            class client:
                @staticmethod
                def info() -> dict[str, str]:
                    return {"Architecture": "riscv64"}

        architecture(Odd())
