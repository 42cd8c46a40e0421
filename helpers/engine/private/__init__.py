"""The private engine: Docker Engine from Debian packages, run from the user's cache folder."""

from helpers.engine.private.install import RECIPE
from helpers.engine.private.life import STANDING, PrivateEngine
from helpers.engine.private.privileges import as_root

__all__ = ["RECIPE", "STANDING", "PrivateEngine", "as_root"]
