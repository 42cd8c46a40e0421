"""The proofs of chapter 01 against a real engine: whose kernel, which process, which limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.engine.host import Host
from helpers.engine.server import small_server
from helpers.errors import CourseError
from helpers.exercises import grade, shared_or_own
from helpers.exercises.shared_or_own import HOSTS, OWN, TASK_ID
from helpers.experiments.footprint import compare_footprints
from helpers.experiments.isolation import limits, seen_from_host
from helpers.experiments.ladder import ladder
from helpers.results import ladder as rungs
from helpers.results.isolation import CONTAINER, HOST_NAME, PROCESS_1, VM
from helpers.results.startup import MINIMAL_VM

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("leaves_nothing")]


def test_the_host_is_this_machine_and_its_files_are_read(engine: Engine) -> None:
    host = Host(engine)
    assert host.is_here and host.name == "this machine"
    assert host.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert host.status(os.getpid())["Pid"] == str(os.getpid())
    assert host.read("/proc/nothing") == {} and host.status(2**30) == {}
    assert host.memory_bytes("MemTotal") > host.memory_bytes("MemAvailable") > 0
    assert host.resident_bytes([os.getpid()]) > 10e6


def test_who_may_not_look_himself_looks_through_a_container(
        engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A student in the docker group, who is not root: the same answers, by the other way."""
    host = Host(engine)
    paths = [f"/proc/{os.getpid()}/ns/{kind}" for kind in ("pid", "net")]
    direct = host.links(*paths)
    assert len(direct) == 2

    def forbidden(*_: object) -> str:
        raise PermissionError

    monkeypatch.setattr("helpers.engine.host.os.readlink", forbidden)
    monkeypatch.setattr("helpers.engine.host._text", forbidden)
    assert host.links(*paths) == direct
    assert host.status(os.getpid())["Pid"] == str(os.getpid())
    assert host.resident_bytes([os.getpid()]) > 10e6


def test_an_engine_elsewhere_is_named_and_looked_at_through_a_container(
        engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.engine.host.platform.system", lambda: "Darwin")
    host = Host(engine)
    assert not host.is_here and host.name.startswith("the engine's machine (")
    assert host.processes() > 1
    seen = seen_from_host(engine=engine)
    assert "is visible from the host" in seen.facts() and "another number" in seen.facts()
    assert {"pid", "mnt", "net", "ipc", "uts"} <= set(seen.own)


def test_a_containers_process_and_its_walls(engine: Engine) -> None:
    seen = seen_from_host(engine=engine)
    assert seen.inside_pid == 1 and seen.outside_pid > 1
    assert seen.command.startswith("busybox httpd") and seen.cgroups
    assert {"pid", "mnt", "net", "ipc", "uts"} <= set(seen.own) and "user" not in seen.own


def test_a_namespace_that_cannot_be_read_is_not_judged(
        engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    links = Host.links

    def all_but_the_hosts_pid(host: Host, *paths: str) -> dict[str, str]:
        found = links(host, *paths)
        found.pop(next(path for path in paths if path.endswith("/ns/pid")))
        return found

    monkeypatch.setattr(Host, "links", all_but_the_hosts_pid)
    seen = seen_from_host(engine=engine)
    assert "pid" not in [kind for kind, _, _ in seen.namespaces] and "net" in seen.own


def test_memory_that_cannot_be_read_is_told(engine: Engine,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "resident_bytes", lambda *_: 0)
    with pytest.raises(CourseError, match="memory of processes cannot be read on this machine"):
        compare_footprints((1, 2), engine=engine)


def test_an_engine_that_is_gone_is_no_missing_rung(engine: Engine,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ConnectionError("the engine is gone")

    monkeypatch.setattr("helpers.experiments.ladder.short_container", gone)
    with pytest.raises(ConnectionError):
        ladder(repeats=1, engine=engine)


def test_a_container_sees_one_process(engine: Engine) -> None:
    with small_server(engine, "test") as server:
        told = server.about()
    assert told["processes"] == "1" and told["boot_id"] == Host(engine).boot_id


def test_the_limits_hold(engine: Engine) -> None:
    found = limits(engine=engine)
    assert (found.exit_code, found.killed_for_memory, found.warnings) == (137, True, ())
    assert 0.05 < found.cpu_used < found.cpu_limit * 1.3


def test_every_rung_below_the_machines_runs_here(engine: Engine) -> None:
    found = ladder(repeats=2, engine=engine)
    timed = {rung.name for rung in found.rungs if rung.seconds}
    assert timed == {rungs.PROCESS, rungs.NAMESPACES, rungs.RUNTIME, rungs.NO_NETWORK, rungs.ENGINE}
    assert found.facts().startswith(f"{rungs.NAMESPACES} < {rungs.RUNTIME} < {rungs.ENGINE}")
    assert found.rung(rungs.MINIMAL).missing == "not booted in this session"


def test_a_rung_that_cannot_run_says_why(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.experiments.ladder._runtime", no_runtime)
    found = ladder(repeats=1, engine=engine)
    assert found.rung(rungs.RUNTIME).missing == "there is no runc command on this machine"
    assert found.rung(rungs.ENGINE).seconds


def no_runtime() -> str:
    from helpers.experiments.ladder import RungMissing

    raise RungMissing("there is no runc command on this machine")


def test_the_cost_of_one_more(engine: Engine) -> None:
    found = compare_footprints((1, 2), engine=engine)
    box, vm = found.density(CONTAINER), found.density(MINIMAL_VM)
    assert 0 < box.marginal_bytes < vm.marginal_bytes
    # A guest holds at most what it was given, and QEMU itself.
    assert 40e6 < vm.marginal_bytes < 400e6
    assert found.of(MINIMAL_VM).processes > found.of(CONTAINER).processes == 1


RIGHT = {CONTAINER: {thing: OWN if thing in (PROCESS_1, HOST_NAME) else HOSTS
                     for thing in shared_or_own.THINGS},
         VM: dict.fromkeys(shared_or_own.THINGS, OWN)}


def test_the_right_answer_passes() -> None:
    verdict = grade(TASK_ID, RIGHT)
    assert verdict.passed is True, verdict.text()


@pytest.mark.parametrize(("who", "thing", "word", "hint"), [
    (CONTAINER, "the running kernel", OWN, "the container and the host both see"),
    (CONTAINER, HOST_NAME, HOSTS, "the container sees"),
    (VM, "the running kernel", HOSTS, "the virtual machine sees 6."),
])
def test_a_wrong_answer_gets_what_was_seen(who: str, thing: str, word: str, hint: str) -> None:
    answer = {group: dict(asked) for group, asked in RIGHT.items()}
    answer[who][thing] = word
    verdict = grade(TASK_ID, answer)
    assert verdict.passed is False and verdict.headline == "9 of 10 right"
    (wrong,) = (check for check in verdict.checks if check.passed is False)
    assert wrong.name == f"{who}: {thing}" and hint in wrong.hint
