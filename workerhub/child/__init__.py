"""Between fork and exit: the order of a worker's life, and what its exceptions mean as exit codes.

* `life` — a worker's whole life.
* `template` — a template's, and what is left of a worker's that it forks.
* `steps` — what both consist of.
* `leftovers` — threads and connections that a fork can't take along.
* `application` — importing the application, and saying clearly why it can't be.
* `hooks` — calling the operator's functions.
* `overdue` — ending requests that outlived their deadline.
* `cut` — the last words about requests that are cut.
* `orphaned` — leaving in time although there is no master any more.
* `stand_in` — what is served in place of an application that can't be imported, where somebody develops.
* `whereabouts` — where every thread and task is, for who asks.
* `stacks` — tracebacks from where the application begins.
"""

from workerhub.child.application import LoadError, load_application
from workerhub.child.hooks import call_hook
from workerhub.child.life import live
from workerhub.child.template import live_as_template, word_for

__all__ = ["LoadError", "call_hook", "live", "live_as_template", "load_application", "word_for"]
