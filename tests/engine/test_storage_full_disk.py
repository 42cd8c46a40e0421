"""A container fills the engine's disk through a volume: one message each, and a rerun works."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.vm import guests
from tests.conftest import copy_image
from tests.engine.test_bad_input import CELL_SECONDS, notebook

pytestmark = pytest.mark.engine
FILL = "dd if=/dev/zero of=/data/big bs=1M count=100"


@pytest.fixture
def small_image(engine: Engine, small_engine: Engine, tmp_path: Path) -> str:
    """Return a small image with a shell on the engine whose disk is soon full."""
    guests.ensure(engine, guests.SERVER)
    copy_image(guests.SERVER, engine, small_engine, tmp_path)
    return guests.SERVER


def test_full_disk_has_one_message_and_rerun_works(
    small_engine: Engine, small_image: str, tmp_path: Path
) -> None:
    """A volume fills the disk: the magic and the experiment say so; then it is removed."""
    experiment = f"from helpers import compare_storage\ncompare_storage('', image={small_image!r})"
    with notebook(small_engine, tmp_path) as cell:
        for code in (f"%docker run --rm -v big:/data {small_image} {FILL}", experiment):
            message = cell.fails(code)
            assert "no space left on device" in message.lower()
            assert "The disk is full" in message and "helpers clean" in message
        for code in (
            "%docker volume rm big",
            experiment,
            f"%docker run --rm -v big:/data {small_image} touch /data/small",
            "%docker volume rm big",
        ):
            reply = cell.client.execute_interactive(code, timeout=CELL_SECONDS)
            assert reply["content"]["status"] == "ok", code
    assert not small_engine.client.volumes.list()
    assert not small_engine.client.containers.list(all=True)
