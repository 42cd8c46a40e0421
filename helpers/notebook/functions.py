"""The functions for notebooks that do more than run one experiment.

An experiment needs no line here: `helpers/__init__.py` turns it into a function for notebooks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from helpers import build
from helpers.build.result import BuildReport
from helpers.engine import base_image, cleanup, find
from helpers.engine.labels import name_taken
from helpers.errors import CourseError
from helpers.experiments.doctor.measure import examine
from helpers.experiments.doctor.result import DoctorReport
from helpers.experiments.layers import measure as layers
from helpers.experiments.layers.result import ImageLayers
from helpers.experiments.startup import measure as startup
from helpers.experiments.startup.result import CONTAINER, FULL_VM, StartupComparison
from helpers.notebook.course_function import course_function
from helpers.tables import human_size
from helpers.vm import guests

Progress = Callable[[str], None] | None
CLEAN = "Nothing from this notebook is left on the engine."


@course_function("the build")
def build_image(
    context: str | Path,
    *,
    tag: str,
    dockerfile: str | Path | None = None,
    build_args: Mapping[str, str] | None = None,
    no_cache: bool = False,
    on_progress: Progress = None,
) -> BuildReport:
    """Build an image with BuildKit and return a report of its steps, times in seconds.

    Raises BuildFailed for an error in the Dockerfile, CourseError for one in the arguments,
    Stopped on Ctrl-C.

    Example:
        report = build_image("apps/flask-app", tag="my-flask-app")
        report.all_cached
    """
    engine = find.connect()
    if warning := name_taken(engine.host, str(tag)):
        print(f"{warning} This build takes over the name.")
    return build.build_image(
        context,
        tag=tag,
        dockerfile=dockerfile,
        build_args=build_args,
        no_cache=no_cache,
        on_progress=on_progress,
        engine=engine,
    )


@course_function("the build")
def build_small_server(on_progress: Progress = None) -> None:
    """Build the image of the small server that chapter 01 starts, unless it exists.

    Example:
        build_small_server()
        %docker run --rm dockercourse/small-server echo hello
    """
    guests.ensure(find.connect(), guests.SERVER, on_progress)
    print(f"ready: {guests.SERVER}")


@course_function("the experiment")
def compare_startup(rounds: int = 5, on_progress: Progress = None) -> StartupComparison:
    """Start a container and a minimal virtual machine in turn, `rounds` times, and time both.

    Ctrl-C ends it early: the result has the rounds that were complete.

    Example:
        comparison = compare_startup(rounds=3)
        comparison.ratio("minimal VM")
    """
    return startup.compare_startup(rounds, on_progress=on_progress)


@course_function("the experiment")
def boot_full_guest(on_progress: Progress = None) -> StartupComparison:
    """Boot Debian with systemd once next to a container, time both, and print its size on disk.

    The first call builds the guest: a minute or two, and 310 MB on the engine.

    Example:
        measure_ladder(boot_full_guest())
    """
    comparison = startup.compare_startup(
        1, (CONTAINER, FULL_VM), warm_up=False, on_progress=on_progress
    )
    sizes = guests.file_sizes(find.connect(), guests.FULL)
    print("on disk: " + ", ".join(f"{name} {human_size(size)}" for name, size in sizes.items()))
    return comparison


@course_function("reading the image")
def inspect_layers(image: str) -> ImageLayers:
    """Return the layers of an image on the engine, with the files of each, sizes in bytes.

    Raises CourseError if there is no such image, Stopped on Ctrl-C.

    Example:
        image_layers = inspect_layers("my-flask-app")
        image_layers.layers[-1].files
    """
    engine = find.connect()
    result = layers.inspect_layers(image, engine)
    if warning := name_taken(engine.host, image):
        print(f"{warning} Build it here to see the layers of your own image.")
    return result


@course_function("the check")
def doctor() -> DoctorReport:
    """Check what the course needs on this machine.

    Example:
        doctor()
    """
    return examine()


@course_function("cleaning up")
def clean_up() -> None:
    """Remove what the course made on the engine, and print how many objects are left.

    Raises EngineUnavailable if no engine answers, Stopped on Ctrl-C.

    Example:
        clean_up()
    """
    engine = find.connect()
    cleanup.clean(engine, tools=False, all_sessions=False)
    left = cleanup.count_course_objects(engine)
    print(f"Objects of this notebook that are still on the engine: {left}" if left else CLEAN)


@course_function("preparing the image")
def prepare_image(image: str, on_progress: Progress = None) -> None:
    """Pull an image that a chapter runs, or build its stand-in if it can't be pulled.

    Raises CourseError if neither is possible, or for an image that has no stand-in.

    Example:
        prepare_image("postgres:17")
    """
    if image not in base_image.STAND_INS:
        names = ", ".join(base_image.STAND_INS)
        raise CourseError(f"There is no stand-in for {image!r}.", f"Choose one of: {names}")
    kind = base_image.ensure_base_image(find.connect(), image, on_progress or (lambda _: None))
    print(f"ready: {image}" + (" (the course's stand-in)" if kind == "stand-in" else ""))
