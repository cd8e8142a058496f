"""The command line: one file per verb, thin; each verb returns the exit code."""

from workerhub.cli.main import main, run

__all__ = ["main", "run"]
