"""The contract kit: every promise that a worker class makes, and a test that proves it, for anybody's class.

* `check_worker` — puts a class to the test. `workerhub.testing.pytest_plugin` does it with one test per clause.
* `clauses` — what a clause is; `table` — all of them. Each chapter has a module: `declaring`, `life`, `serving`, `books`, `capacity`,
  `clients`, `leaving`, `interrupting`.
* `kit` — the workers that the checks of clauses work with; `site` — the application that these serve; `sockets` — listeners with siblings.
* `trial` — which clause is kept.
"""

from workerhub.testing.contract.check import PATIENCE, ContractBrokenError, Report, check_worker
from workerhub.testing.contract.clauses import BrokenError, Clause, NotTriedError
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.table import CLAUSES
from workerhub.testing.contract.trial import Outcome, Trial, Verdict

__all__ = [
    "CLAUSES",
    "PATIENCE",
    "BrokenError",
    "Clause",
    "ContractBrokenError",
    "Kit",
    "NotTriedError",
    "Outcome",
    "Report",
    "Trial",
    "Verdict",
    "check_worker",
]
