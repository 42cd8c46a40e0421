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
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.build import build_image
from helpers.build.result import BuildReport
from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.engine.private import PrivateEngine
from helpers.errors import BuildFailed, CourseError
from tests.conftest import copy_image
from tests.engine.record_builds import target_of

pytestmark = pytest.mark.engine

CASES = Path(__file__).parent / "dockerfiles"
GOOD = sorted(p.name for p in CASES.iterdir() if p.is_dir() and not p.name.startswith("fails_"))
BAD = sorted(p.name for p in CASES.iterdir() if p.name.startswith("fails_"))


@pytest.fixture
def engine(each_engine: Engine) -> Engine:
    """Each test here runs on both image stores."""
    return each_engine


@pytest.fixture(scope="module")
def tags(each_engine: Engine) -> Iterator[list[str]]:
    """Yield a list for the tags of images, which are removed after the last test on this engine."""
    names: list[str] = []
    yield names
    each_engine.run("image", "rm", "--force", *names)
    # A tag that is built again leaves the former image without a name.
    filters = [part for k, v in labels().items() for part in ("--filter", f"label={k}={v}")]
    each_engine.run("image", "prune", "--force", *filters)


@pytest.fixture
def tag(tags: list[str], request: pytest.FixtureRequest) -> str:
    name = "build-test-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    tags.append(name)
    return name


def plain_log(engine: Engine, folder: Path, *flags: str) -> str:
    """Return what the bare command prints with --progress=plain."""
    text = (folder / "Dockerfile").read_text(encoding="utf-8-sig")
    completed = engine.run(
        "buildx",
        "build",
        "--progress=plain",
        "--output=type=cacheonly",
        *flags,
        *(f"--label={k}={v}" for k, v in labels().items()),
        *base_image.named_contexts(engine, text),
        str(folder),
    )
    return completed.stderr


def plain_steps(log: str) -> dict[str, tuple[str, bool]]:
    """Return {label: (keyword, cached)} of every step that a plain log shows as finished."""
    names: dict[str, tuple[str, str]] = {}
    ended: dict[str, bool] = {}
    for line in log.splitlines():
        if not line.startswith("#"):
            continue
        number, _, rest = line.partition(" ")
        if rest.startswith("[") and "/" in rest.partition("]")[0]:
            label, _, instruction = rest.partition("] ")
            if not instruction.startswith("LINK "):  # the second half of COPY --link
                names[number] = (
                    " ".join(label.split()).replace("[ ", "[") + "]",
                    instruction.split()[0].upper(),
                )
        elif rest == "CACHED" or rest.startswith("DONE "):
            ended[number] = rest == "CACHED"
    return {names[k][0]: (names[k][1], ended[k]) for k in names if k in ended}


def reported_steps(report: BuildReport) -> dict[str, tuple[str, bool]]:
    return {s.label: (s.instruction.split()[0].upper(), s.cached) for s in report.steps}


def without_from(steps: dict[str, tuple[str, bool]]) -> dict[str, tuple[str, bool]]:
    """Return all steps except FROM: BuildKit reports a local base image as cached or not from one
    build to the next, and with the label of another build that uses the image."""
    return {key: value for key, value in steps.items() if value[0] != "FROM"}


@pytest.mark.parametrize("case", GOOD)
def test_report_agrees_with_plain_log(case: str, engine: Engine, tag: str):
    folder = CASES / case
    target = target_of(folder)
    fresh = build_image(folder, tag=tag, target=target, no_cache=True, engine=engine)
    report = build_image(folder, tag=tag, target=target, engine=engine)
    reported = without_from(reported_steps(report))
    if engine.kind == "private":  # the same BuildKit prints the same on the other store
        log = plain_log(engine, folder, *([f"--target={target}"] if target else []))
        assert reported == without_from(plain_steps(log)), log
    assert report.all_cached and all(cached for _, cached in reported.values())
    assert list(without_from(reported_steps(fresh))) == list(reported)
    ran = [s for s in fresh.steps if s.instruction.upper().startswith("RUN")]
    assert all(not s.cached and s.seconds > 0 for s in ran)
    shown = [f"{s.line}: {s.instruction.splitlines()[0]}" for s in report.steps]
    assert shown == (folder / "expected-steps.txt").read_text(encoding="utf-8").splitlines()
    assert engine.client.images.get(tag).id == report.image_id
    assert labels().items() <= engine.client.images.get(tag).labels.items()


def test_cached_rebuild_keeps_image_id(engine: Engine, tag: str):
    first = build_image(CASES / "plain", tag=tag, engine=engine)
    again = build_image(CASES / "plain", tag=tag, engine=engine)
    assert first.image_id == again.image_id


def test_concurrent_builds_keep_their_lines(engine: Engine, tag: str, tmp_path: Path):
    """BuildKit runs a step of both builds once, and names it for both as in the first build."""
    word = tmp_path.name
    shared = f"FROM python:3.13-slim AS base\nRUN echo {word} && sleep 2\n"
    texts = (
        shared + "RUN echo last-of-one\n",
        "# a comment moves every line\n\n" + shared + "FROM base\nRUN echo last-of-two\n",
    )
    reports: dict[int, BuildReport] = {}

    def build(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "Dockerfile").write_text(texts[number])
        reports[number] = build_image(folder, tag=f"{tag}:{number}", engine=engine)

    threads = [threading.Thread(target=build, args=(number,)) for number in (0, 1)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        shown = [[(s.line, s.instruction.split()[0]) for s in reports[n].steps] for n in (0, 1)]
        assert shown == [
            [(1, "FROM"), (2, "RUN"), (3, "RUN")],
            [(3, "FROM"), (4, "RUN"), (6, "RUN")],
        ]
        assert [r.steps[-1].instruction for _, r in sorted(reports.items())] == [
            "RUN echo last-of-one",
            "RUN echo last-of-two",
        ]
    finally:
        engine.run("image", "rm", "--force", f"{tag}:0", f"{tag}:1")


def test_build_args_and_another_dockerfile(engine: Engine, tag: str, tmp_path: Path):
    shutil.copytree(CASES / "arg_before_from", tmp_path / "app")
    (tmp_path / "app/Dockerfile").rename(tmp_path / "app/Dockerfile.other")
    report = build_image(
        tmp_path / "app",
        tag=tag,
        dockerfile="Dockerfile.other",
        build_args={"NOTE": "given"},
        engine=engine,
    )
    assert engine.client.images.get(tag).labels["note"] == "given"
    assert report.config[:2] == ("ARG BASE=python", "ARG TAG=3.13-slim")


def test_progress_names_the_running_step(engine: Engine, tag: str):
    seen: list[str] = []
    build_image(CASES / "plain", tag=tag, no_cache=True, on_progress=seen.append, engine=engine)
    assert any("] RUN wc" in text for text in seen), seen


@pytest.mark.parametrize(
    ("case", "line", "instruction", "expected"),
    [
        ("fails_run", 4, "RUN echo", ["exit code 3", "| before the end", "line 4"]),
        ("fails_copy", 3, "COPY requirments.txt .", ["'requirments.txt'", "build context"]),
        ("fails_stage", 2, "RUN echo", ["exit code 2", "no-such-folder", "line 2"]),
    ],
)
def test_failures_agree_with_plain_lines(case, line, instruction, expected, engine, tag):
    with pytest.raises(BuildFailed) as caught:
        build_image(CASES / case, tag=tag, engine=engine)
    message = str(caught.value)
    assert all(words in message for words in expected), message
    assert (caught.value.line, caught.value.hint != "") == (line, True)
    assert caught.value.instruction.startswith(instruction)
    assert f"Dockerfile:{line}\n" in plain_log(engine, CASES / case)
    assert not engine.client.images.list(tag)


def test_every_failing_case_is_tested():
    assert BAD == ["fails_copy", "fails_run", "fails_stage"]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (
            "FROM no-such-image.invalid/nothing:1\nRUN true\n",
            1,
            "image 'no-such-image.invalid/nothing:1' is not on the engine",
        ),
        ("FROM python:3.13-slim\nRUNN true\n", 2, "did you mean RUN?"),
        ("FROM python:3.13-slim\nENV\n", 2, "ENV requires"),
        ("RUN true\n", 1, "no FROM"),
        ("ARG X=1\n", None, "no FROM"),
        ("", None, "Dockerfile is empty"),
        ("FROM python:3.13-slim\nRUN nosuchcommand\n", 2, "127"),
    ],
)
def test_wrong_dockerfile_is_one_message(text, line, expected, engine, tag, tmp_path):
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(BuildFailed) as caught:
        build_image(tmp_path, tag=tag, engine=engine)
    assert expected in str(caught.value), str(caught.value)
    assert caught.value.line == line
    assert "rpc error" not in str(caught.value)


def test_invalid_arguments_are_one_message(engine: Engine, tmp_path: Path):
    for context, name, expected in (
        (tmp_path / "nothing", "x", "does not exist"),
        (tmp_path, "x", "no Dockerfile"),
        (CASES / "plain", "My App", "not a valid image tag"),
        (CASES / "plain" / "Dockerfile", "x", "not a folder"),
    ):
        with pytest.raises(CourseError, match=expected) as caught:
            build_image(context, tag=name, engine=engine)
        assert caught.value.hint


def test_without_the_docker_command(engine: Engine):
    broken = Engine(engine.host, engine.kind, engine.version, "/nonexistent/docker")
    with pytest.raises(CourseError, match="not on this machine"):
        build_image(CASES / "escape_directive", tag="x", engine=broken)


INTERRUPTED = """
import sys
from helpers.build import build_image
from helpers.engine.engine import Engine
engine = Engine({host!r}, {kind!r}, {version!r}, {docker!r}, {env!r})
build_image({folder!r}, tag={tag!r}, engine=engine, on_progress=lambda t: print(t, flush=True))
"""


def test_ctrl_c_leaves_nothing(engine: Engine, tag: str, tmp_path: Path):
    folder = tmp_path / f"interrupted-{time.time_ns()}"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM python:3.13-slim\nRUN echo {folder} && sleep 300\n")
    program = INTERRUPTED.format(
        host=engine.host,
        kind=engine.kind,
        version=engine.version,
        docker=engine.docker,
        env=dict(engine.extra_env),
        folder=str(folder),
        tag=tag,
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert child.stdout is not None
        assert any("RUN echo" in line for line in child.stdout)
        time.sleep(0.5)
        assert running(str(folder)), "the build should be running by now"
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
    answer = second_daemon.answer()
    assert answer
    other = second_daemon.engine(answer.version)
    base = base_image.image_for(engine, "python:3.13-slim")
    copy_image(base, engine, other, tmp_path)
    other.run("tag", base, "python:3.13-slim")
    (tmp_path / "Dockerfile").write_text("FROM python:3.13-slim\nRUN --network=none sleep 120\n")
    stopping: list[threading.Thread] = []

    def stop_at_run(text: str) -> None:
        if "RUN" in text and not stopping:
            stopping.append(threading.Timer(1, second_daemon.halt))
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
    """Return the command lines on this machine that contain all the words."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if all(word in line for word in words) and "from helpers" not in line:
            lines.append(line)
    return lines
