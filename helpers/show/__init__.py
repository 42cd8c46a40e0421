"""How each result looks: registered with IPython by type, so that results know no screen."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register(ipython: InteractiveShell) -> None:
    """Register the RENDERERS of every module here with IPython's mimebundle formatter."""
    formatter = ipython.display_formatter.mimebundle_formatter
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for kind, render in getattr(importlib.import_module(module.name), "RENDERERS", {}).items():
            formatter.for_type(kind, lambda obj, include=None, exclude=None, _r=render: _r(obj))
