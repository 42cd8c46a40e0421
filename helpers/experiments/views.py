"""Registers with IPython how each type of result is drawn."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from helpers import experiments
from helpers.build import view as build_view

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register(ipython: InteractiveShell) -> None:
    """Register the RENDERERS of every view with IPython's mimebundle formatter."""
    if ipython.display_formatter is None:
        return
    formatter = ipython.display_formatter.mimebundle_formatter
    for module in _views():
        for kind, render in module.RENDERERS.items():
            formatter.for_type(kind, lambda obj, include=None, exclude=None, _r=render: _r(obj))


def _views() -> Iterator[ModuleType]:
    """Yield the build's view, and the view.py of every experiment's folder."""
    yield build_view
    for package in pkgutil.iter_modules(experiments.__path__, f"{experiments.__name__}."):
        if package.ispkg:
            yield importlib.import_module(f"{package.name}.view")
