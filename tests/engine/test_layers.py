"""Layers of an image that was built for this test, on a real engine."""

from __future__ import annotations

import secrets
import time

import pytest

from helpers.engine.engine import Engine
from helpers.engine.owner import labels
from helpers.engine.probe import image_store
from helpers.engine.standin import named_contexts
from helpers.errors import CourseError
from helpers.experiments.layers import layers

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
    built = engine.run("buildx", "build", "--load", "-t", tag, *marks,
                       *named_contexts(engine, DOCKERFILE), str(tmp_path))
    assert built.returncode == 0, built.stderr
    yield tag
    engine.run("image", "rm", "--force", tag)


def test_each_layer_and_what_it_hides(engine, image):
    found = layers(image, engine)
    written, overwritten, removed = found.layers[-3:]
    assert written.instruction == f"RUN mkdir /data && head -c {MB} /dev/zero > /data/big"
    assert [(f.path, f.kind, f.size_bytes) for f in written.files] == [("/data/big", "added", MB)]
    assert [(f.path, f.kind, f.size_bytes) for f in overwritten.files] == [
        ("/data/big", "changed", MB // 2)]
    assert [(f.path, f.kind, f.size_bytes) for f in removed.files] == [
        ("/data/big", "removed", MB // 2)]
    assert [layer.wasted_bytes for layer in found.layers[-3:]] == [MB, MB // 2, 0]
    assert "ENV COLOUR=blue" in [e.instruction for e in found.entries if e.is_config]


def test_sizes_are_bytes_of_files_in_both_stores(engine, image):
    """`docker history` has them in the classic store; in containerd's it counts disk blocks."""
    history = [line["Size"] for line in reversed(engine.client.images.get(image).history())]
    sizes = [entry.size_bytes for entry in layers(image, engine).entries]
    assert len(sizes) == len(history)
    assert sizes[-4:] == [MB, 0, MB // 2, 0]
    if image_store(engine.host) == "classic":
        assert history[-4:] == sizes[-4:]
        # In a base image the engine may count the lengths of symbolic links too.
        assert sum(sizes) == pytest.approx(sum(history), rel=0.01)
    else:
        assert all(blocks >= size for blocks, size in zip(history, sizes, strict=True))
        assert all(blocks % 512 == 0 for blocks in history)


def test_a_second_look_is_kept(engine, image):
    layers(image, engine)
    start = time.perf_counter()
    layers(image, engine)
    assert time.perf_counter() - start < 1


def test_an_image_that_is_not_there_is_one_message(engine):
    with pytest.raises(CourseError, match=r"There is no image .*\n→ Build it: docker build -t "):
        layers("course-test-no-such-image", engine)
    with pytest.raises(CourseError):
        layers("Not A Name", engine)
