"""workerhub: a configuration-driven WSGI application server.

The map of the house, from the outside in:

* `workerhub.cli` — the command line: one file per verb, each returns an exit code.
* `workerhub.config` — text in, frozen pydantic models out: TOML and Python files, profiles, environment, origins.
* `workerhub.planning` — config and registry become a plan, in a process of its own.
* `workerhub.certificates` — TLS files, read and tried while the plan is made.
* `workerhub.plan` — the `Plan`: everything decided before any fork, as data.
* `workerhub.master` — the loop: what happened becomes events, what the supervisor commands is done by the kernel.
* `workerhub.supervisor` — decides and never acts: events in, commands out, no clock, no system call.
* `workerhub.kernel` — the only code that talks to the operating system on the master's behalf.
* `workerhub.child` — a worker's life between fork and exit.
* `workerhub.worker` — the contract a worker class keeps, and all it may know. Plug-ins import this and `workerhub.http`.
* `workerhub.http` — HTTP/1.x without I/O: bytes in, requests out; responses in, bytes out; the WSGI gateway.
* `workerhub.logs` — the error log and the access log.
* `workerhub.later` — faces of packages whose names are imported when they are asked for.
* `workerhub.slotted` — `dataclass(slots=True)` that costs a start next to nothing.
* `workerhub.testing` — shipped doubles and the contract kit.

The built-in worker classes live in the package `workerhub_workers` and come in through the same door as anybody's:
the entry-point group `workerhub.workers`.
"""

__version__ = "0.1.0"
