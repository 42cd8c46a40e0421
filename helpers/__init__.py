"""The names that notebooks import, and `%reload_ext helpers`.

Python imports a name when it is first used, so that `python3 -m helpers` starts fast and without
the environment. Editors and type checkers read the imports below as they are.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A function of a `measure` module gets a progress bar and friendly errors (see `__getattr__`).
if TYPE_CHECKING:
    # isort: off
    from IPython.core.interactiveshell import InteractiveShell

    # All chapters
    from helpers.notebook.functions import clean_up as clean_up
    from helpers.exercises.widget import exercise as exercise
    from helpers.notebook.files import open_app as open_app
    from helpers.notebook.files import edit_file as edit_file
    from helpers.notebook.http import fetch as fetch

    # 00 Start here
    from helpers.exercises.progress import show_exercises as show_exercises
    from helpers.notebook.functions import doctor as doctor

    # 01 Containers and virtual machines
    from helpers.notebook.functions import build_small_server as build_small_server
    from helpers.experiments.isolation.measure import compare_kernels as compare_kernels
    from helpers.experiments.isolation.measure import look_from_host as look_from_host
    from helpers.experiments.isolation.measure import mount_with_privileges as mount_with_privileges
    from helpers.notebook.functions import compare_startup as compare_startup
    from helpers.notebook.functions import boot_full_guest as boot_full_guest
    from helpers.experiments.ladder.measure import measure_ladder as measure_ladder
    from helpers.experiments.footprint.measure import compare_footprints as compare_footprints
    from helpers.experiments.footprint.measure import measure_density as measure_density

    # 02 Images and containers
    from helpers.experiments.lifecycle.widget import watch_life as watch_life

    # 03 The Dockerfile
    from helpers.experiments.startup_commands.measure import (
        try_startup_commands as try_startup_commands,
    )
    from helpers.experiments.stopping.measure import compare_stop_times as compare_stop_times
    from helpers.experiments.checks.measure import check_dockerfile as check_dockerfile

    # 04 Layers and caching
    from helpers.notebook.functions import build_image as build_image
    from helpers.experiments.caching.measure import compare_orders as compare_orders
    from helpers.notebook.functions import inspect_layers as inspect_layers
    from helpers.experiments.layers.widget import walk_layers as walk_layers

    # 05 Running containers
    from helpers.experiments.dashboard.widget import dashboard as dashboard
    from helpers.experiments.ports.measure import compare_publishing as compare_publishing

    # 06 Storage
    from helpers.experiments.storage.measure import compare_storage as compare_storage

    # 07 Compose
    from helpers.notebook.functions import prepare_image as prepare_image
    from helpers.notebook.http import time_until as time_until
    from helpers.experiments.composition.measure import show_project as show_project
    from helpers.experiments.compose_stopping.measure import compare_stops as compare_stops
    from helpers.experiments.compose_rebuilding.measure import compare_rebuilds as compare_rebuilds

    # 08 Shipping
    from helpers.experiments.swarm.measure import start_swarm as start_swarm
    from helpers.experiments.swarm.measure import run_in_swarm as run_in_swarm
    from helpers.experiments.swarm.measure import roll_out as roll_out
    from helpers.experiments.swarm.measure import kill_replica as kill_replica
    from helpers.experiments.swarm.measure import leave_swarm as leave_swarm


def _modules() -> dict[str, str]:
    """Return the module of each name that is imported above, as this file's text has it."""
    (block,) = (
        node
        for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.If)
    )
    return {
        name.name: line.module
        for line in block.body
        if isinstance(line, ast.ImportFrom) and line.module and line.module.startswith("helpers.")
        for name in line.names
    }


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [*_modules(), "load_ipython_extension"]
    module = _modules().get(name)
    if module is None:
        raise AttributeError(f"module 'helpers' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    if module.endswith(".measure"):
        from helpers.notebook.course_function import course_function

        value = course_function("the experiment")(value)
    globals()[name] = value
    return value


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Register `%docker`, `%%grade`, and how results and errors are shown (`%reload_ext helpers`)."""
    from helpers import magic
    from helpers.experiments import views
    from helpers.notebook import grade_magic, sdk_errors
    from helpers.notebook.files import remember_start

    remember_start()
    magic.load(ipython)
    grade_magic.load(ipython)
    sdk_errors.load()
    views.register(ipython)
