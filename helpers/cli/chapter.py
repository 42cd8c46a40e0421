"""Execute one chapter with nbclient, in a process that `rehearse` starts and stops.

Writes one JSON object a line to standard output: the cell that starts, or the error.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from helpers.paths import CHECKOUT

CELL_SECONDS = 600
GRACE_SECONDS = 15  # for a stopped cell to clean up: `docker stop` takes 10
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
VIEW = "application/vnd.jupyter.widget-view+json"
FOLDER = "~/docker-course"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def main(path: Path, *, save: bool) -> int:
    """Execute a chapter and return the exit code; with `save`, write its outputs into the file."""
    notebook = nbformat.read(path, as_version=4)
    count = len(notebook.cells)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=lambda cell, cell_index: _report(cell=cell_index + 1, count=count),
        store_widget_state=True,
    )
    # On SIGINT, nbclient interrupts the cell and shuts the kernel down. jupyter_client terminates
    # the kernel after half of this time.
    client.create_kernel_manager().shutdown_wait_time = 2 * GRACE_SECONDS
    try:
        # The kernel's messages about its start and end are not the output of a cell.
        client.execute(stdout=sys.stderr, stderr=sys.stderr)
    except CellExecutionError as error:
        _report(error=ANSI.sub("", f"{error.ename}: {error.evalue}"), see_log=False)
        return 1
    except (CellTimeoutError, RuntimeError) as error:
        text = str(error).strip() or type(error).__name__
        _report(error=text.splitlines()[0])
        return 1
    if save:
        nbformat.write(normalise(notebook), path)
    return 0


def _report(**event: object) -> None:
    print(json.dumps(event), flush=True)


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook without what is specific to this machine or this run."""
    result = copy.deepcopy(notebook)
    widgets = result.metadata.get("widgets")
    result.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    if widgets:
        result.metadata["widgets"] = _select_shown(result, widgets)
    number = 0
    for cell in result.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        number += 1
        cell.execution_count = number
        cell.outputs = [_without_folder(output) for output in cell.outputs]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    return result


def _without_folder(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Replace the checkout's path in an output with FOLDER."""
    own = json.dumps(str(CHECKOUT))[1:-1]
    return nbformat.from_dict(json.loads(json.dumps(output).replace(own, FOLDER)))


def _select_shown(notebook: nbformat.NotebookNode, widgets: dict[str, Any]) -> dict[str, Any]:
    """Return the widget state that stored outputs show, without closed progress bars."""
    result = copy.deepcopy(widgets)
    (stored,) = result.values()
    queue = [
        output.data[VIEW]["model_id"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if VIEW in output.get("data", {})
    ]
    shown: set[str] = set()
    while queue:
        model = queue.pop()
        if model not in shown and model in stored["state"]:
            shown.add(model)
            queue += re.findall(r"IPY_MODEL_(\w+)", json.dumps(stored["state"][model]))
    stored["state"] = {model: stored["state"][model] for model in sorted(shown)}
    return result


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), save="--save" in sys.argv[2:]))
