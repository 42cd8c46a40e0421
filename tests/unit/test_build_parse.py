"""Reading BuildKit's progress: messages, steps, borrowed labels, failures and the tables."""

from __future__ import annotations

import base64
import io
import json
from types import SimpleNamespace

import ipywidgets
import pytest

from helpers.engine.build import Progress, failure, locate, messages, report
from helpers.engine.dockerfile import parse
from helpers.results.build import BuildReport, BuildStep, human_size, short
from helpers.show.build import RENDERERS, progress

TEXT = "FROM python:3.13-slim\nENV A=1\nRUN pip install x\nCOPY . .\nCMD c\n"
T = "2026-01-02T03:04:{:09.6f}123Z"


def vertex(name: str, *intervals: tuple[float, float], cached=False, error="", digest=""):
    digest = digest or name
    return [{"vertexes": [{"digest": digest, "name": name, "started": T.format(a),
                           "completed": T.format(b), "cached": cached, "error": error}]}
            for a, b in intervals]


def heard(*groups) -> Progress:
    found = Progress()
    for group in groups:
        for message in group:
            found.apply(message)
    return found


@pytest.mark.parametrize("indent", [None, 2])
def test_messages_on_one_line_or_many(indent):
    said = [{"vertexes": [{"digest": "a", "name": "n"}]}, {"logs": []}]
    stream = "\n".join(json.dumps(m, indent=indent) for m in said)
    text: list[str] = []
    lines = ["WARNING: first\n", *(stream + "\n").splitlines(True), "ERROR: last\n", "{not json}\n"]
    assert list(messages(iter(lines), text)) == said
    assert text == ["WARNING: first", "ERROR: last", "{not json}"]


def test_seconds_are_the_sum_of_intervals_told_once():
    found = heard(vertex("[1/2] X", (1, 2), (1, 2), (5, 5.5)))
    assert found.vertexes["[1/2] X"].seconds == pytest.approx(1.5)


def test_a_vertex_that_never_ended_counts_nothing():
    found = Progress()
    message = {"vertexes": [{"digest": "a", "name": "[2/3] RUN x", "started": T.format(1)}]}
    assert found.apply(message) == "[2/3] RUN x"
    assert found.vertexes["a"].seconds == 0


def make_report(*groups) -> BuildReport:
    return report(heard(*groups), parse(TEXT), "t", 1.0, "sha256:1", [])


def test_report_is_in_dockerfile_order_with_the_written_text():
    made = make_report(
        vertex("[3/3] COPY . .", (4, 5)),
        vertex("[2/3] RUN pip install x", (2, 3), cached=True),
        vertex("[internal] load build context", (1, 2)),
        vertex("[1/3] FROM docker.io/library/python:3.13-slim@sha256:0", (1, 2)),
    )
    assert [s.instruction for s in made.steps] == [
        "FROM python:3.13-slim", "RUN pip install x", "COPY . ."]
    assert [s.cached for s in made.steps] == [False, True, False]
    assert made.config == ("ENV A=1", "CMD c")
    assert [r if isinstance(r, str) else r.number for r in made.rows()] == [
        1, "ENV A=1", 2, 3, "CMD c"]
    assert not made.all_cached


def test_a_borrowed_label_is_put_right():
    """BuildKit names a step that two builds share as the first of them did."""
    made = make_report(
        vertex("[1/9] FROM docker.io/library/python:3.13-slim", (1, 2)),
        vertex("[other 7/8] RUN pip install x", (2, 3), cached=True),
        vertex("[3/3] COPY . .", (4, 5), cached=True),
    )
    assert [(s.label, s.line) for s in made.steps] == [("[1/3]", 1), ("[2/3]", 3), ("[3/3]", 4)]
    assert made.all_cached


def test_a_shared_base_is_the_first_stage_s():
    read = parse("FROM x AS a\nRUN a\nFROM x\nRUN b\nCOPY --from=a a a\n")
    found = heard(vertex("[stage-1 1/3] FROM docker.io/library/x", (1, 2)),
                  vertex("[a 2/2] RUN a", (1, 2)), vertex("[stage-1 2/3] RUN b", (1, 2)))
    places = [place for place, _ in locate(found, read)]
    assert (places[0].stage, places[0].number, places[0].total) == ("a", 1, 2)


def test_sizes_follow_the_final_stage():
    read = parse("FROM x AS a\nRUN a\nFROM a\nARG B\nRUN b\nCMD c\n")
    history = [{"CreatedBy": "CMD c", "Size": 0}, {"CreatedBy": "RUN |1 B= b", "Size": 7},
               {"CreatedBy": "ARG B", "Size": 0}, {"CreatedBy": "RUN a", "Size": 5},
               {"CreatedBy": "import", "Size": 100}]
    found = heard(vertex("[a 1/2] FROM docker.io/library/x", (1, 2)),
                  vertex("[a 2/2] RUN a", (1, 2)), vertex("[stage-1 1/1] RUN b", (1, 2)))
    made = report(found, read, "t", 1.0, "i", history)
    assert [s.size_bytes for s in made.steps] == [100, 5, 7]


def failed(text: str, name: str, error: str, tail: str = "", output: bytes = b""):
    found = heard(vertex(name, (1, 2), error=error)) if name else Progress()
    if output:
        data = base64.b64encode(output).decode()
        found.apply({"logs": [{"vertex": name, "data": data}]})
    found.text += tail.splitlines()
    return failure(found, parse(text), "Dockerfile")


def test_a_failing_command_shows_its_last_lines():
    many = "".join(f"line {n}\n" for n in range(40)).encode() + b"\x1b[31mred\x1b[0m\n"
    caught = failed(TEXT, "[2/3] RUN pip install x", 'process "x" did not complete successfully: '
                    "exit code: 9", "Dockerfile:3\n----\nERROR: failed to solve", many)
    assert caught.line == 3 and caught.instruction == "RUN pip install x"
    assert len(caught.output) == 10 and caught.output[-1] == "red"
    assert "exit code 9" in str(caught) and "| line 39" in str(caught)


@pytest.mark.parametrize(
    ("name", "error", "tail", "said"),
    [
        ("[2/3] RUN pip install x", "write /x: no space left on device", "", "disk is full"),
        ("", "", "ERROR: failed to receive status: rpc error: code = Unavailable desc = error "
         "reading from server: EOF", "stopped answering"),
        ("", "", "ERROR: Cannot connect to the Docker daemon at unix:///x. Is it running?",
         "stopped answering"),
        ("", "", "docker: 'buildx' is not a docker command.", "no buildx plugin"),
        ("[internal] load metadata for docker.io/library/nope:2", "pull access denied", "",
         "base image 'nope:2'"),
        ("", "", "ERROR: failed to solve: something new", "something new"),
    ],
)
def test_causes(name, error, tail, said):
    caught = failed(TEXT, name, error, tail)
    assert said in str(caught)
    assert caught.hint


def test_a_stopped_engine_outweighs_what_the_step_said():
    found = heard(vertex("[2/3] RUN pip install x", (1, 2),
                         error="x did not complete successfully: exit code: 137"))
    caught = failure(found, parse(TEXT), "Dockerfile", engine_answers=False)
    assert "stopped answering" in str(caught) and "exit code" not in str(caught)


REPORT = BuildReport("sha256:1", ("app",), 1.25, (
    BuildStep("FROM python:3.13-slim", 0.0, True, 125_300_000, 1, 3, "", 1),
    BuildStep("RUN a && \\\n  # note\n  b <c>", 1.2, False, 2_000, 2, 3, "", 3),
    BuildStep("COPY . .", 0.0, True, None, 3, 3, "", 6)), ("ENV A=1",), (2,))


def test_the_table_in_text_and_html_says_the_same():
    bundle = RENDERERS[BuildReport](REPORT)
    for form in (bundle["text/plain"], bundle["text/html"]):
        for words in ("[2/3]", "RUN a &amp;&amp; b" if "<table" in form else "RUN a && b",
                      "rebuilt", "cached", "base image", "125.3 MB", "configuration", "1.2"):
            assert words in form, words
        assert form.index("FROM") < form.index("ENV A=1") < form.index("COPY")
    assert "<c>" not in bundle["text/html"]
    assert "1 of 2 steps cached" in bundle["text/plain"]


def test_small_forms():
    assert [human_size(n) for n in (None, 5, 1500, 2_000_000)] == ["", "5 B", "1.5 kB", "2.0 MB"]
    assert short("RUN a \\\n  && b") == "RUN a && b"
    assert len(short("x" * 100, 20)) == 20


def test_progress_outside_a_terminal_says_nothing(capfd):
    with progress() as update:
        update("[1/2] RUN x")
    assert capfd.readouterr() == ("", "")


def test_progress_in_a_terminal_names_the_running_step_on_one_line(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    with progress() as update:
        update("[1/2] FROM x")
        update("[2/2] RUN " + "y" * 200)
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown[1] == "[1/2] FROM x"
    assert shown[2].startswith("[2/2] RUN y") and len(shown[2]) <= 100
    assert shown[3:] == [""], "the line is wiped at the end"
    assert "\n" not in terminal.getvalue()


def test_progress_in_a_notebook_is_a_bar_that_names_the_running_step(monkeypatch):
    shown, updates, boxes = [], [], []
    made = ipywidgets.HBox
    monkeypatch.setattr("ipywidgets.HBox", lambda *args: boxes.append(made(*args)) or boxes[0])
    handle = SimpleNamespace(update=lambda bundle, raw: updates.append(bundle))
    monkeypatch.setattr("helpers.show.build._in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display",
                        lambda bundle, **_: shown.append(bundle) or handle)
    with progress() as update:
        (row,) = boxes
        bar, name = row.children
        assert shown[0]["application/vnd.jupyter.widget-view+json"]["model_id"] == row.model_id
        update("[1/2] FROM x")
        first = bar.value / bar.max
        update("[2/2] RUN y")
        assert name.value == "[2/2] RUN y"
        assert 0 < first < bar.value / bar.max < 1
    assert updates == [{"text/plain": ""}], "nothing of the bar stays in the stored output"
