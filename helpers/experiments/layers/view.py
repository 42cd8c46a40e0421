"""Draws the layers of an image: a table with a row for each, and the files of one layer."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.build.dockerfile import shorten
from helpers.experiments.layers.result import KINDS, REMOVED, FileChange, ImageLayers, Layer
from helpers.tables import Cell, html_table, human_size

MOST_FILES = 200
MARKS = {"added": "+ added", "changed": "~ changed", "removed": "− removed"}
_NOWRAP = "white-space:nowrap"


def layers_html(image_layers: ImageLayers) -> str:
    """Return the layers as an HTML table: instruction, size, files and wasted bytes of each."""
    rows: list[Sequence[str | Cell]] = []
    for entry in image_layers.entries:
        instruction = Cell(shorten(entry.instruction, 80), code=True, title=entry.instruction)
        if entry.is_config:
            note = Cell("configuration, no layer", "font-style:italic;text-align:left", span=5)
            rows.append(("", instruction, note))
            continue
        counts = (f"{entry.counts[kind]:,}" for kind in KINDS)
        size, wasted = human_size(entry.size_bytes), human_size(entry.wasted_bytes)
        rows.append((str(entry.number), instruction, size, *counts, wasted))
    heads = ("layer", "instruction", "size", *(MARKS[kind] for kind in KINDS), "wasted")
    return html_table(heads, rows, image_layers.summary(), align="rlrrrrr")


def files_html(files: Sequence[FileChange], most: int = MOST_FILES) -> str:
    """Return the first `most` files as an HTML table."""
    rows = [
        (
            Cell(MARKS[change.kind], _NOWRAP),
            human_size(change.size_bytes),
            Cell(change.path, code=True),
            Cell(f"by layer {change.hidden_by}" if change.hidden_by else "", _NOWRAP),
        )
        for change in files[:most]
    ]
    return html_table(("what", "size", "file", "hidden"), rows, align="lrll", row_header=None)


def describe_files(layer: Layer, files: Sequence[FileChange], most: int = MOST_FILES) -> str:
    """Return how many of a layer's files these are, and their size, in one or two sentences."""
    if layer.is_config:
        return "This instruction changes the configuration only: no layer and no files."
    size = sum(change.size_bytes for change in files if change.kind != REMOVED)
    hidden = sum(change.size_bytes for change in files if change.kind == REMOVED)
    text = f"{len(files):,} of {len(layer.files):,} files, {human_size(size)}"
    if hidden:
        text += f"; those removed still take {human_size(hidden)} in the layers below"
    text += f". Wasted in this layer: {human_size(layer.wasted_bytes)}."
    return f"{text} Shown: the {most} largest." if len(files) > most else text


RENDERERS = {
    ImageLayers: lambda image_layers: {
        "text/plain": image_layers.text(),
        "text/html": layers_html(image_layers),
    }
}
