"""Builds on a real engine: each report against BuildKit's own plain log, and bad input."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.engine import standin
from helpers.engine.build import BuildFailed, build_image
from helpers.engine.engine import Engine
from helpers.engine.owner import labels
from helpers.engine.private import PrivateEngine
from helpers.errors import CourseError

pytestmark = pytest.mark.engine

CASES = Path(__file__).parent / "dockerfiles"
GOOD = sorted(p.name for p in CASES.iterdir() if p.is_dir() and not p.name.startswith("fails_"))
BAD = sorted(p.name for p in CASES.iterdir() if p.name.startswith("fails_"))


@pytest.fixture
def tag(engine: Engine, request: pytest.FixtureRequest):
    name = "build-test-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    yield name
    engine.run("image", "rm", "--force", name)
    # A tag that was built anew leaves the image before it without a name.
    ours = [part for k, v in labels().items() for part in ("--filter", f"label={k}={v}")]
    engine.run("image", "prune", "--force", *ours)


def plain_log(engine: Engine, folder: Path, tag: str, *flags: str) -> str:
    """What the bare command writes with --progress=plain."""
    from helpers.engine.standin import named_contexts

    text = (folder / "Dockerfile").read_text()
    done = engine.run("buildx", "build", "--progress=plain", "--load", "-t", tag, *flags,
                      *(f"--label={k}={v}" for k, v in labels().items()),
                      *named_contexts(engine, text), str(folder))
    return done.stderr


def plain_steps(log: str) -> dict[tuple[str, int, int], tuple[str, bool]]:
    """(stage, n, m) to (keyword, cached) for every step that a plain log shows as finished."""
    names: dict[str, tuple[str, int, int]] = {}
    keywords: dict[str, str] = {}
    ended: dict[str, bool] = {}
    for line in log.splitlines():
        if not line.startswith("#"):
            continue
        number, _, rest = line.partition(" ")
        if rest.startswith("[") and "/" in rest.partition("]")[0]:
            label, _, instruction = rest[1:].partition("] ")
            *stage, count = label.replace("/ ", "/").split()
            n, m = count.split("/")
            names[number] = (" ".join(stage), int(n), int(m))
            keywords[number] = instruction.split()[0].upper()
        elif rest == "CACHED" or rest.startswith("DONE "):
            ended[number] = rest == "CACHED"
    return {names[k]: (keywords[k], ended[k]) for k in names if k in ended}


def reported_steps(report) -> dict[tuple[str, int, int], tuple[str, bool]]:
    return {(s.stage, s.number, s.total): (s.instruction.split()[0].upper(), s.cached)
            for s in report.steps}


def but_from(steps):
    """All steps but FROM, and how many FROM there are.

    Whether a local base image counts as cached differs from one bare build to the next, and
    while another build of the same engine uses the image, BuildKit gives FROM that one's label.
    """
    counted = {key: value for key, value in steps.items() if value[0] != "FROM"}
    return counted, len(steps) - len(counted)


@pytest.mark.parametrize("case", GOOD)
def test_report_agrees_with_the_plain_log(case: str, engine: Engine, tag: str):
    folder = CASES / case
    build_image(folder, tag=tag, engine=engine)
    for no_cache in (True, False):
        report = build_image(folder, tag=tag, no_cache=no_cache, engine=engine)
        log = plain_log(engine, folder, tag, *(["--no-cache"] if no_cache else []))
        expected = plain_steps(log)
        assert expected, log
        assert but_from(reported_steps(report)) == but_from(expected), log
        assert len(report.steps) == len(expected)
        ran = [s for s in report.steps if s.instruction.upper().startswith("RUN")]
        assert all(s.cached is not no_cache for s in ran)
        assert all(s.seconds > 0 for s in ran if not s.cached)
        if not no_cache:
            assert report.all_cached


@pytest.mark.parametrize("case", GOOD)
def test_instructions_are_as_the_dockerfile_has_them(case: str, engine: Engine, tag: str):
    folder = CASES / case
    report = build_image(folder, tag=tag, engine=engine)
    lines = (folder / "Dockerfile").read_text().split("\n")
    for step in report.steps:
        written = step.instruction.split("\n")
        found = [line.strip() for line in lines[step.line - 1 : step.line - 1 + len(written)]]
        assert [w.strip() for w in written] == found
    assert [s.line for s in report.steps] == sorted(s.line for s in report.steps)
    shown = [f"{s.label} {s.instruction.splitlines()[0]}" for s in report.steps]
    assert shown == (folder / "expected-steps.txt").read_text().splitlines()
    assert engine.client.images.get(tag).id == report.image_id
    assert labels().items() <= engine.client.images.get(tag).labels.items()


def test_sizes_come_from_the_final_stage(engine: Engine, tag: str):
    report = build_image(CASES / "multi_stage", tag=tag, engine=engine)
    by_label = {s.label: s.size_bytes for s in report.steps}
    assert by_label["[build 3/4]"] is None
    copied = next(s for s in report.steps if s.instruction.startswith("COPY --from"))
    assert copied.size_bytes == len("pear\napple\n")
    assert report.config == ("ENV FROM_BUILD=yes", "USER nobody") or "FROM" in report.config[0]


def test_ids_hold_still_on_a_cached_rebuild(engine: Engine, tag: str):
    first = build_image(CASES / "plain", tag=tag, engine=engine)
    again = build_image(CASES / "plain", tag=tag, engine=engine)
    assert first.image_id == again.image_id


def test_a_stand_in_for_the_base_image_changes_nothing(
    engine: Engine, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """On a user's own engine the base comes through a named context, numbered otherwise."""
    for case in ("twelve_steps", "multi_stage"):
        folder = tmp_path / case
        shutil.copytree(CASES / case, folder)
        build_image(folder, tag=tag, engine=engine)
        usual = build_image(folder, tag=tag, engine=engine)
        text = (folder / "Dockerfile").read_text()
        (folder / "Dockerfile").write_text(text.replace("python:3.13-slim", "nowhere.invalid/b:1"))
        monkeypatch.setattr(standin, "named_contexts", lambda *_: [
            "--build-context", "nowhere.invalid/b:1=docker-image://python:3.13-slim"])
        build_image(folder, tag=tag, engine=engine)
        through = build_image(folder, tag=tag, engine=engine)
        monkeypatch.undo()
        assert [(s.label, s.line, s.instruction, s.cached, s.size_bytes)
                for s in through.steps if not s.is_from] == [
            (s.label, s.line, s.instruction, s.cached, s.size_bytes)
            for s in usual.steps if not s.is_from]
        assert [(s.label, s.line) for s in through.steps] == [
            (s.label, s.line) for s in usual.steps]


def test_build_args_and_another_dockerfile(engine: Engine, tag: str, tmp_path: Path):
    shutil.copytree(CASES / "arg_before_from", tmp_path / "app")
    (tmp_path / "app/Dockerfile").rename(tmp_path / "app/Dockerfile.other")
    report = build_image(tmp_path / "app", tag=tag, dockerfile="Dockerfile.other",
                         build_args={"NOTE": "given"}, engine=engine)
    assert engine.client.images.get(tag).labels["note"] == "given"
    assert report.config[:2] == ("ARG BASE=python", "ARG TAG=3.13-slim")


def test_progress_names_the_running_step(engine: Engine, tag: str):
    seen: list[str] = []
    build_image(CASES / "plain", tag=tag, no_cache=True, on_progress=seen.append, engine=engine)
    assert any(text.startswith("[4/4] RUN wc") for text in seen), seen


@pytest.mark.parametrize(
    ("case", "line", "instruction", "said"),
    [
        ("fails_run", 4, "RUN echo", ["exit code 3", "| before the end", "line 4"]),
        ("fails_copy", 3, "COPY requirments.txt .", ["'requirments.txt'", "build context"]),
        ("fails_stage", 2, "RUN echo", ["exit code 2", "no-such-folder", "line 2"]),
    ],
)
def test_failures_agree_with_the_plain_log(case, line, instruction, said, engine, tag):
    with pytest.raises(BuildFailed) as caught:
        build_image(CASES / case, tag=tag, engine=engine)
    message = str(caught.value)
    assert all(words in message for words in said), message
    assert (caught.value.line, caught.value.hint != "") == (line, True)
    assert caught.value.instruction.startswith(instruction)
    assert f"Dockerfile:{line}\n" in plain_log(engine, CASES / case, tag)
    assert not engine.client.images.list(tag)


def test_every_bad_case_has_its_row():
    assert BAD == ["fails_copy", "fails_run", "fails_stage"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("FROM no-such-image.invalid/nothing:1\nRUN true\n", 1,
         "base image 'no-such-image.invalid/nothing:1'"),
        ("FROM python:3.13-slim\nRUNN true\n", 2, "did you mean RUN?"),
        ("FROM python:3.13-slim\nENV\n", 2, "ENV requires"),
        ("RUN true\n", 1, "begin with FROM"),
        ("", None, "Dockerfile is empty"),
        ("FROM python:3.13-slim\nRUN nosuchcommand\n", 2, "127"),
    ],
)
def test_a_wrong_dockerfile_gets_one_message(text, line, said, engine, tag, tmp_path):
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(BuildFailed) as caught:
        build_image(tmp_path, tag=tag, engine=engine)
    assert said in str(caught.value), str(caught.value)
    assert caught.value.line == line
    assert "rpc error" not in str(caught.value)


def test_inputs_that_cannot_begin(engine: Engine, tmp_path: Path):
    for context, name, said in (
        (tmp_path / "nothing", "x", "does not exist"),
        (tmp_path, "x", "no Dockerfile"),
        (CASES / "plain", "My App", "not a valid image tag"),
        (CASES / "plain" / "Dockerfile", "x", "not a folder"),
    ):
        with pytest.raises(CourseError, match=said) as caught:
            build_image(context, tag=name, engine=engine)
        assert caught.value.hint


def test_without_the_docker_command(engine: Engine):
    broken = Engine(engine.host, engine.kind, engine.version, "/nonexistent/docker")
    with pytest.raises(CourseError, match="not on this machine"):
        build_image(CASES / "escape_directive", tag="x", engine=broken)


INTERRUPTED = """
import sys
from helpers.engine.build import build_image
from helpers.engine.engine import Engine
engine = Engine({host!r}, {kind!r}, {version!r}, {docker!r}, {env!r})
build_image({folder!r}, tag={tag!r}, engine=engine, on_progress=lambda t: print(t, flush=True))
"""


def test_ctrl_c_leaves_nothing(engine: Engine, tag: str, tmp_path: Path):
    folder = tmp_path / f"interrupted-{time.time_ns()}"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM python:3.13-slim\nRUN echo {folder} && sleep 300\n")
    program = INTERRUPTED.format(host=engine.host, kind=engine.kind, version=engine.version,
                                 docker=engine.docker, env=dict(engine.extra_env),
                                 folder=str(folder), tag=tag)
    child = subprocess.Popen([sys.executable, "-c", program], text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    try:
        assert child.stdout is not None
        assert any("RUN echo" in line for line in child.stdout)
        time.sleep(0.5)
        assert running(str(folder)), "the build was to be running by now"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
    finally:
        child.kill()
    assert "KeyboardInterrupt" in errors
    assert running(str(folder)) == []
    deadline = time.monotonic() + 10
    while running("sleep 300", str(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert running("sleep 300", str(folder)) == [], "the engine still runs the cancelled step"
    assert not engine.client.images.list(tag)


def test_engine_stopped_in_mid_build(second_daemon: PrivateEngine, engine: Engine, tmp_path: Path):
    told = second_daemon.answer()
    assert told
    other = second_daemon.engine(told.version)
    saved = subprocess.Popen([engine.docker, "save", "python:3.13-slim"], env=engine.env,
                             stdout=subprocess.PIPE)
    loaded = subprocess.run([other.docker, "load"], env=other.env, stdin=saved.stdout,
                            capture_output=True, text=True, check=False)
    assert saved.wait() == 0 and loaded.returncode == 0, loaded.stderr
    (tmp_path / "Dockerfile").write_text("FROM python:3.13-slim\nRUN --network=none sleep 120\n")
    stopping: list[threading.Thread] = []

    def stop_at_run(text: str) -> None:
        if "RUN" in text and not stopping:
            stopping.append(threading.Timer(1, second_daemon._halt))
            stopping[0].start()

    began = time.monotonic()
    with pytest.raises(BuildFailed) as caught:
        build_image(tmp_path, tag="cut-off", engine=other, on_progress=stop_at_run)
    assert "stopped answering" in str(caught.value), str(caught.value)
    assert time.monotonic() - began < 60
    for thread in stopping:
        thread.join()
    with pytest.raises(CourseError, match="stopped answering"):
        build_image(tmp_path, tag="cut-off", engine=other)
    assert running("buildx", str(tmp_path)) == []
    assert running("sleep 120") == []
    assert str(second_daemon.base) not in Path("/proc/mounts").read_text()


def test_disk_full(small_engine: Engine, tmp_path: Path):
    """The data root is a small tmpfs, and the image does not fit."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY big /big\n")
    (tmp_path / "big").write_bytes(os.urandom(80 << 20))
    with pytest.raises(BuildFailed) as caught:
        build_image(tmp_path, tag="too-big", engine=small_engine)
    assert "disk is full" in str(caught.value), str(caught.value)
    assert "clean" in caught.value.hint
    assert not small_engine.client.images.list()


def running(*words: str) -> list[str]:
    """The command lines on this machine that hold all the words."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if all(word in line for word in words) and "from helpers" not in line:
            found.append(line)
    return found
