"""What `%docker` adds to `docker compose up -d --wait` of the visits app, in paired runs."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

import helpers.engine.find
from helpers.engine.base_image import POSTGRES, ensure_base_image
from helpers.engine.engine import Engine
from helpers.magic import load
from helpers.paths import CHECKOUT

pytestmark = [pytest.mark.engine, pytest.mark.benchmark]

PAIRS = 8
BOUND_SECONDS, BOUND_SHARE = 0.1, 0.05
COMPOSE = ("compose", "-p", "course-overhead")


@pytest.fixture
def project(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Change into a copy of the visits app without published ports; remove its images at the end."""
    ensure_base_image(engine, POSTGRES)
    folder = tmp_path / "visits"
    shutil.copytree(CHECKOUT / "notebooks/apps/visits", folder)
    file = folder / "compose.yaml"
    file.write_text(file.read_text().replace('      - "${WEB_PORT:-5000}:5000"', '      - "5000"'))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(helpers.engine.find, "connect", lambda: engine)
    load(InteractiveShell.instance())
    yield
    engine.run(*COMPOSE, "down", "-v", "--rmi", "local")


def test_up_costs_at_most_100_ms_more(engine: Engine, project: None):
    bare = [engine.docker, *COMPOSE, "up", "-d", "--wait"]

    def run_bare() -> float:
        began = time.perf_counter()
        subprocess.run(bare, env=engine.env, check=True, capture_output=True)
        return time.perf_counter() - began

    def run_magic() -> float:
        began = time.perf_counter()
        result = InteractiveShell.instance().run_cell(f"%docker {' '.join(bare[1:])}")
        took = time.perf_counter() - began
        result.raise_error()
        return took

    pairs = []
    for turn in range(PAIRS + 1):  # turn 0 builds the image; which goes first alternates
        seconds = {}
        for run in (run_bare, run_magic) if turn % 2 else (run_magic, run_bare):
            seconds[run] = run()
            engine.run(*COMPOSE, "down")
        if turn:
            pairs.append((seconds[run_bare], seconds[run_magic]))
    alone = statistics.median(bare for bare, _ in pairs)
    added = statistics.median(magic - bare for bare, magic in pairs)
    print(
        f"\nbare {alone:.2f} s, %docker adds {added * 1000:.0f} ms = {added / alone:.1%} "
        f"(median of {PAIRS} pairs)"
    )
    assert added <= max(BOUND_SECONDS, BOUND_SHARE * alone), pairs
