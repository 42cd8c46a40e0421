"""The rows of the dashboard and a container's use, from what the engine's API answers."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.engine.labels import labels
from helpers.experiments.dashboard.actions import act
from helpers.experiments.dashboard.measure import container_row, image_row, named_row, read_usage
from helpers.experiments.dashboard.result import EngineView, Port, Usage
from helpers.experiments.dashboard.view import RENDERERS

CONTAINER: dict[str, Any] = {
    "Id": "c" * 64,
    "Names": ["/web"],
    "Image": "my-flask-app",
    "State": "running",
    "Status": "Up 3 seconds",
    "Labels": labels(),
    "Ports": [
        {"IP": "::", "PrivatePort": 5000, "PublicPort": 5005, "Type": "tcp"},
        {"IP": "0.0.0.0", "PrivatePort": 5000, "PublicPort": 5005, "Type": "tcp"},
        {"IP": "127.0.0.2", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"},
        {"PrivatePort": 9000, "Type": "tcp"},
    ],
}
STATS: dict[str, Any] = {
    "memory_stats": {"usage": 30 << 20, "stats": {"inactive_file": 10 << 20}},
    "cpu_stats": {
        "cpu_usage": {"total_usage": 3_000},
        "system_cpu_usage": 20_000,
        "online_cpus": 2,
    },
    "precpu_stats": {"cpu_usage": {"total_usage": 2_000}, "system_cpu_usage": 10_000},
}


def test_container_has_links_for_published_ports() -> None:
    row = container_row(CONTAINER)
    assert row.ports == (
        Port("53→53/udp"),
        Port("5005→5000/tcp", "http://127.0.0.1:5005/"),
        Port("9000/tcp"),
    )
    assert (row.name, row.is_course, row.is_running) == ("web", True, True)
    assert row.texts() == ("web", "my-flask-app", "running", "53→53/udp 5005→5000/tcp 9000/tcp")


def test_exited_container_has_exit_code() -> None:
    row = container_row({**CONTAINER, "State": "exited", "Status": "Exited (137) 2 hours ago"})
    assert row.cells[1] == "exited (137)" and not row.is_running


def test_image_id_is_shortened() -> None:
    assert container_row({**CONTAINER, "Image": "sha256:" + "a" * 64}).cells[0] == "a" * 12
    untagged = image_row({"Id": "sha256:" + "b" * 64, "RepoTags": None, "Size": 2_000_000})
    assert (untagged.name, untagged.cells) == ("b" * 12, ("2.0 MB",))


@pytest.mark.parametrize("other", [None, {}, {"org.dockercourse.owner": "another"}])
def test_other_objects_are_foreign(other: dict[str, str] | None) -> None:
    assert not named_row({"Name": "data", "Driver": "local", "Labels": other}).is_course


def test_usage_is_that_of_docker_stats() -> None:
    usage = read_usage(STATS)
    assert usage == Usage(20.0, 20 << 20)
    assert usage.to_json() == ["20.00%", "20 MiB"]


@pytest.mark.parametrize("part", ["memory_stats", "precpu_stats"])
def test_incomplete_stats_have_no_usage(part: str) -> None:
    assert read_usage({**STATS, part: {}}) is None


def test_stored_tables_have_course_objects_only() -> None:
    view = EngineView()
    foreign = container_row({**CONTAINER, "Names": ["/foreign"], "Labels": {}})
    view.rows["containers"] = (container_row(CONTAINER), foreign)
    view.rows["networks"] = (named_row({"Name": "host", "Driver": "host"}),)
    bundle = RENDERERS[EngineView](view)
    for page in bundle.values():
        assert "web" in page and "5005→5000/tcp" in page
        assert "foreign" not in page and "networks" not in page.lower()


class FakeApi:
    def __init__(self, found: dict[str, str] | None) -> None:
        self.found, self.calls = found, []

    def inspect_volume(self, name: str) -> dict[str, Any]:
        return {"Name": name, "Labels": self.found}

    def remove_volume(self, name: str) -> None:
        self.calls.append(name)

    inspect_container = inspect_image = inspect_network = remove_container = remove_image = None
    remove_network = None


def test_labels_are_checked_again_before_an_action() -> None:
    """A message from the page is not trusted."""
    foreign, course = FakeApi({}), FakeApi(labels())
    with pytest.raises(Exception, match="did not create this object"):
        act(foreign, "volumes", "data", "remove")
    act(course, "volumes", "data", "remove")
    assert (foreign.calls, course.calls) == ([], ["data"])
