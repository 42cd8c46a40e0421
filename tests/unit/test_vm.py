"""Virtual machines without QEMU: its command line, a console's phases, remembered trials."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.vm import accelerator, answers, guests, qemu
from helpers.vm.accelerator import Accelerator
from helpers.vm.machine import FIRMWARE, KERNEL, PROCESS, USER_SPACE, Console, Machine, find_qemu

ENGINE = Engine("unix:///nowhere/docker.sock", "private", "26.1.5")
BOOT = (
    b"course: process\n\x1bc\x1b[2JSeaBIOS (version 1.16)\r\nBooting from ROM..\r\n"
    b"[    0.0] Linux version 6.12\r\ncourse: user space\r\n"
)


def test_command_line_per_architecture() -> None:
    pc = qemu.command(
        guests.MINIMAL, "/guest", architecture="x86_64", accelerator="tcg", listen="0.0.0.0:8080"
    )
    arm = qemu.command(
        guests.MINIMAL, "/guest", architecture="aarch64", accelerator="hvf", listen="127.0.0.1:1"
    )
    assert pc[0] == "qemu-system-x86_64" and arm[0] == "qemu-system-aarch64"
    assert pc[pc.index("-machine") + 1] == "pc,accel=tcg"
    assert arm[arm.index("-machine") + 1] == "virt,accel=hvf"
    assert (pc[pc.index("-cpu") + 1], arm[arm.index("-cpu") + 1]) == ("max", "host")
    assert "console=ttyS0" in pc[pc.index("-append") + 1]
    assert "console=ttyAMA0" in arm[arm.index("-append") + 1]
    assert "user,id=net,hostfwd=tcp:0.0.0.0:8080-:80" in pc
    assert "-drive" not in pc and pc[pc.index("-m") + 1] == "128M"


def test_full_guest_disk_keeps_nothing() -> None:
    line = qemu.command(
        guests.FULL,
        "/guest",
        architecture="x86_64",
        accelerator="kvm",
        listen="0.0.0.0:8080",
        append="quiet",
    )
    assert "snapshot=on" in line[line.index("-drive") + 1]
    assert line[line.index("-append") + 1].endswith("root=/dev/vda rw quiet")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_phases_in_chunks_of_any_size(size: int) -> None:
    chunks = [BOOT[at : at + size] for at in range(0, len(BOOT), size)]
    console = Console(iter(chunks), None)
    assert console.wait_for(USER_SPACE, time.perf_counter() + 5)
    console._thread.join(5)
    assert list(console.moments) == [PROCESS, FIRMWARE, KERNEL, USER_SPACE]
    assert sorted(console.moments.values()) == list(console.moments.values())
    assert console.lines()[0] == "SeaBIOS (version 1.16)"
    assert console.lines()[-1] == "course: user space"


def test_silent_console_ends_at_timeout() -> None:
    hang = threading.Event()

    def silent() -> object:
        hang.wait(20)
        yield b""

    console = Console(silent(), time.perf_counter())
    began = time.perf_counter()
    assert not console.wait_for(USER_SPACE, began + 0.2)
    assert 0.15 < time.perf_counter() - began < 2
    hang.set()


def machine(console: Console) -> Machine:
    return Machine(guests.MINIMAL, "host", console, 1, lambda: 0)


def test_ended_guest_names_its_phase() -> None:
    console = Console(iter([BOOT[:75], b"\nkernel panic"]), None)
    with pytest.raises(Exception, match=r"ended by itself. Last phase reached: kernel") as caught:
        machine(console).wait_for(USER_SPACE, 1)
    assert caught.value.phase == KERNEL and "kernel panic" in str(caught.value)


class FakeContainer:
    """A container whose process list changes each time that it is asked for."""

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)

    def top(self, ps_args: str) -> dict:
        return {"Processes": [["7", self.programs.pop(0)]]}


def test_find_qemu_waits_for_entrypoint() -> None:
    hang = threading.Event()
    console = Console(iter(lambda: b"" if hang.wait(20) else b"late", b""), None)
    assert find_qemu(FakeContainer("sh", "timeout", "qemu-system-x86"), console) == 7
    hang.set()


def test_ended_qemu_has_no_id() -> None:
    console = Console(iter([b"course: process\ninvalid accelerator\n"]), None)
    console._thread.join(5)
    with pytest.raises(CourseError, match=r"not running in its container.*invalid accelerator"):
        find_qemu(FakeContainer(), console)


def test_changed_context_changes_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setattr(guests, "CONTEXT", tmp_path)
    guests.recipe.cache_clear()
    first = guests.recipe()
    (tmp_path / "Dockerfile").write_text("FROM scratch\nENV A=1\n")
    guests.recipe.cache_clear()
    assert guests.recipe() != first
    guests.recipe.cache_clear()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("cache")
def test_trial_is_remembered_per_place() -> None:
    assert accelerator.recall(ENGINE, "container") is None
    accelerator.remember(ENGINE, "container", Accelerator("tcg", "a reason"))
    assert accelerator.recall(ENGINE, "container") == Accelerator("tcg", "a reason")
    assert accelerator.recall(ENGINE, "host") is None
    other = Engine("tcp://10.0.0.1:2375", "user", "26.1.5")
    assert accelerator.recall(other, "container") is None


@pytest.mark.usefixtures("cache")
def test_trial_can_be_forgotten() -> None:
    accelerator.forget()
    accelerator.remember(ENGINE, "container", Accelerator("tcg", "a reason"))
    accelerator.forget()
    assert accelerator.recall(ENGINE, "container") is None


@pytest.mark.usefixtures("cache")
def test_broken_trial_file_is_ignored() -> None:
    accelerator.remember(ENGINE, "container", Accelerator("tcg", "a reason"))
    accelerator.result_file(ENGINE, "container").write_text("{")
    assert accelerator.recall(ENGINE, "container") is None


@pytest.mark.parametrize("where", ["host", "container"])
def test_missing_dev_kvm_boots_nothing(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(accelerator, "KVM", Path("/nowhere/kvm"))
    assert accelerator.try_hardware(ENGINE, where) == Accelerator("tcg", "there is no /dev/kvm")


def test_meaning_names_emulation() -> None:
    assert "emulates the CPU in software" in Accelerator("tcg", "x").meaning()
    assert "not a fair comparison" in Accelerator("tcg", "x").meaning()
    assert "is a fair comparison" in Accelerator("kvm", "x").meaning()


def test_about_page_is_parsed() -> None:
    about = answers.parse_about("kernel=6.12 a=b\nboot_id=1\n\nno pair\n")
    assert about == {"kernel": "6.12 a=b", "boot_id": "1"}


def test_wait_without_server_ends() -> None:
    began = time.perf_counter()
    assert answers.wait_for_answer(9, began + 0.3) is None
    assert answers.wait_for_answer(9, began + 60, has_ended=lambda: True) is None
    assert time.perf_counter() - began < 5
