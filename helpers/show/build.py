"""How a build looks: a bar that names the running step, then a table of all the steps.

It knows result types only, and must not know how a build is run or timed.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from helpers.results.build import BuildReport, BuildStep, beside, short

_CELL = "padding:4px 10px;border-bottom:1px solid #d0d0d0;text-align:left;vertical-align:top;"
_NUMBER = _CELL + "text-align:right;font-variant-numeric:tabular-nums;"
_TABLE = (
    "border-collapse:collapse;background:#ffffff;color:#1a1a1a;font-size:15px;line-height:1.4;"
)
_MARKS = {"cached": "✓ cached", "rebuilt": "↻ rebuilt", "base image": "base image"}


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A callable for a build's `on_progress`; what it draws is gone when the block ends."""
    if _in_notebook():
        with _bar() as update:
            yield update
    elif sys.stderr.isatty():
        with _status_line() as update:
            yield update
    else:
        yield lambda _: None


def build_html(report: BuildReport) -> str:
    """The report as an HTML table with a caption; times in seconds."""
    rows = "".join(
        _config_row(row) if isinstance(row, str) else _step_row(row) for row in report.rows
    )
    heads = "".join(
        f'<th scope="col" style="{style}">{name}</th>'
        for name, style in (
            ("step", _CELL),
            ("instruction", _CELL),
            ("cache", _CELL),
            ("seconds", _NUMBER),
        )
    )
    return (
        f'<table style="{_TABLE}">'
        '<caption style="caption-side:bottom;text-align:left;padding:6px 10px;color:#1a1a1a;'
        f'background:#ffffff">{html.escape(report.summary())}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _step_row(step: BuildStep) -> str:
    mark = _MARKS[step.outcome]
    weight = "font-weight:600;" if step.outcome == "rebuilt" else ""
    return (
        f'<tr><td style="{_CELL}white-space:nowrap">{html.escape(step.label)}</td>'
        f'<td style="{_CELL}"><code title="{html.escape(step.instruction)}" '
        'style="color:#1a1a1a;background:transparent">'
        f"{html.escape(short(step.instruction, 80))}</code></td>"
        f'<td style="{_CELL}{weight}white-space:nowrap">{mark}</td>'
        f'<td style="{_NUMBER}">{step.seconds:.1f}</td></tr>'
    )


def _config_row(instruction: str) -> str:
    return (
        f'<tr><td style="{_CELL}"></td><td style="{_CELL}">'
        '<code style="color:#4a4a4a;background:transparent">'
        f"{html.escape(short(instruction, 80))}</code></td>"
        f'<td style="{_CELL}color:#4a4a4a" colspan="2">{beside(instruction)}</td></tr>'
    )


def _in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel, where widgets can be shown."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


@contextmanager
def _bar() -> Iterator[Callable[[str], None]]:
    """An ipywidgets bar that counts the steps seen so far and names the running one."""
    import ipywidgets
    from IPython.display import display

    bar = ipywidgets.IntProgress(value=0, min=0, max=1, layout={"width": "220px"})
    name = ipywidgets.Label("starting the build …")
    box = ipywidgets.HBox([bar, name])
    # The text form is empty from the start, and all that is left at the end, so that the stored
    # output is the same for every run.
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    bundle = {"text/plain": "", "application/vnd.jupyter.widget-view+json": view}
    handle = display(bundle, raw=True, display_id=True)

    def update(text: str) -> None:
        bar.max = max(bar.max, bar.value + 2)
        bar.value += 1
        name.value = text

    try:
        yield update
    finally:
        for widget in (box, bar, name):
            widget.close()
        handle.update({"text/plain": ""}, raw=True)


@contextmanager
def _status_line() -> Iterator[Callable[[str], None]]:
    """A line on standard error that overwrites itself and is wiped at the end."""

    def update(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text[:100]}")
        sys.stderr.flush()

    try:
        yield update
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _bundle(report: BuildReport) -> dict[str, Any]:
    return {"text/plain": report.text(), "text/html": build_html(report)}


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {BuildReport: _bundle}
