"""Reports of real builds, from what BuildKit printed and wrote for them on both image stores.

tests/engine/record_builds.py made the recordings; they are raw, so a report that loses a step, or
gives one another line, differs from them.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from helpers.build.dockerfile import parse
from helpers.build.failure import explain
from helpers.build.progress import BuildProgress, read_messages
from helpers.build.provenance import read_record
from helpers.build.report import list_rows
from helpers.build.result import BuildReport, BuildStep
from tests.engine.record_builds import CASES, RECORDED, target_of

RECORDINGS = sorted(RECORDED.rglob("*.json.gz"))
GOOD = [path for path in RECORDINGS if not path.name.startswith("fails_")]
BAD = [path for path in RECORDINGS if path.name.startswith("fails_")]


def name_of(path: Path) -> str:
    return path.name.removesuffix(".json.gz")


def case_id(path: Path) -> str:
    return f"{path.parent.name}-{name_of(path)}"


def replay(recording: Path) -> tuple[BuildProgress, dict]:
    data = json.loads(gzip.decompress(recording.read_bytes()))
    progress = BuildProgress()
    for message in read_messages(data["progress"], progress.text):
        progress.apply(message)
    return progress, data


def report_of(recording: Path, tmp_path: Path) -> tuple[BuildProgress, BuildReport]:
    progress, data = replay(recording)
    metadata = tmp_path / "metadata.json"
    metadata.write_text(json.dumps(data["metadata"]))
    case = CASES / name_of(recording)
    text = (case / "Dockerfile").read_text(encoding="utf-8-sig")
    image_id, lines = read_record(metadata)
    rows = list_rows(progress, parse(text), lines, target_of(case))
    return progress, BuildReport(image_id, ("t",), 1.0, tuple(rows))


@pytest.mark.parametrize("recording", GOOD, ids=case_id)
def test_steps_have_dockerfile_lines(recording: Path, tmp_path: Path):
    progress, report = report_of(recording, tmp_path)
    expected = (CASES / name_of(recording) / "expected-steps.txt").read_text(encoding="utf-8")
    assert [f"{s.line}: {s.instruction.splitlines()[0]}" for s in report.steps] == (
        expected.splitlines()
    )
    assert report.image_id.startswith("sha256:")
    named = {" ".join(vertex.name.split()): vertex for vertex in progress.vertexes.values()}
    for name, vertex in named.items():
        if "/" in name.partition("]")[0] and name.startswith("[") and "] LINK " not in name:
            step = next(s for s in report.steps if keyword_and_label(s) == keyword_and_label(name))
            assert (step.cached, step.seconds) == (vertex.cached, vertex.seconds)


def keyword_and_label(step: BuildStep | str) -> str:
    """ "[2/3] RUN" of a step, or of a vertex's name."""
    if isinstance(step, str):
        label, _, text = step.replace("[ ", "[").partition("] ")
        return f"{label}] {text.split()[0].upper()}"
    return f"{step.label} {step.instruction.split()[0].upper()}"


# Cases with a stage that is not built; and one with a step that is not in the Dockerfile.
NOT_ALL = {
    "stage_not_built": 2,
    "stage_not_built_heredoc": 3,
    "stage_from_stage": 2,
    "target_first": 2,
    "target_middle": 2,
    "onbuild": -1,
}


@pytest.mark.parametrize("recording", GOOD, ids=case_id)
def test_every_instruction_built_is_a_row(recording: Path, tmp_path: Path):
    _, report = report_of(recording, tmp_path)
    text = (CASES / name_of(recording) / "Dockerfile").read_text(encoding="utf-8-sig")
    written = [i.text for i in parse(text).instructions]
    rows = [row if isinstance(row, str) else row.instruction for row in report.rows]
    left_out = NOT_ALL.get(name_of(recording), 0)
    assert len(written) - len(rows) == left_out
    if left_out == 0:
        assert rows == written


def test_there_are_enough_cases():
    assert len({name_of(path) for path in GOOD}) >= 60
    assert {path.parent.name for path in RECORDINGS} == {"classic", "containerd"}
    names = {path.name for path in CASES.iterdir() if path.is_dir()}
    assert names == {name_of(path) for path in RECORDINGS}, "record the new cases too"


@pytest.mark.parametrize(
    ("case", "line", "expected"),
    [
        ("fails_run", 4, "exit code 3"),
        ("fails_copy", 3, "COPY did not find 'requirments.txt'"),
        ("fails_stage", 2, "exit code 2"),
    ],
)
@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_a_recorded_failure_is_explained(store: str, case: str, line: int, expected: str):
    progress, data = replay(RECORDED / store / f"{case}.json.gz")
    error = explain(progress, "Dockerfile")
    assert data["exit_code"] == 1 and data["metadata"] is None
    assert expected in str(error) and error.line == line


def test_every_failed_recording_is_tested():
    assert {name_of(path) for path in BAD} == {"fails_run", "fails_copy", "fails_stage"}
