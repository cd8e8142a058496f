"""The worker classes that come with workerhub, found through the entry-point group `workerhub.workers` like anybody's.

`sync`, `threaded` and `gevent` are the public modules. The others are theirs:

* `_reactor` — all I/O of one process: the loop, deadlines, leaving.
* `_connection` — one client: what it sends, what is written to it, whose turn it is.
* `_acceptor` — the listening sockets.
* `_door`, `_arrival` — what comes before HTTP on a connection: `_proxied`, the PROXY protocol's header; `_tls`, the handshake, and the socket behind it.
* `_honoured` — the settings that all of them put into force.
* `_queue` — requests that wait for their turn, where `queue.max_wait` ends that.
* `_outbox` — what a client hasn't read yet.
* `_poller` — epoll, or the next best.
* `_crew`, `_seat`, `_shared`, `_waker` — requests in threads; a connection that one of them shares with the reactor.
* `_lease`, `_trust`, `_alarm` — the reactor in the hands of one of these threads, while requests are short.
* `_greenlets`, `_greenlet_connection`, `_hub_poller` — requests in greenlets, and the reactor in gevent's event loop.
"""
