"""One BuildKit build: run it, report each step, and explain a failure."""

from helpers.engine.build.failure import BuildFailed as BuildFailed
from helpers.engine.build.run import build_image as build_image
