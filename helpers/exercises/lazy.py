"""A property that is computed once, by each object for itself."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    lazy = cached_property
else:

    class lazy(cached_property):
        """`functools.cached_property` without its lock.

        In Python 3.11, all objects of a class share that lock: answers that are graded side by side
        would wait for each other. Python 3.12 has removed it.
        """

        def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
            """Return the value, computing it the first time."""
            if instance is None:
                return self
            value = self.func(instance)
            instance.__dict__[self.attrname] = value
            return value
