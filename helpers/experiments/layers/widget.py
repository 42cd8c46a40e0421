"""The layer walk: a widget to choose a layer of an image and filter its files."""

from __future__ import annotations

from html import escape

import ipywidgets

from helpers.build.dockerfile import shorten
from helpers.experiments.layers.result import KINDS, ImageLayers, Layer
from helpers.experiments.layers.view import describe_files, files_html
from helpers.tables import INK, human_size

_LABEL = {"description_width": "70px"}


def walk_layers(image_layers: ImageLayers) -> LayerWalk:
    """Return a widget to choose a layer and filter its files.

    Example:
        image_layers = inspect_layers("my-flask-app")
        walk_layers(image_layers)
    """
    return LayerWalk(image_layers)


class LayerWalk(ipywidgets.VBox):
    """A list of the layers, a filter, a check box for each kind of change, and the files."""

    def __init__(self, image_layers: ImageLayers) -> None:
        self._entries = image_layers.entries
        self._choice = ipywidgets.Select(
            options=[(label(entry), number) for number, entry in enumerate(self._entries)],
            value=max((n for n, entry in enumerate(self._entries) if entry.files), default=0),
            description="Layer",
            style=_LABEL,
            rows=max(2, min(len(self._entries), 12)),
            layout={"width": "98%"},
        )
        self._filter = ipywidgets.Text(
            description="Filter",
            style=_LABEL,
            continuous_update=True,
            placeholder="part of a path, or a pattern such as *.py",
            layout={"width": "420px"},
        )
        layout = {"width": "auto", "margin": "2px 12px"}
        self._kinds = {
            kind: ipywidgets.Checkbox(value=True, description=kind, indent=False, layout=layout)
            for kind in KINDS
        }
        self._summary, self._files = ipywidgets.HTML(), ipywidgets.HTML()
        controls = [self._filter, *self._kinds.values()]
        for control in (self._choice, *controls):
            control.observe(lambda _change: self._update(), names="value")
        self._update()
        title = ipywidgets.HTML(f'<b style="{INK}">{escape(image_layers.summary())}</b>')
        row = ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"})
        super().__init__([title, self._choice, row, self._summary, self._files])
        self.add_class("course-layers")

    def _update(self) -> None:
        """Show the files of the chosen layer that pass the filter."""
        layer = self._entries[self._choice.value]
        kinds = [kind for kind, box in self._kinds.items() if box.value]
        files = layer.matching(self._filter.value, kinds)
        self._summary.value = (
            f'<div role="status" aria-live="polite" style="{INK}font-size:15px">'
            f"{escape(describe_files(layer, files))}</div>"
        )
        self._files.value = (
            '<div role="region" aria-label="Files of the layer" tabindex="0" '
            'style="max-height:420px;overflow:auto">'
            f"{files_html(files) if files else ''}</div>"
        )


def label(entry: Layer) -> str:
    """Return the line of an entry in the list of layers."""
    if entry.is_config:
        return f"– · {shorten(entry.instruction, 70)} · configuration, no layer"
    wasted = f" · {human_size(entry.wasted_bytes)} wasted" if entry.wasted_bytes else ""
    return (
        f"{entry.number} · {shorten(entry.instruction, 70)} · {human_size(entry.size_bytes)}"
        f" · {len(entry.files):,} file{'' if len(entry.files) == 1 else 's'}{wasted}"
    )
