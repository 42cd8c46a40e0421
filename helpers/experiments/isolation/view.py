"""The isolation results as tables, with every difference also in words."""

from __future__ import annotations

from helpers.experiments.figure import table
from helpers.experiments.isolation.result import Kernels, SeenFromHost

RENDERERS = {
    Kernels: lambda result: table(result.rows(), result.note),
    SeenFromHost: lambda result: table(result.rows(), result.note()),
}
