"""How an image's layers look: a table with a row for each, and a widget to walk through the files.

It knows result types only, and must not know how an image is read.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from helpers.results.build import human_size, short
from helpers.results.layers import KINDS, REMOVED, FileChange, ImageLayers, Layer
from helpers.show.table import CELL, INK, NUMBER, table

if TYPE_CHECKING:
    import ipywidgets

ROWS = 200
_MARKS = {"added": "+ added", "changed": "~ changed", "removed": "− removed"}
_CODE = 'style="color:inherit;background:transparent;overflow-wrap:anywhere"'


def layers_html(image_layers: ImageLayers) -> str:
    """The layers as an HTML table with a caption: instruction, size, files, wasted bytes."""
    rows = []
    for entry in image_layers.entries:
        what = (f'<td style="{CELL}"><code {_CODE} title="{html.escape(entry.instruction)}">'
                f"{html.escape(short(entry.instruction, 80))}</code></td>")
        if entry.is_config:
            rows.append(f'<tr><td style="{CELL}"></td>{what}<td style="{CELL}" colspan="5">'
                        "<em>configuration, no layer</em></td></tr>")
            continue
        cells = (human_size(entry.size_bytes), *(f"{entry.counts[kind]:,}" for kind in KINDS),
                 human_size(entry.wasted_bytes))
        numbers = "".join(f'<td style="{NUMBER}">{cell}</td>' for cell in cells)
        rows.append(f'<tr><th scope="row" style="{NUMBER}">{entry.number}</th>'
                    f"{what}{numbers}</tr>")
    heads = (("layer", NUMBER), ("instruction", CELL), ("size", NUMBER),
             *((_MARKS[kind], NUMBER) for kind in KINDS), ("wasted", NUMBER))
    return table(heads, rows, image_layers.summary())


def files_html(found: Sequence[FileChange], rows: int = ROWS) -> str:
    """The first `rows` files as an HTML table."""
    lines = []
    for change in found[:rows]:
        hidden = f"by layer {change.hidden_by}" if change.hidden_by else ""
        lines.append(f'<tr><td style="{CELL}white-space:nowrap">{_MARKS[change.kind]}</td>'
                     f'<td style="{NUMBER}">{human_size(change.size_bytes)}</td>'
                     f'<td style="{CELL}"><code {_CODE}>{html.escape(change.path)}</code></td>'
                     f'<td style="{CELL}white-space:nowrap">{hidden}</td></tr>')
    heads = (("what", CELL), ("size", NUMBER), ("file", CELL), ("hidden", CELL))
    return table(heads, lines)


def found_text(layer: Layer, found: Sequence[FileChange], rows: int = ROWS) -> str:
    """How many of a layer's files were found, and what they weigh, in one or two sentences."""
    if layer.is_config:
        return "This instruction changes the configuration only: no layer and no files."
    here = sum(change.size_bytes for change in found if change.kind != REMOVED)
    hides = sum(change.size_bytes for change in found if change.kind == REMOVED)
    text = f"{len(found):,} of {len(layer.files):,} files, {human_size(here)}"
    if hides:
        text += f"; those removed still take {human_size(hides)} in the layers below"
    text += f". Wasted in this layer: {human_size(layer.wasted_bytes)}."
    return f"{text} Shown: the {rows} largest." if len(found) > rows else text


def layer_walk(image_layers: ImageLayers) -> ipywidgets.Widget:
    """A widget to choose a layer, filter its files, and read what they weigh."""
    import ipywidgets

    style = {"description_width": "70px"}
    options = [(_label(entry), i) for i, entry in enumerate(image_layers.entries)]
    last = max((i for i, entry in enumerate(image_layers.entries) if entry.files), default=0)
    choice = ipywidgets.Select(
        options=options, value=last if options else None, description="Layer", style=style,
        rows=max(2, min(len(options), 12)), layout={"width": "98%"})
    text = ipywidgets.Text(description="Filter", style=style, continuous_update=True,
                           placeholder="part of a path, or a pattern such as *.py",
                           layout={"width": "420px"})
    boxes = {kind: ipywidgets.Checkbox(value=True, description=kind, indent=False,
                                       layout={"width": "auto", "margin": "2px 12px"})
             for kind in KINDS}
    said, listed = ipywidgets.HTML(), ipywidgets.HTML()

    def update(_: object = None) -> None:
        if choice.value is None:
            return
        layer = image_layers.entries[choice.value]
        found = layer.matching(text.value, [kind for kind, box in boxes.items() if box.value])
        said.value = (f'<div role="status" aria-live="polite" style="{INK}font-size:15px">'
                      f"{html.escape(found_text(layer, found))}</div>")
        listed.value = ('<div role="region" aria-label="Files of the layer" tabindex="0" '
                       'style="max-height:420px;overflow:auto">'
                       f"{files_html(found) if found else ''}</div>")

    for widget in (choice, text, *boxes.values()):
        widget.observe(update, names="value")
    update()
    title = ipywidgets.HTML(f'<div style="{INK}font-size:15px;font-weight:600">'
                            f"{html.escape(image_layers.summary())}</div>")
    walk = ipywidgets.VBox([title, choice, ipywidgets.HBox([text, *boxes.values()], layout={
        "flex_flow": "row wrap"}), said, listed])
    walk.add_class("course-layers")
    return walk


def _label(entry: Layer) -> str:
    if entry.is_config:
        return f"– · {short(entry.instruction, 70)} · configuration, no layer"
    wasted = f" · {human_size(entry.wasted_bytes)} wasted" if entry.wasted_bytes else ""
    return (f"{entry.number} · {short(entry.instruction, 70)} · {human_size(entry.size_bytes)}"
            f" · {len(entry.files):,} files{wasted}")


def _render(image_layers: ImageLayers) -> dict[str, Any]:
    return {"text/plain": image_layers.text(), "text/html": layers_html(image_layers)}


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {ImageLayers: _render}
