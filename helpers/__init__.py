"""Helpers of the Docker course: what the notebooks import, and `%load_ext helpers`.

Names are loaded when first used, so that `python3 -m helpers` runs before any package is there.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_WHERE = {
    "boot_full_guest": "helpers.notebook",
    "build_image": "helpers.notebook",
    "clean_up": "helpers.notebook",
    "compare_footprints": "helpers.notebook",
    "compare_orders": "helpers.notebook",
    "compare_startup": "helpers.notebook",
    "doctor": "helpers.notebook",
    "kernels": "helpers.notebook",
    "ladder": "helpers.notebook",
    "limits": "helpers.notebook",
    "seen_from_host": "helpers.notebook",
    "small_server": "helpers.notebook",
    "layers": "helpers.notebook",
    "layer_walk": "helpers.show.layers",
    "exercise": "helpers.exercises.widget",
}
__all__ = sorted([*_WHERE, "load_ipython_extension"])


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'helpers' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """What `%load_ext helpers` does: the %docker magic, and how each result is drawn."""
    from helpers import magic, show

    magic.load(ipython)
    show.register(ipython)
