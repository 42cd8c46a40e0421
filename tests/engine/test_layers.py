"""Layers of an image that was built for this test, on a real engine."""

from __future__ import annotations

import secrets
import time

import pytest

from helpers.engine.base_image import named_contexts
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.engine.probe import image_store
from helpers.errors import CourseError
from helpers.experiments.layers.measure import inspect_layers

pytestmark = pytest.mark.engine
MB = 1_000_000
DOCKERFILE = f"""FROM python:3.13-slim
RUN mkdir /data && head -c {MB} /dev/zero > /data/big
ENV COLOUR=blue
RUN head -c {MB // 2} /dev/zero > /data/big
RUN rm /data/big
"""


@pytest.fixture
def engine(each_engine: Engine) -> Engine:
    """Each test here runs on both image stores."""
    return each_engine


@pytest.fixture
def image(engine, tmp_path):
    tag = f"course-test-layers-{secrets.token_hex(4)}"
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    marks = [part for key, value in labels().items() for part in ("--label", f"{key}={value}")]
    built = engine.run(
        "buildx",
        "build",
        "--load",
        "-t",
        tag,
        *marks,
        *named_contexts(engine, DOCKERFILE),
        str(tmp_path),
    )
    assert built.returncode == 0, built.stderr
    yield tag
    engine.run("image", "rm", "--force", tag)


def test_each_layer_and_what_it_hides(engine, image):
    result = inspect_layers(image, engine)
    written, overwritten, removed = result.layers[-3:]
    assert written.instruction == f"RUN mkdir /data && head -c {MB} /dev/zero > /data/big"
    assert [(f.path, f.kind, f.size_bytes) for f in written.files] == [("/data/big", "added", MB)]
    assert [(f.path, f.kind, f.size_bytes) for f in overwritten.files] == [
        ("/data/big", "changed", MB // 2)
    ]
    assert [(f.path, f.kind, f.size_bytes) for f in removed.files] == [
        ("/data/big", "removed", MB // 2)
    ]
    assert [layer.wasted_bytes for layer in result.layers[-3:]] == [MB, MB // 2, 0]
    assert "ENV COLOUR=blue" in [e.instruction for e in result.entries if e.is_config]


def test_sizes_agree_with_docker_history(engine, image):
    """`docker history` has them in the classic store; in containerd's it counts disk blocks."""
    history = [line["Size"] for line in reversed(engine.client.images.get(image).history())]
    sizes = [entry.size_bytes for entry in inspect_layers(image, engine).entries]
    assert len(sizes) == len(history)
    assert sizes[-4:] == [MB, 0, MB // 2, 0]
    if image_store(engine.host) == "classic":
        assert history[-4:] == sizes[-4:]
        # In a base image the engine may count the lengths of symbolic links too.
        assert sum(sizes) == pytest.approx(sum(history), rel=0.01)
    else:
        assert all(blocks >= size for blocks, size in zip(history, sizes, strict=True))
        assert all(blocks % 512 == 0 for blocks in history)


def test_second_call_uses_the_cache(engine, image):
    inspect_layers(image, engine)
    start = time.perf_counter()
    inspect_layers(image, engine)
    assert time.perf_counter() - start < 1


def test_missing_image_is_one_message(engine):
    with pytest.raises(CourseError, match=r"There is no image .*\n→ Build it: docker build -t "):
        inspect_layers("course-test-no-such-image", engine)
    with pytest.raises(CourseError, match="There is no image"):
        inspect_layers("Not A Name", engine)
