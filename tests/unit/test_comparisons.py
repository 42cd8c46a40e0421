"""Chapter 01's results without an engine: the sentences follow from the numbers."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import pytest
from matplotlib.text import Text

from helpers.errors import CourseError, RungMissing
from helpers.experiments.footprint import result as parts
from helpers.experiments.footprint import view as show_footprint
from helpers.experiments.footprint.measure import check_counts, split_qemu
from helpers.experiments.footprint.result import Density, Footprint, FootprintComparison
from helpers.experiments.isolation import view as show_isolation
from helpers.experiments.isolation.result import (
    BOOT_ID,
    CONTAINER,
    HOST,
    KERNEL,
    PROCESSES,
    UPTIME,
    VERSION,
    VM,
    Kernels,
    SeenFromHost,
    Surroundings,
)
from helpers.experiments.ladder import result as rungs
from helpers.experiments.ladder import view as show_ladder
from helpers.experiments.ladder.measure import time_to_first_line
from helpers.experiments.ladder.result import Ladder, Rung
from helpers.experiments.startup import view as show_startup
from helpers.experiments.startup.measure import compare_startup, rotate
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
            {
                **({"created": s / 10} if kind == BOX else {"firmware": s / 20, "kernel": s / 10}),
                FIRST_OUTPUT: s * 0.9,
                FIRST_ANSWER: s,
                "removed": s * 1.2,
            },
        )
        for kind, all_seconds in ((BOX, box), (MINIMAL_VM, vm))
        for s in all_seconds
    )
    return StartupComparison(samples, 3, EMULATED, **more)


def test_rounds_begin_with_different_kinds() -> None:
    assert rotate((BOX, MINIMAL_VM), 0) == (BOX, MINIMAL_VM) == rotate((BOX, MINIMAL_VM), 2)
    assert rotate((BOX, MINIMAL_VM), 1) == (MINIMAL_VM, BOX)
    assert rotate((BOX,), 1) == (BOX,)


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
        "first output: the container was faster than the minimal VM\n"
        "first answer: the container was faster than the minimal VM"
    )
    assert "the minimal VM was faster than the container" in comparison((2.0,), (1.0,)).facts()


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
    assert ladder().facts() == ("in fresh namespaces < OCI runtime (runc) < engine < minimal VM")
    upside_down = Ladder(
        tuple(Rung(r.name, r.how, tuple(1 / s for s in r.seconds)) for r in ladder().rungs),
        EMULATED,
    )
    assert upside_down.facts().startswith("minimal VM < engine")


def test_close_rungs_are_about_equal() -> None:
    other = {rungs.RUNTIME: (1.0,), rungs.ENGINE: (1.9,)}
    close = Ladder(
        tuple(Rung(r.name, r.how, other.get(r.name, r.seconds)) for r in ladder().rungs), EMULATED
    )
    assert "OCI runtime (runc) ≈ engine ≈ minimal VM" in close.facts()


def test_missing_rung_has_reason() -> None:
    result = ladder(rungs.RUNTIME, rungs.FULL)
    assert rungs.RUNTIME not in result.facts() and rungs.FULL not in result.facts()
    assert "missing: no reason known" in result.text()
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


def footprints(shim: int = 10 << 20) -> FootprintComparison:
    vm = {parts.GUEST_RAM: 82 << 20, parts.TRANSLATED: 60 << 20, parts.QEMU: 95 << 20}
    return FootprintComparison(
        (
            Footprint(BOX, {parts.SERVER: 1 << 20, parts.SHIM: shim}, 2_000_000, 1),
            Footprint(MINIMAL_VM, vm, 12_000_000, 52),
        ),
        128 << 20,
        EMULATED,
    )


def test_memory_is_the_sum_of_its_parts() -> None:
    result = footprints()
    assert result.footprint(BOX).memory_bytes == 11 << 20
    assert result.title() == "Memory when idle: container 11 MiB, minimal VM 237 MiB"
    assert "The guest was given 128 MiB of RAM" in result.text()
    assert "less memory: container" in result.facts()
    assert "less memory: minimal VM" in footprints(shim=1 << 30).facts()
    assert show_footprint.mimebundle(result)["image/png"].startswith(b"\x89PNG")


def test_one_more_costs_the_slope() -> None:
    result = Density((1, 2, 4), {BOX: (20, 25, 35), MINIMAL_VM: (200, 300, 500)})
    assert result.one_more_bytes(BOX) == pytest.approx(5)
    assert result.one_more(MINIMAL_VM) == "100 B"
    assert result.facts() == "less memory for each additional one: container"
    assert "Memory for each additional one" in show_footprint.density_bundle(result)["text/html"]


SMAPS = """\
561ccfb97000-561cd0db9000 rw-p 00000000 00:00 0                          [heap]
Size:              18568 kB
Pss:                6248 kB
VmFlags: rd wr mr mw me ac
7f6c2fe00000-7f6c37e00000 rw-p 00000000 00:00 0
Size:             131072 kB
Pss:               83968 kB
7f6c38000000-7f6c77fff000 rwxp 00000000 00:00 0
Size:            1048572 kB
Pss:               61440 kB
561ccba2a000-561ccbec6000 r--p 00000000 00:41 16197096  /usr/bin/qemu-system-x86_64
Size:               4720 kB
Pss:                4592 kB
"""


def test_memory_of_qemu_is_split() -> None:
    assert split_qemu(SMAPS, 128 << 20) == {
        parts.GUEST_RAM: 83968 << 10,
        parts.TRANSLATED: 61440 << 10,
        parts.QEMU: (6248 + 4592) << 10,
    }
    assert split_qemu("", 128 << 20) == {}


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
            {
                who: {VERSION: version, BOOT_ID: boot_id, PROCESSES: "1"}
                for who, (version, boot_id) in {HOST: ("6.1", "a"), CONTAINER: box, VM: vm}.items()
            },
            "The host is Docker Desktop's Linux VM.",
        )

    kernels = compare(("6.1", "a"), ("6.1", "b"))
    assert kernels.facts() == "container kernel = host kernel\nvirtual machine kernel ≠ host kernel"
    other = compare(("6.1", "c"), ("6.1", "a"))
    assert other.facts() == "container kernel ≠ host kernel\nvirtual machine kernel = host kernel"
    bundle = show_isolation.RENDERERS[Kernels](kernels)
    assert "Docker Desktop" in bundle["text/plain"] and "boot id" in bundle["text/html"]


def test_invisible_process_is_not_claimed() -> None:
    spaces = (("pid", "1", "2"), ("user", "5", "5"), ("mnt", "3", "4"))
    seen = SeenFromHost("httpd", 1, 4711, spaces, "/docker/abc", "this machine")
    assert seen.separate_namespaces == ("pid", "mnt")
    assert "the host sees" in seen.facts() and "a different number" in seen.facts()
    assert "shared" in show_isolation.RENDERERS[SeenFromHost](seen)["text/html"]
    unseen = SeenFromHost("httpd", 1, 0, (), "", "this machine")
    assert "does not see" in unseen.facts() and "separate cgroup: no" in unseen.facts()


def test_surrounding_is_compared_with_host() -> None:
    seen = {
        HOST: {KERNEL: "6.1", UPTIME: "1000 s"},
        CONTAINER: {KERNEL: "6.1", UPTIME: "1003 s"},
        VM: {KERNEL: "6.12", UPTIME: "4 s"},
    }
    surroundings = Surroundings(seen, "")
    for thing in (KERNEL, UPTIME):
        assert surroundings.is_hosts(CONTAINER, thing) and not surroundings.is_hosts(VM, thing)


def test_emulation_is_named() -> None:
    emulated = comparison((0.2,), (2.0,))
    real = dataclasses.replace(emulated, accelerator=Accelerator("kvm", "a test boot succeeded"))
    assert "not a fair comparison" in emulated.text()
    assert "not a fair comparison" not in real.text() and "KVM" in real.text()
    assert "software emulation" in footprints().text()


def test_figures_have_message_and_alt_text() -> None:
    result = comparison((0.2, 0.3), (2.0, 3.0))
    bundle = show_startup.mimebundle(result)
    assert bundle["image/png"].startswith(b"\x89PNG")
    message = "Time to the first answer: container 250 ms, minimal VM 2.5 s"
    assert result.title() == message and f'alt="{message}' in bundle["text/html"]
    assert show_startup.phases(result, BOX)["the server answers"] == pytest.approx(0.025)
    assert "plain process" in show_ladder.title(ladder())
    assert "plain process" not in show_ladder.title(ladder(rungs.PROCESS))


@pytest.mark.parametrize("view", [show_startup, show_ladder, show_footprint])
def test_text_in_figures_is_readable(view: ModuleType) -> None:
    """12 points are 13 pixels where JupyterLab shows a figure at 2/3 of its size."""
    drawings = {
        show_startup: lambda: show_startup.figure(comparison((0.2,), (2.0,))),
        show_ladder: lambda: show_ladder.figure(ladder(rungs.FULL)),
        show_footprint: lambda: show_footprint.figure_of_one(footprints()),
    }
    texts = drawings[view]().findobj(Text)
    assert min(text.get_fontsize() for text in texts if text.get_text()) >= 12
