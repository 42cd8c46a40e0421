"""`rehearse`: execute chapters as a class would see them, with nbclient.

Says the time of each chapter while it runs, and on failure the chapter, the cell and the
message. A chapter that fails or is stopped leaves nothing on the engine. With `save` the outputs
are written into the tracked notebooks, normalised.
"""

from __future__ import annotations

import asyncio
import atexit
import copy
import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from docker.errors import DockerException
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from requests.exceptions import RequestException

from helpers.cli import work
from helpers.engine import cleanup
from helpers.engine.engine import Engine
from helpers.setup import signals
from helpers.setup.console import cache_dir, say

CELL_SECONDS = 600
GRACE_SECONDS = 15      # for a stopped cell to end what it began: `docker stop` takes 10
ANSWER_SECONDS = 1      # for the answer of a cell that has ended
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
VIEW = "application/vnd.jupyter.widget-view+json"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def rehearse(prefixes: Sequence[str], *, save: bool, engine: Engine) -> int:
    """Execute the chapters whose names begin with `prefixes` (all, when none is given)."""
    chapters = ([work.chapter_path(prefix) for prefix in prefixes]
                or sorted(work.SOURCE.glob("*.ipynb")))
    failed = 0
    for path in chapters:
        failed += not _rehearse_one(path, save, engine)
    return 1 if failed else 0


class _Stopped(Exception):
    """Ctrl-C, met while the kernel started or between two cells."""


class _Client(NotebookClient):
    """Ctrl-C interrupts the running cell, so that what it began is ended; a second one the kernel.

    A kernel that is still starting is killed at once, since an interrupt may do nothing to it. One
    that has not taken up the cell would lose the interrupt, so that waits for the kernel's word
    that the cell runs. nbclient's own handler takes its kernel away under itself, and ends in
    stack traces.
    """

    stops = 0
    _runs = False
    _starting: asyncio.Task[Any] | None = None
    _ending: asyncio.Task[None] | None = None

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        """Start the kernel; nbclient has just set its handlers, which ours replace."""
        with suppress(RuntimeError):      # Windows: Ctrl-C comes as KeyboardInterrupt
            for number in (signal.SIGINT, *signals.ENDING):
                asyncio.get_running_loop().add_signal_handler(number, self._stop)
        await super().async_start_new_kernel(**kwargs)

    async def async_start_new_kernel_client(self) -> Any:
        """Wait until the kernel answers; `_Stopped` at the first Ctrl-C."""
        self._starting = asyncio.ensure_future(super().async_start_new_kernel_client())
        try:
            if self.stops:      # while the process was being made
                self._starting.cancel()
            return await self._starting
        except asyncio.CancelledError:
            await self._kill()
            await self._async_cleanup_kernel()
            raise _Stopped from None
        finally:
            self._starting = None
            if self.kc is None:      # not started, and cleaned up: nothing is left to do at exit
                atexit.unregister(self._cleanup_kernel)

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode,
                        cell_index: int) -> nbformat.NotebookNode | None:
        """Take a message of the running cell, and learn from it whether the kernel has begun."""
        if msg["msg_type"] == "execute_input":
            self._runs = True
            if self.stops:
                self._ending = asyncio.ensure_future(self._interrupt())
        elif msg["msg_type"] == "status" and msg["content"]["execution_state"] == "idle":
            self._runs = False
            if self.stops:
                # An interrupt that comes between its word and the cell's first line ends the
                # kernel's answer: nothing more would follow.
                asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._stop)
        return super().process_message(msg, cell, cell_index)

    def _stop(self) -> None:
        self.stops += 1
        if self._starting is not None:
            self._starting.cancel()
        elif self.stops > 1:
            self._ending = asyncio.ensure_future(self._kill())
        else:
            # Whatever the cell does then: what it leaves on the engine is cleared afterwards.
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._stop)
            if self._runs:
                self._ending = asyncio.ensure_future(self._interrupt())

    async def _interrupt(self) -> None:
        if self.km is not None and self.km.has_kernel:
            with suppress(RuntimeError, OSError):      # it has just ended
                await ensure_async(self.km.interrupt_kernel())

    async def _kill(self) -> None:
        """Kill the kernel's process without the interrupt that `shutdown_kernel` sends first."""
        if self.km is not None and self.km.has_kernel:
            await self.km.provisioner.kill()


def _clear(engine: Engine) -> None:
    """Remove what a chapter that never reached its last cell made; its kernel has ended."""
    # An engine that has stopped cannot be cleared; the chapter's first cell does it next time.
    with suppress(DockerException, RequestException, OSError):
        cleanup.clean(engine, tools=False, all_sessions=False)


def _rehearse_one(path: Path, save: bool, engine: Engine) -> bool:
    notebook = nbformat.read(path, as_version=4)
    count = len(notebook.cells)
    began = time.monotonic()
    running = [0]

    def on_start(cell: nbformat.NotebookNode, cell_index: int, **_: object) -> None:
        running[0] = cell_index
        if client.stops:
            raise _Stopped
        if sys.stderr.isatty():
            print(f"\r  …  {path.stem}: cell {cell_index + 1} of {count}", end="",
                  file=sys.stderr, flush=True)

    client = _Client(notebook, timeout=CELL_SECONDS, kernel_name="python3",
                     resources={"metadata": {"path": str(path.parent)}},
                     on_cell_start=on_start, store_widget_state=True)
    log_file = cache_dir() / "rehearse.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        # What the kernel itself says, of its start and its end, is no output of a cell.
        with log_file.open("wb") as log:
            client.execute(env=engine.env, stdout=log, stderr=log)
    except (CellExecutionError, CellTimeoutError, RuntimeError, _Stopped,
            KeyboardInterrupt) as error:
        _clear(engine)
        if client.stops or isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if isinstance(error, CellExecutionError):
            _tell(path, running[0], began, ANSI.sub("", f"{error.ename}: {error.evalue}"))
        else:
            said = str(error).strip() or type(error).__name__
            _tell(path, running[0], began,
                  f"{said.splitlines()[0]}  (the kernel's own words: {log_file})")
        return False
    finally:
        signals.treat_as_ctrl_c()      # asyncio has set them back to what Python starts with
    if client.stops:      # during the last cell, which ended by itself
        raise KeyboardInterrupt
    end = "\r" if sys.stderr.isatty() else ""
    say(f"{end}  ✓  {path.stem}  ({time.monotonic() - began:.1f} s)")
    if save:
        nbformat.write(normalised(notebook), path)
    return True


def _tell(path: Path, cell: int, began: float, message: str) -> None:
    say(f"\n  ✗  {path.stem}, cell {cell + 1}, after {time.monotonic() - began:.1f} s:\n"
        f"     {message}")


def normalised(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with what says something of this machine or this run alone taken out."""
    tidy = copy.deepcopy(notebook)
    widgets = tidy.metadata.get("widgets")
    tidy.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    if widgets:
        tidy.metadata["widgets"] = _shown_only(tidy, widgets)
    number = 0
    for cell in tidy.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        number += 1
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    return tidy


def _shown_only(notebook: nbformat.NotebookNode, widgets: dict[str, Any]) -> dict[str, Any]:
    """Of the stored widget state what a stored output shows; closed progress bars are left out."""
    kept = copy.deepcopy(widgets)
    (stored,) = kept.values()
    todo = [output.data[VIEW]["model_id"] for cell in notebook.cells
            for output in cell.get("outputs", []) if VIEW in output.get("data", {})]
    shown: set[str] = set()
    while todo:
        model = todo.pop()
        if model not in shown and model in stored["state"]:
            shown.add(model)
            todo += re.findall(r"IPY_MODEL_(\w+)", json.dumps(stored["state"][model]))
    stored["state"] = {model: stored["state"][model] for model in sorted(shown)}
    return kept
