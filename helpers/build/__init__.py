"""One BuildKit build: run it, report each step, and explain a failure."""

from helpers.build.run import build_image as build_image
