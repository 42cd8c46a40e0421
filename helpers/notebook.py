"""What the notebooks call: the engine's and the experiments' functions with their progress shown.

The one place where a measurement and its progress bar meet; holds no logic of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from helpers.engine import build, cleanup, find
from helpers.engine.doctor import examine
from helpers.engine.owner import name_taken
from helpers.engine.vm import guests
from helpers.errors import CourseError, EngineUnavailable
from helpers.experiments import caching, footprint, isolation, startup
from helpers.experiments import ladder as rungs
from helpers.experiments import layers as layer_reader
from helpers.results.build import BuildReport, human_size
from helpers.results.caching import OrderExperiment
from helpers.results.doctor import DoctorReport
from helpers.results.footprint import FootprintComparison
from helpers.results.isolation import Kernels, Limits, SeenFromHost
from helpers.results.ladder import Ladder
from helpers.results.layers import ImageLayers
from helpers.results.startup import CONTAINER, FULL_VM, StartupComparison
from helpers.show.build import progress


class Stopped(CourseError):
    """Ctrl-C, or the notebook's stop button: what was going on has been ended."""


@contextmanager
def _plainly(what: str) -> Iterator[None]:
    """What a student can cause or meet as one message: Ctrl-C, an engine that is gone or refuses.

    The functions below have ended what they began by then.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(f"You stopped {what}.", "Run the cell again to do it from its start.") from (
            None)
    except APIError as error:
        raise CourseError(f"The engine refused: {error.explanation or error}",
                          "Look at what is here: python3 -m helpers doctor") from None
    except (DockerException, RequestException, ConnectionError) as error:
        raise EngineUnavailable(f"The engine stopped answering ({type(error).__name__}).",
                                "Look at it with: python3 -m helpers doctor") from None


def build_image(context: str | Path, *, tag: str, dockerfile: str | Path | None = None,
                build_args: Mapping[str, str] | None = None, no_cache: bool = False) -> BuildReport:
    """Build an image with BuildKit, a progress bar naming the running build step.

    Raises BuildFailed for an error in the Dockerfile, CourseError for one in the arguments,
    Stopped on Ctrl-C.
    """
    taken = name_taken(find.connect().host, str(tag))
    if taken:
        print(f"{taken} This build takes over the name.")
    with _plainly("the build"), progress() as running:
        return build.build_image(context, tag=tag, dockerfile=dockerfile, build_args=build_args,
                                 no_cache=no_cache, on_progress=running)


def compare_orders(app: str | Path = "flask-app", edit: str | None = "app.py",
                   repeats: int = 3) -> OrderExperiment:
    """Measure both orders of the app's Dockerfile: cold, unchanged and edited builds.

    Raises Stopped on Ctrl-C.
    """
    with _plainly("the experiment"), progress() as running:
        return caching.compare_orders(app=app, edit=edit, repeats=repeats, on_progress=running)


def small_server() -> None:
    """Make the image of the small server that chapter 01 starts, unless it is there."""
    with _plainly("making the image"), progress() as running:
        guests.ensure(find.connect(), guests.SERVER, running)
    print(f"ready: {guests.SERVER}")


def kernels() -> Kernels:
    """Ask the host, a container and a virtual machine which kernel they run on."""
    with _plainly("the measurement"), progress() as running:
        return isolation.kernels(on_progress=running)


def seen_from_host() -> SeenFromHost:
    """Start a container and look at its process from the host."""
    with _plainly("the measurement"):
        return isolation.seen_from_host()


def limits() -> Limits:
    """Hold one container to 64 MB of memory and one to a quarter of a CPU."""
    with _plainly("the measurement"), progress() as running:
        return isolation.limits(on_progress=running)


def compare_startup(rounds: int = 5) -> StartupComparison:
    """Start a container and a minimal virtual machine in turn, and time every moment."""
    with _plainly("the measurement"), progress() as running:
        return startup.compare_startup(rounds, on_progress=running)


def boot_full_guest(*, really: bool) -> StartupComparison | None:
    """Say what the full guest costs and, when told so, boot it once beside a container."""
    print("The full guest is Debian with systemd. It is made once, which takes a minute or two and "
          "310 MB on the engine;\nbooting it takes some seconds, or half a minute with emulation.")
    if not really:
        print("Not booted. To boot it: boot_full_guest(really=True)")
        return None
    with _plainly("the measurement"), progress() as running:
        found = startup.compare_startup(1, (CONTAINER, FULL_VM), warm_up=False,
                                        on_progress=running)
        sizes = guests.file_sizes(find.connect(), guests.FULL)
    print("On disk: " + ", ".join(f"{name} {human_size(size)}" for name, size in sizes.items()))
    return found


def ladder(*startups: StartupComparison | None, repeats: int = 7) -> Ladder:
    """Start one small program in more and more of a machine; the VMs' rungs are `startups`'."""
    with _plainly("the measurement"), progress() as running:
        return rungs.ladder(*startups, repeats=repeats, on_progress=running)


def compare_footprints(counts: Sequence[int] = footprint.COUNTS) -> FootprintComparison:
    """Memory, disk and processes of one waiting, and the cost of one more, of both kinds."""
    with _plainly("the measurement"), progress() as running:
        return footprint.compare_footprints(counts, on_progress=running)


def layers(image: str) -> ImageLayers:
    """The layers of an image that is on the engine, with the files of each (sizes in bytes).

    Raises CourseError where there is no such image, Stopped on Ctrl-C.
    """
    with _plainly("reading the image"):
        result = layer_reader.layers(image)
        taken = name_taken(find.connect().host, image)
    if taken:
        print(f"{taken} Build it here to look at your own.")
    return result


def doctor() -> DoctorReport:
    """Look at what this machine has for the course."""
    with _plainly("the doctor"):
        return examine()


def clean_up() -> None:
    """Remove what the course made on the engine, look again, and say what is left.

    Raises EngineUnavailable where none answers, Stopped on Ctrl-C.
    """
    with _plainly("cleaning up"):
        engine = find.connect()
        cleanup.clean(engine, tools=False, all_sessions=False)
        left = cleanup.count_ours(engine)
    print(f"left of the course on this engine: {left or 'nothing'}")
