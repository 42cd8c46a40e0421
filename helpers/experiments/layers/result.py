"""The layers of an image: the files that each one changed, and the bytes that later ones hide."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from helpers.build.dockerfile import shorten
from helpers.tables import human_size, text_table

ADDED, CHANGED, REMOVED = KINDS = ("added", "changed", "removed")


class FileChange(NamedTuple):
    """A file in a layer: `size_bytes` is its size or, for a removed file, the size of the file that it hides.

    `hidden_by` is the number of the later layer that changed or removed this file, or 0. A path
    that ends in a slash is a folder that was removed while it held no file.
    """

    path: str
    kind: str
    size_bytes: int
    hidden_by: int = 0


@dataclass(frozen=True)
class Layer:
    """A line of an image's history: `number` counts layers from 1; 0 is configuration only.

    `size_bytes` is the size of its files, `wasted_bytes` the part of it that later layers hide.
    `files` starts with the largest.
    """

    number: int
    instruction: str
    size_bytes: int = 0
    wasted_bytes: int = 0
    files: tuple[FileChange, ...] = field(default=(), repr=False)

    @property
    def is_config(self) -> bool:
        """Return whether the instruction changed only the configuration, so that it has no layer."""
        return self.number == 0

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return how many files were added, changed and removed."""
        counted = Counter(change.kind for change in self.files)
        return {kind: counted[kind] for kind in KINDS}

    def matching(self, text: str = "", kinds: Collection[str] = KINDS) -> tuple[FileChange, ...]:
        """Return the files of these kinds whose path contains `text`, or matches it as a pattern.

        Letter case does not count. A text with `*`, `?` or `[` is a pattern for the whole path, or
        for its end unless it begins with a slash: `*.py`, `/usr/lib/*`, `app/*.txt`.
        """
        text = text.strip()
        if any(sign in text for sign in "*?["):
            pattern = fnmatch.translate(text if text[0] in "/*" else f"*/{text}")
        else:
            pattern = f".*{re.escape(text)}"
        matches = re.compile(pattern, re.IGNORECASE | re.DOTALL).match
        return tuple(c for c in self.files if c.kind in kinds and matches(c.path))


@dataclass(frozen=True)
class ImageLayers:
    """An image's history from its base up: the layers, and the configuration between them."""

    image: str
    image_id: str
    entries: tuple[Layer, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the entries that are layers, without configuration."""
        return tuple(entry for entry in self.entries if not entry.is_config)

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all layers together."""
        return sum(layer.size_bytes for layer in self.layers)

    @property
    def wasted_bytes(self) -> int:
        """Return the bytes in the image that no container can see."""
        return sum(layer.wasted_bytes for layer in self.layers)

    def summary(self) -> str:
        """Return one sentence: how many layers, how large, and how much of it is wasted."""
        count = len(self.layers)
        return (
            f"{self.image}: {count} layer{'' if count == 1 else 's'}, "
            f"{human_size(self.size_bytes)}, of which a later layer hides "
            f"{human_size(self.wasted_bytes)}."
        )

    def text(self) -> str:
        """Return the layers as a plain table, sizes in decimal units."""
        rows: list[tuple[str, ...]] = [("layer", "size", *KINDS, "wasted", "instruction")]
        for entry in self.entries:
            instruction = shorten(entry.instruction)
            if entry.is_config:
                rows.append((*[""] * 6, f"{instruction}  (configuration, no layer)"))
                continue
            counts = (str(entry.counts[kind]) for kind in KINDS)
            size, wasted = human_size(entry.size_bytes), human_size(entry.wasted_bytes)
            rows.append((str(entry.number), size, *counts, wasted, instruction))
        return f"{text_table(rows, align='rrrrrrl')}\n\n{self.summary()}"
