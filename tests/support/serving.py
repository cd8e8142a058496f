"""The shipped harness, under the name by which our tests know it."""

from workerhub.testing.workplace import serving

__all__ = ["serving"]
