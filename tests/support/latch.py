"""The shipped latch, under the name by which our tests know it."""

from workerhub.testing.latch import Latch

__all__ = ["Latch"]
