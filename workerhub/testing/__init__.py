"""Shipped doubles: what a test of workerhub, or of something built on it, stands on instead of mocks.

* `Playbook` — the supervisor's stories: `book >> event << command`, in order; a mismatch prints the whole story.
* `FakeKernel` — an operating system with a jumping clock, whose processes follow a `Script`.
* `FakeStage` — plans that were never read from a file, for the real master on a `FakeKernel`.
* `Transcript` — what happened, one line for each thing, to be kept as a golden file.
"""

from workerhub.testing.kernel import DeadlockError, FakeKernel, OutOfFuelError
from workerhub.testing.playbook import Logged, Playbook, StoryError
from workerhub.testing.processes import Request, Script
from workerhub.testing.stage import FakeStage
from workerhub.testing.transcript import Transcript

__all__ = [
    "DeadlockError",
    "FakeKernel",
    "FakeStage",
    "Logged",
    "OutOfFuelError",
    "Playbook",
    "Request",
    "Script",
    "StoryError",
    "Transcript",
]
