"""What is in an image: its layers in order, the files each one brought, and the bytes it hides.

These are plain frozen values, and the filter over them. They must not know how an image is read,
nor how a notebook draws.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from helpers.results.build import human_size, short

ADDED, CHANGED, REMOVED = KINDS = ("added", "changed", "removed")


class FileChange(NamedTuple):
    """A file in a layer: `size_bytes` is its size, or, where removed, that of the file it hides.

    `hidden_by` is the number of the later layer that changed or removed this file; 0 for none. A
    path that ends in a slash is a directory that was removed while it held no file.
    """

    path: str
    kind: str
    size_bytes: int
    hidden_by: int = 0


@dataclass(frozen=True)
class Layer:
    """One line of an image's history: `number` counts layers from 1; 0 is configuration only.

    `size_bytes` is what its files weigh, `wasted_bytes` the part of it that a later layer hides.
    `files` has the largest first.
    """

    number: int
    instruction: str
    size_bytes: int = 0
    wasted_bytes: int = 0
    files: tuple[FileChange, ...] = field(default=(), repr=False)

    @property
    def is_config(self) -> bool:
        """Whether the instruction changed the configuration only, and so made no layer."""
        return self.number == 0

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many files were added, changed and removed."""
        counted = Counter(change.kind for change in self.files)
        return {kind: counted[kind] for kind in KINDS}

    def matching(self, text: str = "", kinds: Collection[str] = KINDS) -> tuple[FileChange, ...]:
        """The files of these kinds whose path has `text` in it, or matches it as a pattern.

        Letter case does not count. A text with `*`, `?` or `[` is a pattern for the whole path, or
        for its end where it does not begin with a slash: `*.py`, `/usr/lib/*`, `app/*.txt`.
        """
        wanted = text.strip().casefold()
        if not wanted:
            found = self.files
        elif any(sign in wanted for sign in "*?["):
            anchored = wanted if wanted[0] in "/*" else f"*/{wanted}"
            match = re.compile(fnmatch.translate(anchored)).match
            found = tuple(f for f, path in zip(self.files, self._folded, strict=True)
                          if match(path))
        else:
            found = tuple(f for f, path in zip(self.files, self._folded, strict=True)
                          if wanted in path)
        if set(KINDS) <= set(kinds):
            return found
        return tuple(change for change in found if change.kind in kinds)

    @cached_property
    def _folded(self) -> tuple[str, ...]:
        """The paths with letter case taken away; made once, since every keystroke needs them."""
        return tuple(change.path.casefold() for change in self.files)


@dataclass(frozen=True)
class ImageLayers:
    """An image's history from its base upwards: the layers, and the configuration between them."""

    image: str
    image_id: str
    entries: tuple[Layer, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The entries that are layers; the configuration left out."""
        return tuple(entry for entry in self.entries if not entry.is_config)

    @property
    def size_bytes(self) -> int:
        """The bytes of all layers together."""
        return sum(layer.size_bytes for layer in self.layers)

    @property
    def wasted_bytes(self) -> int:
        """The bytes that are in the image and that no container can see."""
        return sum(layer.wasted_bytes for layer in self.layers)

    def summary(self) -> str:
        """One sentence: how many layers, how large, and how much of it is wasted."""
        count = len(self.layers)
        return (f"{self.image}: {count} layer{'' if count == 1 else 's'}, "
                f"{human_size(self.size_bytes)}, of which a later layer hides "
                f"{human_size(self.wasted_bytes)}.")

    def text(self) -> str:
        """The layers as a plain table; sizes in decimal units."""
        table = [("layer", "size", *KINDS, "wasted", "instruction")]
        for entry in self.entries:
            what = short(entry.instruction)
            table.append(
                ("", "", "", "", "", "", f"{what}  (configuration, no layer)") if entry.is_config
                else (str(entry.number), human_size(entry.size_bytes),
                      *(str(entry.counts[kind]) for kind in KINDS),
                      human_size(entry.wasted_bytes), what))
        widths = [max(len(row[i]) for row in table) for i in range(6)]
        lines = ["  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)),
                            row[6]]).rstrip() for row in table]
        return "\n".join([*lines, "", self.summary()])
