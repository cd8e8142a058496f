"""`wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling")."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


class FileWrapper:
    """What an application returns to have a file sent. Iterable, for middleware that wants the bytes after all.

    Args:
        filelike: anything with `read(size)`; its `close`, if it has one, is called with the wrapper's.
        block_size: bytes per block when the file can't be handed to the operating system.
    """

    def __init__(self, filelike: Any, block_size: int = 65536) -> None:
        self.filelike = filelike
        self.block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        while block := self.filelike.read(self.block_size):
            yield block

    def close(self) -> None:
        """Close the file, if it can be closed."""
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()

    def span(self) -> tuple[BinaryIO, int, int] | None:
        """File, offset and size of what is left to send, if the kernel can send it: a regular file opened for bytes; else None.

        A `fileno` alone says little: a GzipFile has that of the compressed file. Only the file classes of `io` itself will do.
        """
        file = self.filelike
        raw = getattr(file, "raw", None) if isinstance(file, io.BufferedReader | io.BufferedRandom) else file
        if not isinstance(raw, io.FileIO):
            return None
        try:
            offset = file.tell()
            size = file.seek(0, io.SEEK_END) - offset
            file.seek(offset)
        except OSError:
            return None  # a pipe, a terminal
        return file, offset, max(size, 0)
