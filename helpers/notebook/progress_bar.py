"""Shows the progress of a function that takes a while: a bar in a notebook, a line in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


def show_progress() -> AbstractContextManager[Callable[[str], None]]:
    """Return a context whose value is an `on_progress`; what it draws is gone afterwards.

    Example:
        with show_progress() as update:
            build_image(".", tag="app", on_progress=update)
    """
    if _in_notebook():
        return _bar()
    return _status_line() if sys.stderr.isatty() else nullcontext(lambda _: None)


def _in_notebook() -> bool:
    """Return whether this runs in a Jupyter kernel, which can show widgets."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


@contextmanager
def _bar() -> Iterator[Callable[[str], None]]:
    """Show an ipywidgets bar that counts the steps so far and names the running one."""
    import ipywidgets
    from IPython.display import display

    bar = ipywidgets.IntProgress(value=0, min=0, max=1, layout={"width": "220px"})
    name = ipywidgets.Label("starting …")
    box = ipywidgets.HBox([bar, name])
    # The text form is empty, and all that is left at the end: so the stored output is the same
    # for every run.
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    bundle = {"text/plain": "", "application/vnd.jupyter.widget-view+json": view}
    handle = display(bundle, raw=True, display_id=True)
    assert handle is not None  # because of display_id

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
    """Show a line on standard error that overwrites itself and is erased at the end."""

    def update(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text[:100]}")
        sys.stderr.flush()

    try:
        yield update
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
