"""The control socket, by which `workerhub status`, `reload`, `scale`, `stop` and `stacks` reach a running server.

* `wire` — requests and replies, as bytes.
* `place` — where the socket lies.
* `listener` — taking that place.
* `reception` — the master's end: many clients, none of whom it waits for.
* `client` — a verb's end.
* `peers` — who is at the other end.
"""
