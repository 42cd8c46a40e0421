"""Chapter 01's results without an engine: the words follow from the numbers, whatever these are."""

from __future__ import annotations

import dataclasses
import os

import pytest

from helpers.errors import CourseError
from helpers.experiments.footprint import check_counts, memory_in_use, resident_by_ps
from helpers.experiments.ladder import RungMissing, to_first_line
from helpers.experiments.startup import compare_startup, plan
from helpers.results import ladder as rungs
from helpers.results.accelerator import Accelerator
from helpers.results.footprint import Density, Footprint, FootprintComparison
from helpers.results.isolation import (
    CONTAINER,
    HOST,
    KERNEL,
    UPTIME,
    VM,
    Kernel,
    Kernels,
    Limits,
    SeenFromHost,
    Surrounding,
)
from helpers.results.ladder import Ladder, Rung, duration
from helpers.results.startup import (
    FIRST_ANSWER,
    FIRST_OUTPUT,
    MINIMAL_VM,
    Start,
    StartupComparison,
)
from helpers.show import footprint as show_footprint
from helpers.show import isolation as show_isolation
from helpers.show import ladder as show_ladder
from helpers.show import startup as show_startup

BOX = "container"
EMULATED = Accelerator("tcg", "a reason")


def comparison(box: tuple[float, ...], vm: tuple[float, ...], **more: object) -> StartupComparison:
    samples = tuple(Start(kind, turn, (
        ("created", s / 10), ("started", s / 2), (FIRST_OUTPUT, s * 0.9), (FIRST_ANSWER, s),
        ("exited", s * 1.1), ("removed", s * 1.2)) if kind == BOX else (
        ("firmware", s / 20), ("kernel", s / 10), (FIRST_OUTPUT, s * 0.9), (FIRST_ANSWER, s),
        ("removed", s * 1.2)))
        for kind, all_seconds in ((BOX, box), (MINIMAL_VM, vm))
        for turn, s in enumerate(all_seconds, 1))
    return StartupComparison(samples, (), 3, EMULATED, **more)


def test_the_plan_changes_who_is_first_and_has_one_round_to_warm_up() -> None:
    assert plan((BOX, MINIMAL_VM), 2) == (
        (0, BOX), (0, MINIMAL_VM), (1, MINIMAL_VM), (1, BOX), (2, BOX), (2, MINIMAL_VM))
    assert plan((BOX,), 1) == ((0, BOX), (1, BOX))


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True, None, "3"])
def test_wrong_rounds_are_one_message(rounds: object) -> None:
    with pytest.raises(CourseError, match="rounds is"):
        compare_startup(rounds)


@pytest.mark.parametrize("kinds", [(), ("unikernel",)])
def test_wrong_kinds_are_one_message(kinds: tuple[str, ...]) -> None:
    with pytest.raises(CourseError, match="no "):
        compare_startup(1, kinds)


def test_the_facts_follow_the_medians() -> None:
    assert comparison((0.2, 0.3, 9.0), (2.0, 3.0, 4.0)).facts() == (
        "first output: the container came before the minimal VM\n"
        "first answer: the container came before the minimal VM")
    assert "the minimal VM came before the container" in comparison((2.0,), (1.0,)).facts()


def test_what_was_cut_short_says_so() -> None:
    found = comparison((0.2,), (2.0,), interrupted=True)
    assert "1 round of 3, then stopped" in found.text()
    assert "3 rounds" not in found.headline()


def test_numbers_of_the_comparison() -> None:
    found = comparison((0.2, 0.4, 0.3), (3.0, 2.0, 4.0))
    assert found.median_seconds(BOX, FIRST_ANSWER) == 0.3
    assert found.ratio(MINIMAL_VM) == pytest.approx(10)
    assert found.rounds == 3 and found.kinds == (BOX, MINIMAL_VM)
    assert "first answer  3.00 (2.00–4.00)" in found.text()


def ladder(**missing: str) -> Ladder:
    seconds = dict(zip(rungs.NAMES, (0.001, 0.004, 0.03, 0.2, 0.19, 3.0, 20.0), strict=True))
    return Ladder(tuple(
        Rung(name, "how", (), "no reason known") if name in missing.values()
        else Rung(name, "how", (s, s * 1.1, s * 0.9)) for name, s in seconds.items()), EMULATED)


def test_the_ladders_facts_are_sorted_by_what_was_measured() -> None:
    assert ladder().facts() == (
        "in fresh namespaces < OCI runtime (runc) < engine < minimal VM < full VM")
    upside_down = Ladder(tuple(Rung(r.name, r.how, tuple(1 / s for s in r.seconds))
                               for r in ladder().rungs), EMULATED)
    assert upside_down.facts().startswith("full VM < minimal VM")


def test_rungs_less_than_twofold_apart_are_about_the_same() -> None:
    other = {rungs.RUNTIME: (1.0,), rungs.ENGINE: (1.9,)}
    close = Ladder(tuple(Rung(r.name, r.how, other.get(r.name, r.seconds))
                         for r in ladder().rungs), EMULATED)
    assert "OCI runtime (runc) ≈ engine ≈ minimal VM < full VM" in close.facts()


def test_a_missing_rung_has_a_reason_and_no_number() -> None:
    found = ladder(a=rungs.RUNTIME, b=rungs.FULL)
    assert rungs.RUNTIME not in found.facts() and rungs.FULL not in found.facts()
    assert "missing: no reason known" in found.text()
    assert "missing: no reason known" in show_ladder.alt_text(found)
    assert show_ladder.mimebundle(found)["image/png"].startswith(b"\x89PNG")


def test_a_program_that_cannot_start_or_fails_is_a_missing_rung() -> None:
    assert to_first_line(["echo", "hello"]) > 0
    with pytest.raises(RungMissing, match="the reason"):
        to_first_line(["sh", "-c", "echo first; echo the reason >&2; exit 3"])
    with pytest.raises(RungMissing, match="code 0"):
        to_first_line(["true"])
    with pytest.raises(RungMissing, match="/nowhere/program: No such file"):
        to_first_line(["/nowhere/program"])


@pytest.mark.parametrize(("seconds", "words"), [
    (0.00062, "0.62 ms"), (0.031, "31 ms"), (0.568, "568 ms"), (3.42, "3.4 s")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def footprints(box: int | None = 700_000, vm: int = 250_000_000) -> FootprintComparison:
    return FootprintComparison(
        (Footprint(BOX, box, "its control group", (("image", 2_000_000),), 1),
         Footprint(MINIMAL_VM, vm, "its QEMU process", (("vmlinuz", 12_000_000),), 52)),
        (Density(BOX, (1, 2, 4, 8), (20, 25, 35, 55), 1000),
         Density(MINIMAL_VM, (1, 2, 4, 8), (200, 300, 500, 900), 1000)), EMULATED)


def test_one_more_costs_the_slope() -> None:
    found = footprints()
    assert found.density(BOX).marginal_bytes == pytest.approx(5)
    assert found.density(BOX).fits == 200
    assert found.density(MINIMAL_VM).marginal_bytes == pytest.approx(100)
    assert "more of them fit into the memory: container" in found.facts()
    assert Density(BOX, (1, 2), (30, 20), 1000).fits == 0


def test_an_engine_without_control_groups_is_not_guessed_at() -> None:
    found = footprints(box=None)
    assert "not told" in found.text() and "less memory" not in found.facts()
    assert "less memory: minimal VM" in footprints(box=300_000_000).facts()
    assert show_footprint.mimebundle(found)["image/png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(("stats", "size"), [
    ({"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30}}}, 70),    # cgroup v1
    ({"memory_stats": {"usage": 100, "stats": {"inactive_file": 40}}}, 60),          # cgroup v2
    ({"memory_stats": {"usage": 100}}, 100),
    ({"memory_stats": {}}, None), ({}, None)])
def test_memory_as_docker_stats_counts_it(stats: dict, size: int | None) -> None:
    assert memory_in_use(stats) == size


def test_memory_as_ps_tells_it() -> None:
    mine = resident_by_ps([os.getpid()])
    assert 10e6 < mine < 2e9 and resident_by_ps([os.getpid(), os.getppid()]) > mine
    assert resident_by_ps([2**30]) == 0


@pytest.mark.parametrize("counts", [(), (1,), (2, 1), (1, 1), (0, 2)])
def test_wrong_counts_are_one_message(counts: tuple[int, ...]) -> None:
    with pytest.raises(CourseError, match="counts are"):
        check_counts(counts, 10**12)


def test_a_small_machine_is_never_filled() -> None:
    with pytest.raises(CourseError, match="8 guests could need"):
        check_counts((1, 2, 4, 8), 2 << 30)
    check_counts((1, 2), 2 << 30)


def test_a_kernel_is_the_hosts_only_by_version_and_boot() -> None:
    def seen(box: tuple[str, str], vm: tuple[str, str]) -> Kernels:
        return Kernels((Kernel(HOST, "6.1", "aaa", 90), Kernel(CONTAINER, *box, 1),
                        Kernel(VM, *vm, 50)), "Docker Desktop's own Linux VM", False)

    assert seen(("6.1", "aaa"), ("6.1", "bbb")).facts() == (
        "container kernel = host kernel\nvirtual machine kernel ≠ host kernel")
    assert seen(("6.1", "ccc"), ("6.1", "aaa")).facts() == (
        "container kernel ≠ host kernel\nvirtual machine kernel = host kernel")
    assert "The host is Docker Desktop's own Linux VM" in seen(("6.1", "aaa"), ("5", "b")).text()
    assert "its own" in show_isolation.kernels(seen(("6.1", "aaa"), ("5", "b")))["text/html"]


def test_a_process_that_is_not_seen_is_not_claimed() -> None:
    spaces = (("pid", "1", "2"), ("user", "5", "5"), ("mnt", "3", "4"))
    seen = SeenFromHost("httpd", 1, 4711, spaces, ("4:memory:/docker/abc",), "this machine")
    assert seen.own == ("pid", "mnt")
    assert "is visible from the host" in seen.facts() and "another number" in seen.facts()
    unseen = SeenFromHost("httpd", 1, 0, (), (), "this machine")
    assert "is not visible" in unseen.facts() and "own: no" in unseen.facts()


@pytest.mark.parametrize(("code", "oom", "cpu", "words"), [
    (137, True, 0.26, ("killed for memory", ": held")),
    (0, False, 0.99, ("not killed for memory", "not held")),
    (137, False, 0.25, ("not killed for memory", ": held"))])
def test_a_limit_that_does_not_hold_is_told(code: int, oom: bool, cpu: float,
                                            words: tuple[str, ...]) -> None:
    found = Limits(64 << 20, 200 << 20, code, oom, 0.25, cpu, ("no memory limit here",))
    assert all(word in found.facts() for word in words)
    assert "the engine warns: no memory limit here" in found.facts()
    assert ("128 + 9" in found.text()) == (code == 137)


def test_whose_a_thing_is() -> None:
    kernel = Surrounding(KERNEL, "6.1", "6.1", "6.12")
    assert kernel.is_hosts(CONTAINER) and not kernel.is_hosts(VM)
    uptime = Surrounding(UPTIME, "1000 s", "1003 s", "4 s")
    assert uptime.is_hosts(CONTAINER) and not uptime.is_hosts(VM)


def test_only_emulation_is_excused() -> None:
    emulated = footprints()
    real = dataclasses.replace(emulated, accelerator=Accelerator("kvm", "a trial boot succeeded"))
    assert "translated instructions" in emulated.text()
    assert "translated instructions" not in real.text() and "KVM" in real.text()
    started = dataclasses.replace(comparison((0.2,), (2.0,)), accelerator=real.accelerator)
    assert "hardware virtualisation" in show_startup.title(started)
    assert "not the fair case" not in started.text()


def test_the_figures_say_the_same_in_words() -> None:
    found = comparison((0.2, 0.3), (2.0, 3.0))
    bundle = show_startup.mimebundle(found)
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "Container: created after" in bundle["text/html"]
    assert "emulated in software" in show_startup.title(found)
    assert "first answer after 2.5 s" in show_startup.alt_text(found)
    assert "one more costs" in show_footprint.alt_text(footprints())
    page = show_isolation.limits(Limits(64 << 20, 200 << 20, 137, True, 0.25, 0.26))["text/html"]
    assert "128 + 9" in page and "exit code 137" in page
