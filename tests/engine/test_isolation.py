"""Chapter 01's experiments against a real engine: kernels, processes, limits, footprints."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.exercises import grade, shared_or_own
from helpers.exercises.shared_or_own import HOSTS, OWN, TASK_ID
from helpers.experiments.footprint.measure import compare_footprints
from helpers.experiments.footprint.result import GUEST_RAM, SHIM
from helpers.experiments.isolation.measure import (
    compare_surroundings,
    look_from_host,
    mount_with_privileges,
)
from helpers.experiments.isolation.result import (
    CONTAINER,
    HOST_NAME,
    MEMORY,
    PROCESS_1,
    VM,
    Surroundings,
)
from helpers.experiments.ladder import result as rungs
from helpers.experiments.ladder.measure import measure_ladder
from helpers.experiments.startup.result import MINIMAL_VM
from helpers.vm.host import Host
from helpers.vm.server import run_server

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("leaves_nothing")]


def test_host_files_are_read(engine: Engine) -> None:
    host = Host(engine)
    assert host.is_here and host.name == "this machine"
    assert host.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert host.read_status(os.getpid())["Pid"] == str(os.getpid())
    assert host.read_files("/proc/nothing") == {} and host.read_status(2**30) == {}
    assert host.memory_bytes("MemTotal") > host.memory_bytes("MemAvailable") > 0
    assert host.resident_bytes([os.getpid()]) > 10e6


def test_without_permission_a_container_reads(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A student in the docker group, who is not root, gets the same values."""
    host = Host(engine)
    paths = [f"/proc/{os.getpid()}/ns/{kind}" for kind in ("pid", "net")]
    direct = host.read_links(*paths)
    assert len(direct) == 2

    def forbidden(*_: object) -> str:
        raise PermissionError

    monkeypatch.setattr("helpers.vm.host.os.readlink", forbidden)
    monkeypatch.setattr("helpers.vm.host._text", forbidden)
    assert host.read_links(*paths) == direct
    assert host.read_status(os.getpid())["Pid"] == str(os.getpid())
    assert host.resident_bytes([os.getpid()]) > 10e6


def test_remote_host_is_read_by_container(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.vm.host.platform.system", lambda: "Darwin")
    host = Host(engine)
    assert not host.is_here and host.name.startswith("the engine's machine (")
    assert host.count_processes() > 1
    with run_server(engine, "test") as server:
        seen = look_from_host(server.container.name, engine)
    assert "the host sees" in seen.facts() and "a different number" in seen.facts()
    assert {"pid", "mnt", "net", "ipc", "uts"} <= set(seen.separate_namespaces)


def test_container_process_and_namespaces(engine: Engine) -> None:
    with run_server(engine, "test") as server:
        seen = look_from_host(server.container.name, engine)
    assert seen.inside_pid == 1 and seen.outside_pid > 1
    assert seen.command.startswith("busybox httpd") and seen.cgroup.startswith("/")
    assert {"pid", "mnt", "net", "ipc", "uts"} <= set(
        seen.separate_namespaces
    ) and "user" not in seen.separate_namespaces


def test_unreadable_namespace_is_left_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    read_links = Host.read_links

    def all_but_pid(host: Host, *paths: str) -> dict[str, str]:
        links = read_links(host, *paths)
        links.pop(next(path for path in paths if path.endswith("/ns/pid")))
        return links

    monkeypatch.setattr(Host, "read_links", all_but_pid)
    with run_server(engine, "test") as server:
        seen = look_from_host(server.container.name, engine)
    assert (
        "pid" not in [kind for kind, _, _ in seen.namespaces] and "net" in seen.separate_namespaces
    )


def test_missing_container_is_one_message(engine: Engine) -> None:
    with pytest.raises(CourseError, match="no running container 'course-01-nobody'"):
        look_from_host("course-01-nobody", engine)


def test_privileged_container_only_on_private_engine(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    mount_with_privileges(engine)
    assert "the mount succeeded" in capsys.readouterr().out
    mount_with_privileges(dataclasses.replace(engine, kind="user"))
    assert "not run on your own engine" in capsys.readouterr().out


def test_unreadable_memory_is_an_error(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "resident_bytes", lambda *_: 0)
    with pytest.raises(CourseError, match="Cannot read the memory of processes on this machine"):
        compare_footprints(engine=engine)


def test_lost_engine_is_no_missing_rung(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ConnectionError("the engine is gone")

    monkeypatch.setattr("helpers.experiments.ladder.measure.time_short_container", gone)
    with pytest.raises(ConnectionError):
        measure_ladder(repeats=1, engine=engine)


def test_container_sees_one_process(engine: Engine) -> None:
    with run_server(engine, "test") as server:
        about = server.about()
    assert about["processes"] == "1" and about["boot_id"] == Host(engine).boot_id


def test_rungs_below_vms_run_here(engine: Engine) -> None:
    result = measure_ladder(repeats=2, engine=engine)
    timed = {rung.name for rung in result.rungs if rung.seconds}
    assert timed == {rungs.PROCESS, rungs.NAMESPACES, rungs.RUNTIME, rungs.NO_NETWORK, rungs.ENGINE}
    assert result.facts().startswith(f"{rungs.NAMESPACES} < {rungs.RUNTIME} < {rungs.ENGINE}")
    assert result.rung(rungs.MINIMAL).missing == "not booted in this session"


def test_missing_rung_says_why(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.experiments.ladder.measure._find_runc", no_runtime)
    result = measure_ladder(repeats=1, engine=engine)
    assert result.rung(rungs.RUNTIME).missing == "there is no runc command on this machine"
    assert result.rung(rungs.ENGINE).seconds


def no_runtime() -> str:
    from helpers.errors import RungMissing

    raise RungMissing("there is no runc command on this machine")


def test_vm_at_rest_needs_more(engine: Engine) -> None:
    result = compare_footprints(engine=engine)
    box, vm = result.footprint(CONTAINER), result.footprint(MINIMAL_VM)
    assert 0 < box.memory[SHIM] < box.memory_bytes < vm.memory_bytes
    assert 30 << 20 < vm.memory[GUEST_RAM] <= result.guest_ram_bytes
    assert vm.processes > box.processes == 1


RIGHT = {
    CONTAINER: {
        thing: OWN if thing in (PROCESS_1, HOST_NAME) else HOSTS for thing in shared_or_own.THINGS
    },
    VM: dict.fromkeys(shared_or_own.THINGS, OWN),
}


@pytest.fixture(scope="module")
def surroundings() -> Surroundings:
    return compare_surroundings()


@pytest.mark.parametrize(
    ("who", "thing", "word", "hint"),
    [
        (CONTAINER, "the running kernel", OWN, "An image contains no kernel"),
        (CONTAINER, MEMORY, OWN, "No namespace covers /proc/meminfo"),
        (CONTAINER, HOST_NAME, HOSTS, "the container sees"),
        (VM, "the running kernel", HOSTS, "the virtual machine sees 6."),
    ],
)
def test_wrong_answer_shows_measured_value(
    who: str,
    thing: str,
    word: str,
    hint: str,
    surroundings: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All are compared with one measurement; `exercise_verdicts.ipynb` has the right answer."""
    monkeypatch.setattr(shared_or_own, "compare_surroundings", lambda _: surroundings)
    answer = {group: dict(asked) for group, asked in RIGHT.items()}
    answer[who][thing] = word
    verdict = grade(TASK_ID, answer)
    assert verdict.passed is False and verdict.headline == "9 of 10 right"
    (wrong,) = (check for check in verdict.checks if check.passed is False)
    assert wrong.name == f"{who}: {thing}" and hint in wrong.hint
