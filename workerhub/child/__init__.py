"""Between fork and exit: the order of a worker's life, and what its exceptions mean as exit codes.

* `live` — the whole life.
* `application` — importing the application, and saying clearly why it can't be.
* `hooks` — calling the operator's functions.
* `overdue` — ending requests that outlived their deadline.
* `whereabouts` — where every thread and task is, for who asks.
* `stacks` — tracebacks from where the application begins.
"""

from workerhub.child.application import LoadError, load_application
from workerhub.child.hooks import call_hook
from workerhub.child.life import live

__all__ = ["LoadError", "call_hook", "live", "load_application"]
