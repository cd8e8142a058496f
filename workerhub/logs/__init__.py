"""The error log and the access log: one `write` for each line, nothing lost in silence, nothing a client can forge.

Not the standard library's `logging`: that belongs to the application, whose `dictConfig` may disable, redirect or
slow down everything that is registered there (docs/explanation/logging.md).

* `files` — where lines go: appended by one system call, opened anew on SIGUSR1, never raising.
* `error` — what the operator reads.
* `access` — one line for each request.
* `text` — making a stranger's words harmless.
"""

from __future__ import annotations

from workerhub.logs.access import AccessLog
from workerhub.logs.error import ErrorLog, Format, Level
from workerhub.logs.files import STDERR, STDOUT, LogFile
from workerhub.slotted import dataclass

__all__ = ["AccessLog", "ErrorLog", "LogFile", "Logs", "open_logs"]


@dataclass(frozen=True, slots=True)
class Logs:
    """Both logs of one configuration. `access` is None where it is off."""

    error: ErrorLog
    access: AccessLog | None
    files: tuple[LogFile, ...]

    def reopen(self) -> None:
        """Open the files anew, after somebody renamed them. A file that can't be opened stays, and the error log says so."""
        for problem in [problem for file in self.files if (problem := file.reopen())]:
            self.error.error(problem)

    def close(self) -> None:
        """Close the files: another configuration's logs have taken over."""
        for file in self.files:
            file.close()


def open_logs(
    *,
    level: Level = "info",
    format: Format = "text",  # noqa: A002  # named as the setting is
    file: str = "-",
    access: str | None = "-",
    access_format: str = "combined",
    owner: tuple[int, int] | None = None,
) -> Logs:
    """Open what the `log.*` settings name. `-` is stderr for the error log and stdout for the access log.

    Args:
        level: the least level that is written.
        format: the error log's.
        file: the error log's path, or `-`.
        access: the access log's path, `-`, or None (also `off`) for no access log.
        access_format: `json`, `combined`, `common`, or a pattern.
        owner: user and group that the files are given when this process is root, so that the workers can open them anew.

    Raises:
        OSError: a file can't be opened; nothing stays open.
        ValueError: `access_format` is not in the language (found earlier, when the configuration is checked).
    """
    error_file = LogFile(file, standard=STDERR, owner=owner)
    error = ErrorLog(error_file, level, format)
    error_file.on_recovery = error.tell_lost("error log")
    if access is None or access == "off":
        return Logs(error, None, (error_file,))
    try:
        access_file = LogFile(access, standard=STDOUT, owner=owner)
    except OSError:
        error_file.close()
        raise
    access_file.on_recovery = error.tell_lost("access log")
    return Logs(error, AccessLog(access_file, access_format), (error_file, access_file))
