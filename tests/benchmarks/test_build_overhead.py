"""What build_image adds to a fully cached build over the bare command, in paired runs."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from helpers.build import build_image
from helpers.engine.base_image import named_contexts
from helpers.engine.engine import Engine
from helpers.engine.labels import labels

pytestmark = [pytest.mark.engine, pytest.mark.benchmark]

PAIRS = 10
BOUND_SECONDS = 0.025
CASE = Path(__file__).parents[1] / "engine/dockerfiles/plain"


def test_a_cached_build_costs_at_most_25_ms_more(engine: Engine, tmp_path: Path):
    folder = tmp_path / "app"
    shutil.copytree(CASE, folder)
    tag = "build-overhead-test"
    bare = [
        engine.docker,
        "buildx",
        "build",
        "--progress=rawjson",
        "--load",
        "-t",
        tag,
        *(f"--label={k}={v}" for k, v in labels().items()),
        *named_contexts(engine, (folder / "Dockerfile").read_text()),
        str(folder),
    ]

    def run_bare() -> float:
        began = time.perf_counter()
        subprocess.run(bare, env=engine.env, check=True, capture_output=True)
        return time.perf_counter() - began

    def run_ours() -> float:
        began = time.perf_counter()
        report = build_image(folder, tag=tag, engine=engine)
        took = time.perf_counter() - began
        assert report.all_cached
        return took

    try:
        build_image(folder, tag=tag, engine=engine)
        pairs = []
        for turn in range(PAIRS):  # which goes first alternates
            if turn % 2:
                ours, alone = run_ours(), run_bare()
            else:
                alone, ours = run_bare(), run_ours()
            pairs.append((alone, ours))
    finally:
        engine.run("image", "rm", "--force", tag)
    added = statistics.median(ours - alone for alone, ours in pairs)
    print(
        f"\nbare {statistics.median(a for a, _ in pairs) * 1000:.0f} ms, "
        f"build_image adds {added * 1000:.1f} ms (median of {PAIRS} pairs)"
    )
    assert added <= BOUND_SECONDS, pairs
