"""Chapter 01's results without an engine: the sentences follow from the numbers."""

from __future__ import annotations

import dataclasses
import os

import pytest

from helpers.errors import CourseError, RungMissing
from helpers.experiments.footprint import view as show_footprint
from helpers.experiments.footprint.measure import check_counts, memory_in_use, resident_here
from helpers.experiments.footprint.result import Density, Footprint, FootprintComparison
from helpers.experiments.isolation import view as show_isolation
from helpers.experiments.isolation.result import (
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
from helpers.experiments.ladder import result as rungs
from helpers.experiments.ladder import view as show_ladder
from helpers.experiments.ladder.measure import time_to_first_line
from helpers.experiments.ladder.result import Ladder, Rung
from helpers.experiments.startup import view as show_startup
from helpers.experiments.startup.measure import compare_startup, drop_incomplete_round, plan_starts
from helpers.experiments.startup.result import (
    FIRST_ANSWER,
    FIRST_OUTPUT,
    MINIMAL_VM,
    Start,
    StartupComparison,
)
from helpers.tables import duration, memory_size, spread
from helpers.vm.accelerator import Accelerator

BOX = "container"
EMULATED = Accelerator("tcg", "a reason")


def comparison(box: tuple[float, ...], vm: tuple[float, ...], **more: object) -> StartupComparison:
    samples = tuple(
        Start(
            kind,
            turn,
            (
                ("created", s / 10),
                ("started", s / 2),
                (FIRST_OUTPUT, s * 0.9),
                (FIRST_ANSWER, s),
                ("exited", s * 1.1),
                ("removed", s * 1.2),
            )
            if kind == BOX
            else (
                ("firmware", s / 20),
                ("kernel", s / 10),
                (FIRST_OUTPUT, s * 0.9),
                (FIRST_ANSWER, s),
                ("removed", s * 1.2),
            ),
        )
        for kind, all_seconds in ((BOX, box), (MINIMAL_VM, vm))
        for turn, s in enumerate(all_seconds, 1)
    )
    return StartupComparison(samples, (), 3, EMULATED, **more)


def test_plan_warms_up_and_alternates() -> None:
    assert plan_starts((BOX, MINIMAL_VM), 2) == (
        (0, BOX),
        (0, MINIMAL_VM),
        (1, MINIMAL_VM),
        (1, BOX),
        (2, BOX),
        (2, MINIMAL_VM),
    )
    assert plan_starts((BOX,), 1) == ((0, BOX), (1, BOX))
    assert plan_starts((BOX,), 1, warm_up=False) == ((1, BOX),)


def test_incomplete_round_is_dropped() -> None:
    starts = [
        Start(kind, turn, ()) for turn, kind in ((0, BOX), (1, MINIMAL_VM), (1, BOX), (2, BOX))
    ]
    assert drop_incomplete_round(starts, (BOX, MINIMAL_VM)) == starts[:3]


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True, None, "3"])
def test_invalid_rounds_are_one_message(rounds: object) -> None:
    with pytest.raises(CourseError, match="Invalid rounds"):
        compare_startup(rounds)


@pytest.mark.parametrize("kinds", [(), ("unikernel",)])
def test_invalid_kinds_are_one_message(kinds: tuple[str, ...]) -> None:
    with pytest.raises(CourseError, match="Invalid kinds"):
        compare_startup(1, kinds)


def test_startup_facts_follow_medians() -> None:
    assert comparison((0.2, 0.3, 9.0), (2.0, 3.0, 4.0)).facts() == (
        "first output: the container came before the minimal VM\n"
        "first answer: the container came before the minimal VM"
    )
    assert "the minimal VM came before the container" in comparison((2.0,), (1.0,)).facts()


def test_interrupted_comparison_says_so() -> None:
    result = comparison((0.2,), (2.0,), interrupted=True)
    assert "1 round of 3, then stopped" in result.text()
    assert "3 rounds" not in result.headline()


def test_startup_medians_and_ratio() -> None:
    result = comparison((0.2, 0.4, 0.3), (3.0, 2.0, 4.0))
    assert result.median_seconds(BOX, FIRST_ANSWER) == 0.3
    assert result.ratio(MINIMAL_VM) == pytest.approx(10)
    assert result.rounds == 3 and result.kinds == (BOX, MINIMAL_VM)
    assert "first answer  3.00 (2.00–4.00)" in result.text()


def ladder(*missing: str) -> Ladder:
    seconds = dict(zip(rungs.NAMES, (0.001, 0.004, 0.03, 0.2, 0.19, 3.0, 20.0), strict=True))
    return Ladder(
        tuple(
            Rung(name, "how", (), "no reason known")
            if name in missing
            else Rung(name, "how", (s, s * 1.1, s * 0.9))
            for name, s in seconds.items()
        ),
        EMULATED,
    )


def test_ladder_facts_are_sorted_by_time() -> None:
    assert ladder().facts() == (
        "in fresh namespaces < OCI runtime (runc) < engine < minimal VM < full VM"
    )
    upside_down = Ladder(
        tuple(Rung(r.name, r.how, tuple(1 / s for s in r.seconds)) for r in ladder().rungs),
        EMULATED,
    )
    assert upside_down.facts().startswith("full VM < minimal VM")


def test_close_rungs_are_about_equal() -> None:
    other = {rungs.RUNTIME: (1.0,), rungs.ENGINE: (1.9,)}
    close = Ladder(
        tuple(Rung(r.name, r.how, other.get(r.name, r.seconds)) for r in ladder().rungs), EMULATED
    )
    assert "OCI runtime (runc) ≈ engine ≈ minimal VM < full VM" in close.facts()


def test_missing_rung_has_reason() -> None:
    result = ladder(rungs.RUNTIME, rungs.FULL)
    assert rungs.RUNTIME not in result.facts() and rungs.FULL not in result.facts()
    assert "missing: no reason known" in result.text()
    assert "missing: no reason known" in show_ladder.alt_text(result)
    assert show_ladder.mimebundle(result)["image/png"].startswith(b"\x89PNG")


def test_failing_program_is_missing_rung() -> None:
    assert time_to_first_line(["echo", "hello"]) > 0
    with pytest.raises(RungMissing, match="the reason"):
        time_to_first_line(["sh", "-c", "echo first; echo the reason >&2; exit 3"])
    with pytest.raises(RungMissing, match="code 0"):
        time_to_first_line(["true"])
    with pytest.raises(RungMissing, match="/nowhere/program: No such file"):
        time_to_first_line(["/nowhere/program"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00062, "0.62 ms"), (0.031, "31 ms"), (0.568, "568 ms"), (3.42, "3.4 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (360_400, "352 KiB"),
        (64 << 20, "64 MiB"),
        (3 << 29, "1.5 GiB"),
        (5 << 40, "5120 GiB"),
    ],
)
def test_memory_sizes_are_binary(size: int, text: str) -> None:
    assert memory_size(size) == text


def test_spread_of_one_and_several() -> None:
    assert spread((1.5,)) == "1.50"
    assert spread((3.0, 1.0, 2.0)) == "2.00 (1.00–3.00)"


def footprints(box: int | None = 700_000, vm: int = 250_000_000) -> FootprintComparison:
    return FootprintComparison(
        (
            Footprint(BOX, box, "its control group", (("image", 2_000_000),), 1),
            Footprint(MINIMAL_VM, vm, "its QEMU process", (("vmlinuz", 12_000_000),), 52),
        ),
        (
            Density(BOX, (1, 2, 4, 8), (20, 25, 35, 55), 1000),
            Density(MINIMAL_VM, (1, 2, 4, 8), (200, 300, 500, 900), 1000),
        ),
        EMULATED,
    )


def test_one_more_costs_the_slope() -> None:
    result = footprints()
    assert result.density(BOX).marginal_bytes == pytest.approx(5)
    assert result.density(BOX).fits == 200
    assert result.density(MINIMAL_VM).marginal_bytes == pytest.approx(100)
    assert "more of them fit into the memory: container" in result.facts()
    assert Density(BOX, (1, 2), (30, 20), 1000).fits == 0


def test_unreported_memory_is_not_guessed() -> None:
    result = footprints(box=None)
    assert "not reported" in result.text() and "less memory" not in result.facts()
    assert "less memory: minimal VM" in footprints(box=300_000_000).facts()
    assert show_footprint.mimebundle(result)["image/png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("stats", "size"),
    [
        ({"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30}}}, 70),  # cgroup v1
        ({"memory_stats": {"usage": 100, "stats": {"inactive_file": 40}}}, 60),  # cgroup v2
        ({"memory_stats": {"usage": 100}}, 100),
        ({"memory_stats": {}}, None),
        ({}, None),
    ],
)
def test_memory_matches_docker_stats(stats: dict, size: int | None) -> None:
    assert memory_in_use(stats) == size


def test_resident_memory_of_processes_here() -> None:
    memory = resident_here([os.getpid()])
    assert 10e6 < memory < 2e9 and resident_here([os.getpid(), os.getppid()]) > memory
    assert resident_here([2**30]) == 0


@pytest.mark.parametrize("counts", [(), (1,), (2, 1), (1, 1), (0, 2)])
def test_invalid_counts_are_one_message(counts: tuple[int, ...]) -> None:
    with pytest.raises(CourseError, match="Invalid counts"):
        check_counts(counts, 10**12)


def test_counts_never_fill_the_memory() -> None:
    with pytest.raises(CourseError, match="8 virtual machines could need"):
        check_counts((1, 2, 4, 8), 2 << 30)
    check_counts((1, 2), 2 << 30)


def test_same_kernel_needs_same_boot() -> None:
    def compare(box: tuple[str, str], vm: tuple[str, str]) -> Kernels:
        return Kernels(
            (Kernel(HOST, "6.1", "aaa", 90), Kernel(CONTAINER, *box, 1), Kernel(VM, *vm, 50)),
            "Docker Desktop's Linux VM",
            False,
        )

    assert compare(("6.1", "aaa"), ("6.1", "bbb")).facts() == (
        "container kernel = host kernel\nvirtual machine kernel ≠ host kernel"
    )
    assert compare(("6.1", "ccc"), ("6.1", "aaa")).facts() == (
        "container kernel ≠ host kernel\nvirtual machine kernel = host kernel"
    )
    assert "The host is Docker Desktop's Linux VM" in compare(("6.1", "aaa"), ("5", "b")).text()
    assert (
        "its own" in show_isolation.render_kernels(compare(("6.1", "aaa"), ("5", "b")))["text/html"]
    )


def test_invisible_process_is_not_claimed() -> None:
    spaces = (("pid", "1", "2"), ("user", "5", "5"), ("mnt", "3", "4"))
    seen = SeenFromHost("httpd", 1, 4711, spaces, ("4:memory:/docker/abc",), "this machine")
    assert seen.separate_namespaces == ("pid", "mnt")
    assert "is visible from the host" in seen.facts() and "another number" in seen.facts()
    unseen = SeenFromHost("httpd", 1, 0, (), (), "this machine")
    assert "is not visible" in unseen.facts() and "own: no" in unseen.facts()


@pytest.mark.parametrize(
    ("code", "oom", "cpu", "words"),
    [
        (137, True, 0.26, ("killed for memory", ": held")),
        (0, False, 0.99, ("not killed for memory", "not held")),
        (137, False, 0.25, ("not killed for memory", ": held")),
    ],
)
def test_unenforced_limit_is_reported(
    code: int, oom: bool, cpu: float, words: tuple[str, ...]
) -> None:
    result = Limits(64 << 20, 200 << 20, code, oom, 0.25, cpu, ("no memory limit here",))
    assert all(word in result.facts() for word in words)
    assert "the engine warns: no memory limit here" in result.facts()
    assert ("128 + 9" in result.text()) == (code == 137)


def test_surrounding_is_compared_with_host() -> None:
    kernel = Surrounding(KERNEL, "6.1", "6.1", "6.12")
    assert kernel.is_hosts(CONTAINER) and not kernel.is_hosts(VM)
    uptime = Surrounding(UPTIME, "1000 s", "1003 s", "4 s")
    assert uptime.is_hosts(CONTAINER) and not uptime.is_hosts(VM)


def test_only_emulation_has_a_note() -> None:
    emulated = footprints()
    real = dataclasses.replace(emulated, accelerator=Accelerator("kvm", "a trial boot succeeded"))
    assert "translated instructions" in emulated.text()
    assert "translated instructions" not in real.text() and "KVM" in real.text()
    started = dataclasses.replace(comparison((0.2,), (2.0,)), accelerator=real.accelerator)
    assert "hardware virtualization" in show_startup.title(started)
    assert "not a fair comparison" not in started.text()


def test_figures_have_alt_text() -> None:
    result = comparison((0.2, 0.3), (2.0, 3.0))
    bundle = show_startup.mimebundle(result)
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "Container: created after" in bundle["text/html"]
    assert "emulated in software" in show_startup.title(result)
    assert "first answer after 2.5 s" in show_startup.alt_text(result)
    assert "one more costs" in show_footprint.alt_text(footprints())
    page = show_isolation.render_limits(Limits(64 << 20, 200 << 20, 137, True, 0.25, 0.26))[
        "text/html"
    ]
    assert "128 + 9" in page and "exit code 137" in page
