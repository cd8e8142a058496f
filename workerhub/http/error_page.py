"""The answer to a request whose application failed, for who develops it: the traceback, in the browser. Never shown in production."""

from __future__ import annotations

from html import escape
from importlib import import_module
from traceback import FrameSummary, TracebackException
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerhub.http.request import Request

_PASSED_THROUGH: Final = (
    __file__.rpartition("/http/")[0] + "/",
    "<frozen importlib",
    import_module.__code__.co_filename,
)
"""Where the way to the application leads through: workerhub itself, and the import system. Nobody's mistake, and left out."""

CONTEXT: Final = 3
"""Lines of source before and after the one that failed."""

PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; --ink: #1d2330; --soft: #667085; --paper: #f6f7f9; --card: #fff; --line: #e3e6eb; --bad: #b42318; --mark: #fee4e2; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ink: #e8ebf1; --soft: #98a2b3; --paper: #12151c; --card: #1a1f29; --line: #2b3240; --bad: #f97066; --mark: #4a1f1b; }}
  }}
  body {{ margin: 0 auto; padding: 2rem; max-width: 70rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }}
  h1 {{ margin: 0; font-size: 1.3rem; color: var(--bad); overflow-wrap: anywhere; white-space: pre-wrap; }}
  h2 {{ margin: 2rem 0 .5rem; font-size: 1rem; color: var(--soft); }}
  p {{ margin: .3rem 0 1.5rem; color: var(--soft); }}
  figure {{ margin: 0 0 .8rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }}
  figcaption {{ padding: .4rem .8rem; font-size: .9rem; color: var(--soft); border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }}
  figcaption b {{ color: var(--ink); }}
  pre {{ margin: 0; padding: .4rem 0; overflow-x: auto; font: .85rem/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }}
  pre span, pre mark {{ display: block; padding: 0 .8rem; }}
  mark {{ background: var(--mark); color: inherit; }}
  details pre {{ padding: .8rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{request}</p>
{body}
<details><summary>As text</summary><pre>{text}</pre></details>
</body>
</html>
"""


def error_page(request: Request, error: BaseException) -> tuple[str, bytes]:
    """Describe an error: as HTML for who accepts that, else as text.

    Returns:
        the value for Content-Type, and the body.
    """
    told = TracebackException.from_exception(error)
    text = "".join(told.format())
    if "text/html" not in request.environ.get("HTTP_ACCEPT", ""):
        return "text/plain; charset=utf-8", text.encode("utf-8", "backslashreplace")
    page = PAGE.format(
        title=escape(_headline(told)),
        request=escape(f"{request.method} {request.target}"),
        body="\n".join(_sections(told)),
        text=escape(text),
    )
    return "text/html; charset=utf-8", page.encode("utf-8", "backslashreplace")


def _headline(told: TracebackException) -> str:
    """`ValueError: message`. What is indented above it is the place of a SyntaxError."""
    lines = "".join(told.format_exception_only()).splitlines()
    return next((line for line in lines if line[:1].strip()), "")


def _sections(told: TracebackException) -> Iterator[str]:
    """The error, and below it what it came from; each with its frames, the innermost first."""
    if (line := getattr(told, "lineno", None)) is not None and told.filename:  # a SyntaxError's own place
        yield _frame(FrameSummary(told.filename, int(line), "", lookup_line=False))
    yield from (_frame(frame) for frame in reversed(told.stack) if not frame.filename.startswith(_PASSED_THROUGH))
    cause = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    if cause is not None:
        yield f"<h2>{'caused by' if told.__cause__ else 'while handling'} {escape(_headline(cause))}</h2>"
        yield from _sections(cause)
    for inner in told.exceptions or ():
        yield f"<h2>among them {escape(_headline(inner))}</h2>"
        yield from _sections(inner)


def _frame(frame: FrameSummary) -> str:
    """One place in the source, with what stands around it."""
    name = f" in <b>{escape(frame.name)}</b>" if frame.name else ""
    return f"<figure><figcaption>{escape(frame.filename)}:{frame.lineno}{name}</figcaption><pre>{_source(frame)}</pre></figure>"


def _source(frame: FrameSummary) -> str:
    from linecache import getlines  # noqa: PLC0415  # only where something has failed

    lines = getlines(frame.filename)
    here = frame.lineno or 0
    shown = range(max(1, here - CONTEXT), min(len(lines), here + CONTEXT) + 1)
    tags = {here: "mark"}
    return "".join(
        f"<{tags.get(number, 'span')}>{number:5}  {escape(lines[number - 1].rstrip())}</{tags.get(number, 'span')}>"
        for number in shown
    )
