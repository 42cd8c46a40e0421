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
    REQUIREMENTS_FIRST,
    OrderExperiment,
    OrderResult,
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
REBUILT = {COPY_FIRST: {COPY, RUN}, REQUIREMENTS_FIRST: {COPY}}


def report(order: str, rebuilt: set[str], seconds: float) -> BuildReport:
    steps = tuple(BuildStep(line, seconds / 2, line not in rebuilt) for line in LINES[order])
    return BuildReport("sha256:0", ("app",), seconds, steps)


def synthetic(edit: str | None = "app.py", runs: int = 1) -> OrderExperiment:
    orders = tuple(
        OrderResult(
            order,
            tuple(
                report(order, REBUILT[order] if edit else set(), run + len(REBUILT[order]))
                for run in range(runs)
            ),
        )
        for order in LINES
    )
    return OrderExperiment("flask-app", edit, orders)


def test_facts_have_outcomes_without_seconds() -> None:
    assert synthetic().facts().splitlines() == [
        "after editing app.py",
        "  copy first:          WORKDIR cached, COPY rebuilt, RUN rebuilt",
        "  requirements first:  WORKDIR cached, COPY cached, RUN cached, COPY rebuilt",
    ]
    assert synthetic(None).facts().startswith("with nothing edited\n")
    assert "rebuilt" not in synthetic(None).facts()


def test_facts_report_disagreeing_builds() -> None:
    reports = (report(COPY_FIRST, {COPY, RUN}, 1.0), report(COPY_FIRST, {RUN}, 1.0))
    mixed = OrderExperiment("x", "app.py", (OrderResult(COPY_FIRST, reports),))
    assert "COPY rebuilt or cached, RUN rebuilt" in mixed.facts()
    assert "image/png" in RENDERERS[OrderExperiment](mixed)


@pytest.mark.parametrize("runs", [1, 3])
def test_rendered_as_figure_and_table(runs: int) -> None:
    experiment = synthetic(runs=runs)
    bundle = RENDERERS[OrderExperiment](experiment)
    assert bundle["image/png"].startswith(b"\x89PNG")
    width, height = (int.from_bytes(bundle["image/png"][a : a + 4], "big") for a in (16, 20))
    assert width <= 1280 and height <= 720
    assert f'alt="{alt_text(experiment)}"' in bundle["text/html"]
    assert "after editing app.py" in bundle["text/plain"] and RUN in bundle["text/plain"]
    assert ("3.00 (2.00–4.00)" in bundle["text/plain"]) == (runs == 3)
    assert ("1 build" in bundle["text/plain"]) == (runs == 1)


def test_title_and_alt_text_name_both_times() -> None:
    assert synthetic().title() == "After editing app.py: 2.0 s vs. 1.0 s"
    assert "copy first, 2.0 s: install rebuilt" in alt_text(synthetic())
    assert "requirements first, 1.0 s: install cached" in alt_text(synthetic())


@pytest.mark.parametrize(
    ("text", "below"),
    [
        ("FROM x\nRUN a\nRUN b\n", "RUN a"),
        ("FROM x\nCOPY \\\n  a b\nrun --mount=type=cache,target=/c y", "run --mount"),
        ('FROM x\nRUN ["a"]\n', 'RUN ["a"]'),
        ("FROM x\nRUN <<E\nRUN no\nE\n", "RUN <<E"),
    ],
)
def test_new_env_is_above_first_run(text: str, below: str) -> None:
    before, after = caching.with_new_env(text, "m").split("ENV COURSE_EDIT=m\n")
    assert after.startswith(below) and (before + after).strip() == text.strip()


@pytest.mark.parametrize(
    ("app", "edit", "repeats", "says"),
    [
        ("no-such-app", "app.py", 1, "no app"),
        ("flask-app", "nothing.py", 1, "no file"),
        ("flask-app", "../flask-app/app.py", 1, "no file"),
        ("flask-app", "../../../README.md", 1, "no file"),
        ("flask-app", ".dockerignore", 1, "comment"),
        ("flask-app", "app.py", 0, "repeats"),
        ("flask-app", "app.py", "3", "repeats"),
    ],
)
def test_bad_input_needs_no_engine(
    monkeypatch: pytest.MonkeyPatch, app: str, edit: str, repeats: int, says: str
) -> None:
    def engine() -> None:
        raise AssertionError("an engine was asked for")

    monkeypatch.setattr(caching, "connect", engine)
    with pytest.raises(CourseError) as caught:
        caching.compare_orders(app, edit, repeats)
    assert says in caught.value.message and caught.value.hint


def test_dockerfile_without_run_is_one_message() -> None:
    with pytest.raises(CourseError, match="no RUN"):
        caching.with_new_env("FROM x\nCOPY . .\n", "m")


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

    def build(context: Path, *, tag: str, dockerfile: Path, **_: object) -> BuildReport:
        app = (context / "app.py").read_text()
        calls.append({"tag": tag, "context": context, "app": app, "dockerfile": dockerfile.name})
        if len(calls) == fail_at:
            raise KeyboardInterrupt
        order = next(o for o, n in caching.DOCKERFILES.items() if n == dockerfile.name)
        return report(order, set(), 1.0)

    monkeypatch.setattr(caching, "build_image", build)
    return calls


def test_builds_take_turns_and_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, engine = fake_builds(monkeypatch), FakeEngine()
    result = caching.compare_orders(repeats=2, engine=engine)
    first, second = caching.DOCKERFILES.values()
    names = [call["dockerfile"] for call in calls]
    assert names == [first, second, first, second, second, first]
    assert Counter(engine.removed) == Counter({call["tag"]: 1 for call in calls})
    assert len({call["app"] for call in calls}) == 5, "one unedited text, and each edit is unique"
    assert not any(call["context"].exists() for call in calls)
    assert [len(order.reports) for order in result.orders] == [2, 2]


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
