"""`python -m workerhub.testing NAME [OPTION=VALUE ...]`: hold a worker class against the contract, and print what it breaks.

Exits with 0 if it keeps every clause, with 1 if it breaks some, with 2 if there is no such class or option.
"""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError

from workerhub.errors import WorkerhubError
from workerhub.testing.contract import ContractBrokenError, check_worker
from workerhub.worker import find


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        prog="python -m workerhub.testing", description="Hold a worker class against its contract."
    )
    parser.add_argument("worker", help="a registered name, or module:Class")
    parser.add_argument("options", nargs="*", metavar="option=value", help="what the [worker] table would say")
    arguments = parser.parse_args()
    try:
        worker = find(arguments.worker).cls
        written = dict(option.partition("=")[::2] for option in arguments.options)
        options = worker.Options.model_validate_strings(written).model_dump(exclude_unset=True)
    except (WorkerhubError, ValidationError) as error:
        parser.error(str(error))
    try:
        report = check_worker(worker, options)
    except ContractBrokenError as broken:
        print(broken.report)  # noqa: T201  # what it is for
        return 1
    print(report)  # noqa: T201  # what it is for
    return 0


if __name__ == "__main__":
    sys.exit(main())
