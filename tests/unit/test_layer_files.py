"""Files in all layers of a saved image, also in those that a later layer hides."""

from __future__ import annotations

import io
import json
import tarfile
import types
from typing import Any

import pytest

from helpers.exercises.layer_files import search_layers


def archive(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


def saved_engine(*layers: dict[str, bytes]) -> Any:
    """Return an engine whose `docker save` sends these layers."""
    names = [f"blobs/{number}" for number in range(len(layers))]
    history = [{"created_by": "ENV a=b", "empty_layer": True}]
    history += [{"created_by": f"COPY {number} ."} for number in range(1, len(layers) + 1)]
    saved = archive(
        {
            "manifest.json": json.dumps([{"Config": "config", "Layers": names}]).encode(),
            "config": json.dumps({"history": history, "rootfs": {"diff_ids": names}}).encode(),
            **{name: archive(files) for name, files in zip(names, layers, strict=True)},
        }
    )
    api = types.SimpleNamespace(get_image=lambda image: iter([saved[:700], saved[700:]]))
    return types.SimpleNamespace(client=types.SimpleNamespace(api=api))


@pytest.mark.parametrize(
    ("later", "hidden_by"),
    [
        ({"other": b""}, 0),
        ({"app/.wh.key": b""}, 2),
        ({".wh.app": b""}, 2),
        ({"app/.wh..wh..opq": b""}, 2),
        ({"app/key": b"new"}, 2),
        ({"app/.wh.keys": b""}, 0),
    ],
    ids=["kept", "removed", "folder", "emptied", "replaced", "another"],
)
def test_hidden_file_is_found(later: dict[str, bytes], hidden_by: int) -> None:
    engine = saved_engine({"app/key": b"SECRET"}, later)
    result = search_layers(engine, "image", key=lambda path, content: b"SECRET" in content)
    (file,) = result["key"]
    assert (file.path, file.layer, file.instruction) == ("app/key", 1, "COPY 1 .")
    assert file.hidden_by == hidden_by


def test_nothing_is_found() -> None:
    assert search_layers(saved_engine({"a": b"b"}), "image", c=lambda path, _: path == "c") == {
        "c": []
    }


def test_known_layer_is_not_searched() -> None:
    engine = saved_engine({"a": b"x"}, {"a": b"x"})
    (file,) = search_layers(engine, "image", ["blobs/0"], a=lambda path, _: path == "a")["a"]
    assert file.layer == 2
