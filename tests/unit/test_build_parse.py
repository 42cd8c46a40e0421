"""A build's report and its failures, from messages made here; and how both are drawn."""

from __future__ import annotations

import base64
import io
import json
from types import SimpleNamespace

import ipywidgets
import pytest

from helpers.build import build_image
from helpers.build.dockerfile import parse, shorten
from helpers.build.failure import LAYER_LOST, explain
from helpers.build.progress import BuildProgress, read_messages
from helpers.build.report import list_rows
from helpers.build.result import BuildReport, BuildStep
from helpers.build.view import RENDERERS
from helpers.engine.engine import Engine
from helpers.errors import BuildFailed
from helpers.notebook.progress_bar import show_progress
from helpers.tables import human_size

TEXT = "FROM python:3.13-slim\nENV A=1\nRUN pip install x\nCOPY . .\nCMD c\n"
TIME = "2026-01-02T03:04:{:09.6f}123Z"


def vertex(name: str, *intervals: tuple[float, float], cached: bool = False, error: str = ""):
    """Messages about a vertex, whose digest here is its name."""
    return [
        {
            "vertexes": [
                {
                    "digest": name,
                    "name": name,
                    "started": TIME.format(a),
                    "completed": TIME.format(b),
                    "cached": cached,
                    "error": error,
                }
            ]
        }
        for a, b in intervals
    ]


def progress_of(*groups) -> BuildProgress:
    made = BuildProgress()
    for group in groups:
        for message in group:
            made.apply(message)
    return made


def test_messages_and_other_lines_are_told_apart():
    expected = [{"vertexes": [{"digest": "a", "name": "n"}]}, {"logs": []}]
    stream = "\n".join(json.dumps(m) for m in expected)
    text: list[str] = []
    lines = ["WARNING: first\n", *(stream + "\n").splitlines(True), "ERROR: last\n", "{not json}\n"]
    assert list(read_messages(iter(lines), text)) == expected
    assert text == ["WARNING: first", "ERROR: last", "{not json}"]


def test_seconds_are_the_sum_of_intervals():
    progress = progress_of(vertex("[1/2] X", (1, 2), (1, 2), (5, 5.5)))
    assert progress.vertexes["[1/2] X"].seconds == pytest.approx(1.5)


def test_repeated_build_keeps_what_the_first_try_ran():
    first = progress_of(vertex("[1/2] A", (1, 2)), vertex("[2/2] B", (2, 5)))
    again = progress_of(vertex("[1/2] A", (6, 6)), vertex("[2/2] B", (6, 6)))
    first.vertexes["[2/2] B"].error = "cut off"
    for each in again.vertexes.values():
        each.cached = True
    merged = again.with_earlier(first).vertexes
    assert [each.cached for each in merged.values()] == [False, True]
    assert merged["[1/2] A"].seconds == pytest.approx(1)


def test_unfinished_vertex_has_no_seconds():
    progress = BuildProgress()
    message = {"vertexes": [{"digest": "a", "name": "[2/3] RUN x", "started": TIME.format(1)}]}
    assert progress.apply(message) == "[2/3] RUN x"
    assert progress.vertexes["a"].seconds == 0


def report_of(
    text: str, lines: dict[str, tuple[int, ...]], *groups, target: str = ""
) -> BuildReport:
    rows = list_rows(progress_of(*groups), parse(text), lines, target)
    return BuildReport("sha256:1", ("t",), 1.0, tuple(rows))


def test_report_is_in_dockerfile_order():
    base = "[1/3] FROM docker.io/library/python:3.13-slim@sha256:0"
    report = report_of(
        TEXT,
        {
            base: (1,),
            "[2/3] RUN pip install x": (3,),
            "[3/3] COPY . .": (4,),
            "[internal] load build context": (),
        },
        vertex("[3/3] COPY . .", (4, 5)),
        vertex("[2/3] RUN pip install x", (2, 3), cached=True),
        vertex("[internal] load build context", (1, 2)),
        vertex(base, (1, 2)),
    )
    assert [s.instruction for s in report.steps] == [
        "FROM python:3.13-slim",
        "RUN pip install x",
        "COPY . .",
    ]
    assert [s.cached for s in report.steps] == [False, True, False]
    assert report.config == ("ENV A=1", "CMD c")
    assert [r if isinstance(r, str) else r.label for r in report.rows] == [
        "[1/3]",
        "ENV A=1",
        "[2/3]",
        "[3/3]",
        "CMD c",
    ]
    assert not report.all_cached


def test_label_of_another_build_is_kept():
    """BuildKit names a step that two builds share as the first of them did; its line is ours."""
    report = report_of(
        TEXT,
        {"[other 7/8] RUN pip install x": (3,)},
        vertex("[other 7/8] RUN pip install x", (2, 3), cached=True),
    )
    assert [(s.label, s.line, s.instruction) for s in report.steps] == [
        ("[other 7/8]", 3, "RUN pip install x")
    ]


def test_base_image_from_named_context():
    context = "[context x] dockercourse/python-standin:3.13"
    text = "FROM x AS unused\nRUN no\nFROM x AS a\nENV A=1\nFROM a\nRUN b\n"
    report = report_of(
        text,
        {"[stage-2 1/1] RUN b": (6,), context: ()},
        vertex("[context x] load metadata for docker.io/x", (1, 2)),
        vertex(context, (1, 2), cached=True),
        vertex("[stage-2 1/1] RUN b", (1, 2)),
    )
    assert [(s.label, s.line) for s in report.steps] == [("[context x]", 3), ("[stage-2 1/1]", 6)]
    assert report.config == ("ENV A=1", "FROM a")


def test_padded_labels_lose_their_padding():
    report = report_of(
        "FROM x\nRUN a\n", {"[stage-0  2/12] RUN a": (2,)}, vertex("[stage-0  2/12] RUN a", (1, 2))
    )
    assert report.steps[0].label == "[stage-0 2/12]"
    report = report_of("FROM x\nRUN a\n", {"[ 2/12] RUN a": (2,)}, vertex("[ 2/12] RUN a", (1, 2)))
    assert report.steps[0].label == "[2/12]"


def test_without_record_buildkit_names_are_used():
    progress = progress_of(
        vertex("[ 2/10] RUN a", (1, 2)),
        vertex("[10/10] COPY b c", (1, 2)),
        vertex("[ 1/10] FROM docker.io/library/x", (1, 2)),
        vertex("exporting to image", (1, 2)),
    )
    rows = list_rows(progress, parse(TEXT), None)
    assert [(row.label, row.instruction) for row in rows[:3]] == [
        ("[1/10]", "FROM docker.io/library/x"),
        ("[2/10]", "RUN a"),
        ("[10/10]", "COPY b c"),
    ]
    assert rows[3:] == ["ENV A=1", "CMD c"]


def failed(name: str, error: str, tail: str = "", output: bytes = b"") -> BuildFailed:
    progress = progress_of(vertex(name, (1, 2), error=error)) if name else BuildProgress()
    if output:
        data = base64.b64encode(output).decode()
        progress.apply({"logs": [{"vertex": name, "data": data}]})
    progress.text += tail.splitlines()
    return explain(progress, "Dockerfile")


SOURCE = """Dockerfile:3
--------------------
   2 |     ENV A=1
   3 | >>> RUN pip install x && \\
   4 | >>>   true
   5 |     COPY . .
--------------------
ERROR: failed to build: failed to solve: process did not complete"""


def test_failed_command_shows_last_lines():
    many = "".join(f"line {n}\n" for n in range(40)).encode() + b"\x1b[31mred\x1b[0m\n"
    error = failed(
        "[2/3] RUN pip install x",
        'process "x" did not complete successfully: exit code: 9',
        SOURCE,
        many,
    )
    assert error.line == 3 and error.instruction == "RUN pip install x && \\\n  true"
    assert len(error.output) == 10 and error.output[-1] == "red"
    assert "exit code 9" in str(error) and "| line 39" in str(error)
    assert "line 3: RUN pip install x && true" in str(error)


def test_failed_command_without_output():
    error = failed("[2/3] RUN false", "x did not complete successfully: exit code: 1", SOURCE)
    assert "printed nothing" in error.hint and "|" not in error.message.splitlines()[-1]


@pytest.mark.parametrize(
    ("code", "expected"),
    [(127, "command not found"), (126, "not executable"), (137, "ran out of memory")],
)
def test_exit_codes_are_explained(code, expected):
    error = failed("[2/3] RUN x", f"x did not complete successfully: exit code: {code}", SOURCE)
    assert expected in str(error) and f"exit code {code} (" in str(error)


@pytest.mark.parametrize(
    ("program", "hint"), [("source", "called `.`"), ("adduser", "useradd"), ("pp", "its spelling")]
)
def test_missing_programs_have_hints(program, hint):
    output = f"/bin/sh: 1: {program}: not found\n".encode()
    error = failed("[2/3] RUN x", "did not complete successfully: exit code: 127", SOURCE, output)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("name", "error", "tail", "expected"),
    [
        ("[2/3] RUN pip install x", "write /x: no space left on device", "", "disk is full"),
        (
            "",
            "",
            "ERROR: failed to receive status: rpc error: code = Unavailable desc = error "
            "reading from server: EOF",
            "stopped answering",
        ),
        (
            "",
            "",
            "ERROR: Cannot connect to the Docker daemon at unix:///x. Is it running?",
            "stopped answering",
        ),
        ("", "", "docker: 'buildx' is not a docker command.", "no buildx plugin"),
        (
            "[internal] load metadata for docker.io/library/nope:2",
            "pull access denied",
            "ERROR: failed to solve: nope:2: failed to resolve source metadata for "
            "docker.io/library/nope:2: pull access denied",
            "base image 'nope:2'",
        ),
        (
            "[internal] load metadata for docker.io/library/nope:2",
            "failed to do request",
            "ERROR: failed to solve: nope:2: failed to resolve source metadata for "
            "docker.io/library/nope:2: failed to do request: Head: dial tcp: no such host",
            "'nope:2' is not on the engine, and its registry did not answer",
        ),
        ("", "", "ERROR: failed to build: failed to solve: something new", "something new"),
        ("", "", "", "no reason"),
        (
            "[2/3] WORKDIR /app",
            'failed to prepare extraction snapshot "extract-5 sha256:a0": parent snapshot '
            "sha256:d0 does not exist: not found",
            "",
            LAYER_LOST[0],
        ),
    ],
)
def test_causes(name, error, tail, expected):
    caught = failed(name, error, tail)
    assert expected in str(caught)
    assert caught.hint and "line None" not in str(caught)


def test_stopped_engine_is_the_cause(tmp_path):
    """A RUN that was killed as the engine stopped is no fault of the Dockerfile."""
    error = "x did not complete successfully: exit code: 137"
    (message,) = vertex("[2/3] RUN pip install x", (1, 2), error=error)
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '{json.dumps(message)}' >&2\nexit 1\n")
    docker.chmod(0o755)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    engine = Engine("unix:///nowhere.sock", "user", "28", str(docker))
    with pytest.raises(BuildFailed) as caught:
        build_image(tmp_path, tag="x", engine=engine)
    assert "stopped answering" in str(caught.value) and "exit code" not in str(caught.value)


REPORT = BuildReport(
    "sha256:1",
    ("app",),
    1.25,
    (
        BuildStep("FROM python:3.13-slim", 0.0, True, "[1/3]", 1),
        "ENV A=1",
        BuildStep("RUN a && \\\n  # note\n  b <c>", 1.2, False, "[2/3]", 3),
        BuildStep("COPY . .", 0.0, True, "[3/3]", 6),
    ),
)


def test_text_and_html_tables_agree():
    bundle = RENDERERS[BuildReport](REPORT)
    for form in (bundle["text/plain"], bundle["text/html"]):
        for words in (
            "[2/3]",
            "RUN a &amp;&amp; b" if "<table" in form else "RUN a && b",
            "rebuilt",
            "cached",
            "base image",
            "configuration",
            "1.2",
        ):
            assert words in form, words
        assert form.index("FROM") < form.index("ENV A=1") < form.index("COPY")
    assert "<c>" not in bundle["text/html"]


def test_caption_counts_what_the_rows_show():
    bundle = RENDERERS[BuildReport](REPORT)
    rows, caption = bundle["text/plain"].split("\n\n")
    assert caption == "Built app in 1.2 s: 1 cached, 1 rebuilt."
    assert caption in bundle["text/html"]
    assert (rows.count(" cached "), rows.count(" rebuilt ")) == (1, 1)


def test_sizes_and_short_instructions():
    assert [human_size(n) for n in (None, 5, 1500, 2_000_000)] == ["", "5 B", "1.5 kB", "2.0 MB"]
    assert shorten("RUN a \\\n  && b") == "RUN a && b"
    assert len(shorten("x" * 100, 20)) == 20


def test_progress_without_terminal_is_silent(capfd):
    with show_progress() as update:
        update("[1/2] RUN x")
    assert capfd.readouterr() == ("", "")


def test_progress_in_terminal_is_one_line(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    with show_progress() as update:
        update("[1/2] FROM x")
        update("[2/2] RUN " + "y" * 200)
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown[1] == "[1/2] FROM x"
    assert shown[2].startswith("[2/2] RUN y") and len(shown[2]) <= 100
    assert shown[3:] == [""], "the line is wiped at the end"
    assert "\n" not in terminal.getvalue()


def test_progress_in_notebook_is_a_bar(monkeypatch):
    shown, updates, boxes = [], [], []
    made = ipywidgets.HBox
    monkeypatch.setattr("ipywidgets.HBox", lambda *args: boxes.append(made(*args)) or boxes[0])
    handle = SimpleNamespace(update=lambda bundle, raw: updates.append(bundle))
    monkeypatch.setattr("helpers.notebook.progress_bar._in_notebook", lambda: True)
    monkeypatch.setattr(
        "IPython.display.display", lambda bundle, **_: shown.append(bundle) or handle
    )
    with show_progress() as update:
        (row,) = boxes
        bar, name = row.children
        assert shown[0]["application/vnd.jupyter.widget-view+json"]["model_id"] == row.model_id
        update("[1/2] FROM x")
        first = bar.value / bar.max
        update("[2/2] RUN y")
        assert name.value == "[2/2] RUN y"
        assert 0 < first < bar.value / bar.max < 1
    assert updates == [{"text/plain": ""}], "nothing of the bar stays in the stored output"
