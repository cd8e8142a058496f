"""The only operating-system code: processes, signals, sockets, shared memory. Does what it is told and decides nothing.

* `protocol` — the verbs and happenings, for the real kernel and the pretend one alike.
* `processes` — `PosixKernel`: fork, wait, reap, nudge.
* `children` — workers and templates that aren't reaped: what each has, says and leaves.
* `newborn`, `birth` — what a process does first; what a child is born with.
* `forkserver`, `orders` — the part of a template that forks; what it is told by the master.
* `asides` — hooks and tasks, each in a process of its own.
* `board` — the shared map of what each worker is doing.
* `signals` — which signal means what, to the master and to a worker.
* `reports` — what children report through their pipes.
* `dumps`, `files` — stacks that a crash leaves behind; files without a name.
* `listeners`, `adopted`, `holders` — listening sockets: opened, kept, closed; opened by others; who holds an address.
* `newcomers` — a queue that nobody new gets into.
* `identity`, `orphans` — title, user, directory; leaving when the master is gone.
* `streams` — descriptors 0, 1 and 2.
* `systemd`, `notify` — what systemd tells the server; what the server tells systemd.
* `pidfile` — one master per file.
"""
