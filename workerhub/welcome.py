"""The application of `configs/quickstart.toml`: a page that shows who answered it."""

from __future__ import annotations

import os
import time
from html import escape
from typing import TYPE_CHECKING, Any

from workerhub import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>workerhub is serving</title>
<style>
  :root {{ color-scheme: light dark; --ink: #1d2330; --soft: #667085; --paper: #f6f7f9; --card: #fff; --line: #e3e6eb; --go: #12805c; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ink: #e8ebf1; --soft: #98a2b3; --paper: #12151c; --card: #1a1f29; --line: #2b3240; --go: #4cc38a; }}
  }}
  body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink);
    font: 17px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }}
  main {{ box-sizing: border-box; width: min(38rem, 100% - 2rem); padding: 2.2rem 2.4rem; background: var(--card);
    border: 1px solid var(--line); border-radius: 14px; }}
  h1 {{ margin: 0 0 .3rem; font-size: 1.5rem; }}
  h1::before {{ content: ""; display: inline-block; width: .7rem; height: .7rem; margin-right: .6rem; border-radius: 50%; background: var(--go); }}
  p {{ margin: 0 0 1.4rem; color: var(--soft); }}
  dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .55rem 1.6rem; margin: 0; padding: 1.2rem 0; border-block: 1px solid var(--line); }}
  dt {{ color: var(--soft); }}
  dd {{ margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
  dd, code {{ font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .95em; }}
  p:last-child {{ margin: 1.4rem 0 0; }}
</style>
</head>
<body>
<main>
<h1>workerhub is serving</h1>
<p>Version {version}. Ask again: another worker may answer. Send the master <code>HUP</code>, and the generation rises.</p>
<dl>
{facts}
</dl>
<p>Now serve your own: <code>app = "mysite.wsgi:application"</code></p>
</main>
</body>
</html>
"""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer any GET with the page."""
    facts = {
        "Worker": environ.get("workerhub.worker", "unknown"),
        "Class": environ.get("workerhub.class", "unknown"),
        "Generation": environ.get("workerhub.generation", "unknown"),
        "Process": os.getpid(),
        "Master": os.getppid(),
        "Asked by": environ.get("REMOTE_ADDR") or "a UNIX socket",
        "Answered at": time.strftime("%H:%M:%S %Z"),
    }
    rows = "\n".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    body = PAGE.format(version=__version__, facts=rows).encode()
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ],
    )
    return [body]
