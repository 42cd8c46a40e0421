"""The caching experiment without an engine: its facts, its figure, its edits, its errors."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from helpers.build.result import BuildReport, BuildStep
from helpers.errors import CourseError
from helpers.experiments.caching import measure as caching
from helpers.experiments.caching.result import (
    COPY_FIRST,
    ORDERS,
    PHASES,
    REQUIREMENTS_FIRST,
    OrderExperiment,
    OrderResult,
    PhaseResult,
    StepSamples,
)
from helpers.experiments.caching.view import RENDERERS, alt_text

FROM, WORKDIR, COPY, REQS, RUN = (
    "FROM python:3.13-slim",
    "WORKDIR /app",
    "COPY . .",
    "COPY requirements.txt .",
    "RUN pip install -r requirements.txt",
)
LINES = {
    COPY_FIRST: (FROM, WORKDIR, COPY, RUN),
    REQUIREMENTS_FIRST: (FROM, WORKDIR, REQS, RUN, COPY),
}


def phase(name: str, order: str, rebuilt: set[str], runs: int = 3) -> PhaseResult:
    return PhaseResult(
        name,
        tuple(
            StepSamples(
                line,
                (line not in rebuilt and line != FROM,) * runs,
                tuple(0.5 + run for run in range(runs)),
            )
            for line in LINES[order]
        ),
        (1.0,) * runs,
    )


def synthetic(edit: str | None = "app.py", runs: int = 3) -> OrderExperiment:
    changed = (
        {COPY_FIRST: {COPY, RUN}, REQUIREMENTS_FIRST: {COPY}}
        if edit
        else {order: set() for order in ORDERS}
    )
    return OrderExperiment(
        "flask-app",
        edit,
        runs,
        tuple(
            OrderResult(
                order,
                "\n".join(LINES[order]),
                (
                    phase("cold", order, {COPY, REQS, RUN}, runs),
                    phase("unchanged", order, set(), runs),
                    phase("edited", order, changed[order], runs),
                ),
            )
            for order in ORDERS
        ),
    )


def test_facts_have_outcomes_without_seconds() -> None:
    assert synthetic().facts().splitlines() == [
        "cold build, copy first: every RUN and COPY rebuilt",
        "cold build, requirements first: every RUN and COPY rebuilt",
        "unchanged rebuild, copy first: every step cached",
        "unchanged rebuild, requirements first: every step cached",
        "after editing app.py, copy first: install step rebuilt",
        "after editing app.py, requirements first: install step cached",
    ]
    assert "with nothing edited, copy first: every step cached" in synthetic(None).facts()


def test_facts_follow_the_data() -> None:
    wrong = OrderResult(REQUIREMENTS_FIRST, "", (phase("edited", REQUIREMENTS_FIRST, {RUN}),))
    assert wrong.phase("edited").outcome() == "install step rebuilt"


def test_facts_report_disagreeing_runs() -> None:
    mixed = PhaseResult("edited", (StepSamples(RUN, (True, False, True), (0, 1, 0)),), (1.0,) * 3)
    assert mixed.outcome() == f"the runs disagree: {RUN} cached in 2 of 3 runs"
    assert (
        RENDERERS[OrderExperiment](
            OrderExperiment(
                "x",
                "app.py",
                3,
                tuple(
                    OrderResult(
                        o, "", tuple(PhaseResult(p, mixed.steps, (1.0,) * 3) for p in PHASES)
                    )
                    for o in ORDERS
                ),
            )
        )["image/png"][:4]
        == b"\x89PNG"
    )


def test_a_cold_build_may_keep_workdir() -> None:
    steps = (StepSamples(WORKDIR, (False, True), (0.1, 0)), StepSamples(RUN, (False,) * 2, (1, 1)))
    assert PhaseResult("cold", steps, (1, 1)).outcome() == "every RUN and COPY rebuilt"
    assert "disagree" in PhaseResult("unchanged", steps, (1, 1)).outcome()


@pytest.mark.parametrize("runs", [1, 3])
def test_rendered_as_figure_and_table(runs: int) -> None:
    experiment = synthetic(runs=runs)
    bundle = RENDERERS[OrderExperiment](experiment)
    assert bundle["image/png"].startswith(b"\x89PNG")
    width, height = (int.from_bytes(bundle["image/png"][a : a + 4], "big") for a in (16, 20))
    assert width <= 1280 and height <= 720
    assert f'alt="{alt_text(experiment)}"' in bundle["text/html"]
    assert "after editing app.py" in bundle["text/plain"] and RUN in bundle["text/plain"]
    assert "rebuilt 1.50 (0.50–2.50)" in bundle["text/plain"] or runs == 1


def test_alt_text_names_each_step() -> None:
    words = alt_text(synthetic())
    assert "After editing app.py, requirements first: WORKDIR /app cached" in words
    assert words.count("rebuilt") == 8


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("FROM x\nRUN a\nRUN b\nRUN c\nCMD d\n", "RUN COURSE_EDIT=m; b"),
        (
            "FROM x\nrun --mount=type=cache,target=/c pip install y\n",
            "run --mount=type=cache,target=/c COURSE_EDIT=m; pip install y",
        ),
        ('FROM x\nRUN ["a"]\nRUN <<E\na\nE\nRUN b\n', "RUN COURSE_EDIT=m; b"),
        ("FROM x\nRUN a \\\n  && b\n", "RUN COURSE_EDIT=m; a \\"),
    ],
)
def test_middle_run_gets_harmless_change(text: str, edited: str) -> None:
    lines = caching.edited_dockerfile(text, "m").splitlines()
    assert edited in lines
    assert len(set(lines) - set(text.splitlines())) == 1


@pytest.mark.parametrize(
    ("app", "edit", "repeats", "says"),
    [
        ("no-such-app", "app.py", 1, "no app"),
        ("flask-app", "nothing.py", 1, "no file"),
        ("flask-app", "../flask-app/app.py", 1, None),
        ("flask-app", "../../../README.md", 1, "no file"),
        ("flask-app", ".dockerignore", 1, "comment"),
        ("flask-app", "app.py", 0, "repeats"),
        ("flask-app", "app.py", "3", "repeats"),
    ],
)
def test_bad_input_needs_no_engine(
    monkeypatch: pytest.MonkeyPatch, app: str, edit: str, repeats: int, says: str | None
) -> None:
    def engine() -> None:
        raise AssertionError("an engine was asked for")

    monkeypatch.setattr(caching, "connect", engine)
    with pytest.raises(CourseError if says else (CourseError, AssertionError)) as caught:
        caching.compare_orders(app, edit, repeats)
    if says:
        assert says in caught.value.message and caught.value.hint


class FakeEngine:
    """Records the tags that were removed."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.client = self
        self.images = self

    def remove(self, tag: str) -> None:
        self.removed.append(tag)


def fake_builds(monkeypatch: pytest.MonkeyPatch, fail_at: int = 0) -> list[dict]:
    calls: list[dict] = []

    def build(
        context: Path,
        *,
        tag: str,
        dockerfile: Path,
        no_cache: bool,
        on_progress: object,
        engine: object,
    ) -> BuildReport:
        calls.append(
            {
                "tag": tag,
                "context": context,
                "app": (context / "app.py").read_text(),
                "dockerfile": dockerfile.name,
                "no_cache": no_cache,
            }
        )
        if len(calls) == fail_at:
            raise KeyboardInterrupt
        order = next(o for o, n in caching.DOCKERFILES.items() if n == dockerfile.name)
        return BuildReport(
            "sha256:0",
            (tag,),
            1.0,
            tuple(BuildStep(line, 0.1, not no_cache, None) for line in LINES[order]),
        )

    monkeypatch.setattr(caching, "build_image", build)
    return calls


def test_builds_take_turns_and_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, engine = fake_builds(monkeypatch), FakeEngine()
    result = caching.compare_orders(repeats=2, engine=engine)
    names = [call["dockerfile"] for call in calls]
    assert all(a != b for a, b in zip(names[:6:2], names[1:6:2], strict=True))
    assert [call["no_cache"] for call in calls] == ([True] * 2 + [False] * 4) * 2
    assert Counter(engine.removed) == Counter({call["tag"]: 1 for call in calls})
    assert len({call["app"] for call in calls}) == 3, "one unedited text, one edit a run"
    assert not any(call["context"].exists() for call in calls)
    assert [len(order.phase("cold").total_seconds) for order in result.orders] == [2, 2]


def test_ctrl_c_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, engine = fake_builds(monkeypatch, fail_at=4), FakeEngine()
    with pytest.raises(KeyboardInterrupt):
        caching.compare_orders(repeats=2, engine=engine)
    assert engine.removed == [call["tag"] for call in calls]
    assert not calls[0]["context"].exists()


def test_missing_second_dockerfile_is_named(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    with pytest.raises(CourseError, match="copy-first"):
        caching.find_app(tmp_path)
