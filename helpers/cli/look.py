"""The look of JupyterLab in the course: stylesheet, table of contents, live slides.

They are files in a Jupyter configuration folder that only the course uses (JUPYTER_CONFIG_DIR), so
the user's own configuration is neither read nor changed.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

FILES = Path(__file__).parent / "jupyterlab"
TABLE_OF_CONTENTS = "@jupyterlab/toc:plugin"
LAYOUT = {
    "main": {"dock": None},
    "left": {"collapsed": False, "visible": True, "current": TABLE_OF_CONTENTS, "widgets": []},
    "relativeSizes": [0.2, 0.8, 0],
}


def configure(root: Path, *, presenting: bool = False) -> dict[str, str]:
    """Write the configuration of a JupyterLab that serves `root`; return the variables to set.

    Settings that the user changed there, such as the theme, stay. With `presenting`, the notebook
    opens as slides (an extension in `jupyterlab/labextensions`), the windows of the last time are
    forgotten, and kernels start with the files in `root/.ipython`.
    """
    folder = root / ".jupyter"
    (folder / "custom").mkdir(parents=True, exist_ok=True)
    shutil.copy(FILES / "custom.css", folder / "custom")
    settings, workspaces = folder / "lab/user-settings", folder / "lab/workspaces"
    # JupyterLab asks whether to fetch news until this is set.
    news = settings / "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    if not news.exists():
        news.parent.mkdir(parents=True, exist_ok=True)
        news.write_text(json.dumps({"fetchNews": "false"}))
    # Slides that were open at the end would start again, before the notebook is loaded.
    shutil.rmtree(settings / "jupyterlab-slideshow", ignore_errors=True)
    if presenting:
        shutil.rmtree(workspaces, ignore_errors=True)
        paths = [str(FILES), *filter(None, [os.environ.get("JUPYTER_PATH")])]
        return {
            "JUPYTER_CONFIG_DIR": str(folder),
            "JUPYTER_PATH": os.pathsep.join(paths),
            "IPYTHONDIR": str(root / ".ipython"),
        }
    if not workspaces.exists():
        _save_layout(workspaces)
    return {"JUPYTER_CONFIG_DIR": str(folder)}


def _save_layout(workspaces: Path) -> None:
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    layout = {"data": {"layout-restorer:data": LAYOUT}, "metadata": {"id": "default"}}
    WorkspacesManager(str(workspaces)).save("default", json.dumps(layout))
