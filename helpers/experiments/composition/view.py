"""The project as a Mermaid flowchart, which JupyterLab draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helpers.compose.project import Project, Service
from helpers.experiments.composition.result import CONDITIONS, ProjectDiagram


def mermaid(project: Project) -> str:
    """Return the diagram: services in their networks, ports from the host, volumes below."""
    lines = ["flowchart LR"]
    networks = sorted({service.networks for service in project.services})
    for number, names in enumerate(networks):
        title = f"{'network' if len(names) == 1 else 'networks'} {', '.join(names) or 'none'}"
        lines.append(f'  subgraph n{number}["{_escape(title)}"]')
        lines += [f"    {_box(each)}" for each in project.services if each.networks == names]
        lines.append("  end")
    for service in project.services:
        lines += [f"  {line}" for line in _edges(service)]
    return "\n".join(lines)


def _box(service: Service) -> str:
    text = f"<b>{_escape(service.name)}</b><br>{_escape(service.image)}<br>{service.status}"
    return f'{_id(service.name)}["{text}"]'


def _edges(service: Service) -> Iterator[str]:
    """Yield the lines for a service's ports, dependencies and volumes."""
    me = _id(service.name)
    for port in service.ports:
        published, _, target = port.rpartition(":")
        yield f'host(["your machine"]) -- "port {published or "?"} → {target}" --> {me}'
    for other, condition in service.depends_on:
        yield f'{me} -. "waits until it {CONDITIONS[condition]}" .-> {_id(other)}'
    for volume in service.volumes:
        source, _, target = volume.rpartition(":")
        is_folder = source.startswith((".", "/"))
        name = f"folder {source}" if is_folder else f"volume {source}"
        shape = f'["{_escape(name)}"]' if is_folder else f'[("{_escape(name)}")]'
        yield f'{me} -- "{_escape(target)}" --- v_{_id(source)}{shape}'


def _id(name: str) -> str:
    """Return a name as an identifier for Mermaid, which reserves words such as "end"."""
    return "s_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def _escape(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;")


def render(result: ProjectDiagram) -> dict[str, Any]:
    """Return the diagram, and the table as text."""
    return {"text/plain": result.text(), "text/vnd.mermaid": mermaid(result.project)}


RENDERERS = {ProjectDiagram: render}
