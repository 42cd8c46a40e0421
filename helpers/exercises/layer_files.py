"""Searches all layers of an image for files, also those that a later layer hides.

Source: the OCI image specification (layer.md: whiteouts), and the layout of `docker save`.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import IO, Any

from helpers.engine.engine import Engine
from helpers.experiments.layers.measure import clean_instruction

READ_BYTES = 10_000_000


@dataclass(frozen=True)
class LayerFile:
    """A file in layer number `layer` (the base is 1), which `instruction` made.

    `hidden_by` is the number of the later layer that removes or replaces it, 0 if none does.
    """

    path: str
    layer: int
    instruction: str
    hidden_by: int = 0

    def describe(self) -> str:
        """Return where the file is, and whether a container still sees it."""
        where = f"/{self.path} is in layer {self.layer} (`{self.instruction[:80]}`)"
        return (
            f"{where}; layer {self.hidden_by} removes or replaces it" if self.hidden_by else where
        )


Sought = Callable[[str, bytes], bool]


def search_layers(
    engine: Engine, image: str, known: Collection[str] = (), **sought: Sought
) -> dict[str, list[LayerFile]]:
    """Return for each name in `sought` the files for which its function returns True.

    The functions receive a file's path, without a leading slash, and its content. Layers whose
    digests (`docker image inspect`: RootFS.Layers) are in `known` are not searched.
    """
    results: dict[str, list[LayerFile]] = {name: [] for name in sought}
    paths_by_layer: list[set[str]] = []
    with tempfile.TemporaryFile() as saved:
        saved.writelines(engine.client.api.get_image(image))
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            (manifest,) = json.load(_open(archive, "manifest.json"))
            config = json.load(_open(archive, manifest["Config"]))
            instructions, digests = _list_instructions(config), config["rootfs"]["diff_ids"]
            for number, name in enumerate(manifest["Layers"], 1):
                paths_by_layer.append(set())
                if digests[number - 1] in known:
                    continue
                for path, content in _read_files(_open(archive, name)):
                    paths_by_layer[-1].add(path)
                    for key, is_sought in sought.items():
                        if is_sought(path, content):
                            file = LayerFile(path, number, instructions.get(number, "?"))
                            results[key].append(file)
    return {key: [_find_hider(f, paths_by_layer) for f in files] for key, files in results.items()}


def _list_instructions(config: dict[str, Any]) -> dict[int, str]:
    """Return the instruction that made each layer, by the layer's number."""
    entries = [entry for entry in config.get("history", []) if not entry.get("empty_layer")]
    return {n: clean_instruction(entry.get("created_by", "")) for n, entry in enumerate(entries, 1)}


def _read_files(layer: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the path of each entry of a layer, and the first 10 MB of a regular file's content."""
    with tarfile.open(fileobj=layer, mode="r|*") as archive:
        for member in archive:
            body = archive.extractfile(member) if member.isreg() else None
            yield member.name.removeprefix("./").strip("/"), body.read(READ_BYTES) if body else b""


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    body = archive.extractfile(name)
    assert body, name
    return body


def _find_hider(file: LayerFile, paths_by_layer: list[set[str]]) -> LayerFile:
    """Return the file, with the number of the first later layer that removes or replaces it."""
    path = PurePosixPath(file.path)
    folders = path.parents[:-1]  # without the root
    hiding = {file.path, *(str(each.with_name(f".wh.{each.name}")) for each in (path, *folders))}
    hiding |= {str(folder / ".wh..wh..opq") for folder in folders}
    later = enumerate(paths_by_layer[file.layer :], file.layer + 1)
    number = next((number for number, paths in later if paths & hiding), 0)
    return replace(file, hidden_by=number)
