"""The shipped way of waiting, under the name by which our tests know it."""

from workerhub.testing.waiting import PATIENCE, wait_for

__all__ = ["PATIENCE", "wait_for"]
