"""What a test of workerhub, or of something built on it, stands on.

For worker classes, in real processes (Linux):

* `check_worker` — holds a class against every clause of the contract; `workerhub.testing.pytest_plugin` has one test for each, and
  `python -m workerhub.testing NAME` is the same from a shell.
* `serving` — runs a class with an application of the test's, without a master; gives a `Served`.
* `Client`, `Latch` — clients that may behave badly, and signals between processes.

Doubles, instead of mocks:

* `Playbook` — the supervisor's stories: `book >> event << command`, in order; a mismatch prints the whole story.
* `FakeKernel` — an operating system with a jumping clock, whose processes follow a `Script`.
* `FakeStage` — plans that were never read from a file, for the real master on a `FakeKernel`.
* `Transcript` — what happened, one line for each thing, to be kept as a golden file.
"""

from typing import TYPE_CHECKING

from workerhub.later import names_from

if TYPE_CHECKING:
    from workerhub.testing.client import Client
    from workerhub.testing.contract import ContractBrokenError, Report, check_worker
    from workerhub.testing.kernel import DeadlockError, FakeKernel, OutOfFuelError
    from workerhub.testing.latch import Latch
    from workerhub.testing.playbook import Logged, Playbook, StoryError
    from workerhub.testing.processes import Request, Script
    from workerhub.testing.served import Served
    from workerhub.testing.stage import FakeStage
    from workerhub.testing.transcript import Transcript
    from workerhub.testing.workplace import serving

# Who tests a worker class has no use for the supervisor's doubles, and the other way round.
__getattr__ = names_from(
    __name__,
    {
        "client": "Client",
        "contract": "ContractBrokenError Report check_worker",
        "kernel": "DeadlockError FakeKernel OutOfFuelError",
        "latch": "Latch",
        "playbook": "Logged Playbook StoryError",
        "processes": "Request Script",
        "served": "Served",
        "stage": "FakeStage",
        "transcript": "Transcript",
        "workplace": "serving",
    },
)

__all__ = [
    "Client",
    "ContractBrokenError",
    "DeadlockError",
    "FakeKernel",
    "FakeStage",
    "Latch",
    "Logged",
    "OutOfFuelError",
    "Playbook",
    "Report",
    "Request",
    "Script",
    "Served",
    "StoryError",
    "Transcript",
    "check_worker",
    "serving",
]
