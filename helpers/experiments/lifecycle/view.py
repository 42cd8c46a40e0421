"""Draws the states of a container as a diagram, with the current one marked."""

from __future__ import annotations

from helpers.experiments.lifecycle.result import NEVER, REMOVED, ContainerLife

DIAGRAM = """stateDiagram-v2
    direction LR
    [*] --> created: docker create
    created --> running: docker start
    running --> paused: docker pause
    paused --> running: docker unpause
    running --> exited: docker stop, docker kill,<br>or the process ends
    exited --> running: docker start
    exited --> [*]: docker rm
    classDef current fill:#1d63ed,color:#ffffff,stroke:#1d63ed,font-weight:bold
"""


def mermaid(life: ContainerLife) -> str:
    """Return the diagram in Mermaid's language."""
    if life.current in (NEVER, REMOVED):
        return DIAGRAM
    return f"{DIAGRAM}    class {life.current} current\n"


def bundle(life: ContainerLife) -> dict[str, str]:
    """Return the MIME bundle of a container's life."""
    return {"text/plain": life.text(), "text/vnd.mermaid": mermaid(life)}


RENDERERS = {ContainerLife: bundle}
