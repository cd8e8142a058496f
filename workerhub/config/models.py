"""Every setting: name, kind, default, meaning. Written down here and nowhere else.

The command line's flags, `workerhub show`, the JSON Schema, the reference page and the error messages derive from these
fields. A default is given as an operator would write it, and the comment above it gives its reason.

Dataclasses, because pydantic takes them as models and they can be declared without it; see `workerhub.config.validator`. Made by that alone:
what is said here of a default holds once it is validated.
"""

# Without `from __future__ import annotations`: what makes a validator of the annotations needs them, not their text.

from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from workerhub.config import kinds
from workerhub.slotted import dataclass, field

if TYPE_CHECKING:
    from dataclasses import Field

    from pydantic import ConfigDict

FACTS: Final = "x-workerhub"
"""Where a field's metadata keep what `setting` was told beside what pydantic has a word for."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What `setting` was told about a field, beside what pydantic has a word for. `default` is None where there is none."""

    default: Any = None
    flags: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def setting(
    default: Any,
    meaning: str,
    *,
    flags: tuple[str, ...] = (),
    elsewhere: tuple[str, ...] = (),
    alias: str | None = None,
) -> Any:
    """Declare a setting.

    Args:
        default: as an operator would write it; it is validated like anything else. `...` is "required".
        meaning: a sentence for the reference page, `schema` and `--help`.
        flags: its names on the command line.
        elsewhere: what other servers call it, to recognise what somebody brings along.
        alias: its name in the file, where that can't be the name of an attribute.
    """
    told = Facts(None if default is ... else default, flags, elsewhere)
    metadata = {"description": meaning, "alias": alias, "validate_default": default is not None, FACTS: told}
    if default is ...:
        return field(metadata=metadata)
    if isinstance(default, list | dict):  # a dataclass accepts no default that could change
        return field(default_factory=lambda: default, metadata={**metadata, "json_schema_extra": {"default": default}})
    return field(default=default, metadata=metadata)


def facts(declared: "Field[Any]") -> Facts:
    """What `setting` was told about a field."""
    return declared.metadata.get(FACTS, Facts())  # type: ignore[no-any-return]  # nobody else uses the key


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the configuration. Frozen; a key that isn't declared is an error."""

    __pydantic_config__: ClassVar["ConfigDict"] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig(Table):
    """Which worker class, and how many processes. What else the table holds are the class's own options."""

    __pydantic_config__: ClassVar["ConfigDict"] = {"extra": "ignore", "strict": True}

    # The one class without a trap: one request at a time, no threads, no patching.
    class_: kinds.WorkerName = setting(
        "sync",
        "The worker class: the name of an installed one (`workerhub workers` lists them), or `module:Class`.",
        alias="class",
        flags=("-k", "--class"),
        elsewhere=("worker_class", "worker-class"),
    )
    # More than one per CPU only helps an application that waits, and how much it waits only its owner knows.
    processes: kinds.CountOrAuto = setting(
        "auto",
        "How many worker processes. `auto` is one for each CPU that this server may use: its affinity and its cgroup's quota count.",
        flags=("-w", "--processes"),
        elsewhere=("workers",),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutsConfig(Table):
    """How long things may take."""

    # Large Django projects import for 10 to 20 seconds on a cold disk; after a minute something hangs.
    boot: kinds.Limit = setting("60s", "From the fork of a worker to its report that it is ready.")
    # What nginx (proxy_read_timeout) and most load balancers wait: beyond it nobody is listening any more.
    request: kinds.LimitOrOff = setting(
        "60s",
        "One request, from its dispatch to the last byte the application produced. Past it, that request alone is ended.",
        elsewhere=("timeout", "harakiri"),
    )
    # Enough for a `finally` and a database's rollback.
    kill: kinds.Limit = setting(
        "5s", "After a request outlived its deadline and could not be ended: then its worker is replaced and killed."
    )
    # Gunicorn's, and within the 90 seconds of systemd's TimeoutStopSec.
    graceful: kinds.Delay = setting(
        "30s", "How long a worker that was told to leave may finish what it runs.", elsewhere=("graceful_timeout",)
    )
    # Only who stands behind a load balancer needs it, and has to know how fast that one notices.
    drain_delay: kinds.Delay = setting("0s", "After TERM, keep serving for so long while load balancers notice.")
    # A head fits in one packet; 15 s is three losses of it on a bad mobile line.
    header: kinds.Limit = setting("15s", "No progress in a request's head for so long: 408.")
    # As nginx's client_body_timeout, halved: behind nginx it never applies.
    body: kinds.Limit = setting("30s", "No progress in a request's body for so long: 408.")
    # As `body`, in the other direction.
    write: kinds.Limit = setting("30s", "A client takes nothing of its response for so long: the connection is cut.")
    # Sync holds a whole process for it; for the others 75 s is above the 60 s that proxies keep idle connections (so that they close first).
    keepalive: kinds.LimitOrOffOrAuto = setting(
        "auto",
        "A connection may idle between requests for so long. `auto` is the worker class's own: off for `sync`, else 75s.",
        elsewhere=("keep_alive", "keepalive_timeout", "http-keepalive"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecycleConfig(Table):
    """When a worker is replaced although nothing is wrong."""

    # A healthy application needs none, and each costs a boot.
    max_requests: kinds.CountOrOff = setting("off", "Replace a worker after so many requests.")
    # Of no use alone.
    max_requests_jitter: kinds.CountOrNone = setting(
        0, "Add a random number up to this to `max_requests`, so that workers aren't replaced together."
    )
    # What is right depends on the application and the machine alone.
    max_memory: kinds.SizeOrOff = setting(
        "off",
        "Replace a worker that holds more private memory than this: what it doesn't share with other processes, swapped out or not.",
        elsewhere=("reload-on-rss", "workers_max_rss"),
    )
    # As max_requests.
    max_age: kinds.LimitOrOff = setting(
        "off",
        "Replace a worker when it has served for so long, or up to a tenth less: chance decides, so that workers aren't replaced together.",
        elsewhere=("max-worker-lifetime", "workers_lifetime"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartConfig(Table):
    """The crash budget: what happens when workers die."""

    # As systemd's StartLimitBurst.
    intensity: kinds.Count = setting(5, "More crashes than this within `period` make the pool degraded.")
    # Long enough that an application that dies a few seconds after it is ready is noticed.
    period: kinds.Limit = setting("60s", "The time in which crashes are counted.")
    # One crash should cost no capacity to speak of.
    backoff: kinds.Delay = setting("1s", "Wait so long before the second restart in a row; then double it each time.")
    # A database that comes back should be found within half a minute.
    backoff_max: kinds.Delay = setting("30s", "Never wait longer than this.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadConfig(Table):
    """How workers are replaced by new ones: at a reload, and when one is recycled."""

    # The smallest that never loses capacity; costs the memory of one worker meanwhile.
    surge: kinds.Surge = setting(
        1, "How many extra processes while replacing: a number, or a share of the pool like `25%`."
    )
    # Ready is reported by the worker itself, after the application is imported: healthy enough by default.
    observe: kinds.Delay = setting("0s", "How long the first new worker must stay healthy before the others follow.")
    # Five boots of the slowest kind.
    deadline: kinds.Limit = setting("5m", "A reload that isn't done by then is rolled back.")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig(Table):
    """Requests that wait for their turn."""

    # How long a client has patience only its owner knows; and no request is refused that nobody said to refuse.
    max_wait: kinds.LimitOrOff = setting(
        "off",
        "A request that has waited for its turn for longer is answered 503 with Retry-After. `X-Request-Start` of a trusted proxy counts.",
        elsewhere=("backpressure_timeout",),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig(Table):
    """HTTP: limits, and whom to believe."""

    parser: Literal["auto", "httptools", "h11"] = setting(
        "auto", "`httptools` (C, fast), `h11` (Python), or `auto`: httptools where it can be imported."
    )
    # nginx's and Gunicorn's defaults are of the same size.
    max_connections: kinds.CountOrAuto = setting(
        "auto",
        "How many connections one process holds, idle ones included; more wait to be accepted. `auto` is the worker class's own: 1000, or `worker.connections`.",
        elsewhere=("worker_connections", "worker-connections"),
    )
    # nginx's and Apache's: what passes them passes here.
    max_request_line: kinds.SizeLimit = setting(
        "8KiB", "Method, target and version of a request: more is answered 414.", elsewhere=("limit_request_line",)
    )
    # Twice nginx's 4 × 8 KiB: session cookies and tokens of single sign-on fit.
    max_header_bytes: kinds.SizeLimit = setting(
        "64KiB", "All header fields of a request: more is answered 431.", elsewhere=("limit_request_field_size",)
    )
    # Gunicorn's and Apache's.
    max_headers: kinds.Count = setting(
        100, "How many header fields a request may have: more is answered 431.", elsewhere=("limit_request_fields",)
    )
    # An application has its own idea, and a reverse proxy its own limit.
    max_body: kinds.SizeOrOff = setting(
        "off", "A request's body: more is answered 413, before it is read where its length is told."
    )
    # Nearly all forms and JSON documents stay in memory; a hundred uploads at once cost 100 MiB at most.
    body_memory: kinds.Size = setting(
        "1MiB", "A request's body up to this stays in memory; a larger one goes to a temporary file."
    )
    # A whole page fits, so that a slow reader doesn't hold up the application.
    response_memory: kinds.SizeLimit = setting(
        "1MiB", "So much of a response is kept for a client that reads slowly; beyond it the application waits."
    )
    # A proxy on this machine is the usual set-up, and nobody else can come from there.
    trusted_proxies: kinds.Proxies = setting(
        ["127.0.0.1", "::1", "unix"],
        "Who is believed about clients, in forwarding headers and by PROXY protocol: addresses, networks, and `unix` for UNIX sockets.",
        elsewhere=("forwarded_allow_ips", "forwarded-allow-ips"),
    )
    # What nginx, HAProxy, Caddy, Traefik and the clouds send.
    forwarded: Literal["x-forwarded", "rfc7239", "off"] = setting(
        "x-forwarded", "Which forwarding headers: `X-Forwarded-For` and its family, `Forwarded` (RFC 7239), or none."
    )
    # Who isn't behind a proxy that speaks it would be cut off.
    proxy_protocol: Literal["off", "required"] = setting(
        "off",
        "`required`: every connection begins with the header of a trusted proxy, PROXY protocol version 1 or 2; any other is closed.",
    )
    # A name without a version tells an attacker nothing.
    server_header: kinds.ServerHeader = setting("workerhub", "The `Server` header of responses that have none.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig(Table):
    """TLS, without a proxy in front. With a certificate, every address of `bind` speaks it, and nothing else."""

    certificate: kinds.Path = setting(
        None,
        "The server's certificate and the chain below its root, PEM. Read at start and at each reload.",
        elsewhere=("certfile", "ssl_certfile", "ssl-certificate"),
    )
    key: kinds.Path = setting(
        None,
        "The private key, PEM, not encrypted. Left out: it is in the certificate's file.",
        elsewhere=("keyfile", "ssl_keyfile", "ssl-keyfile"),
    )
    hosts: kinds.HostCertificates = setting(
        {},
        "Other certificates for other hosts, by the name that a client asks for (SNI); `*.shop.example` is one label more.",
    )
    # Nobody but the operator knows whose.
    client_ca: kinds.Path = setting(
        None,
        "Clients must show a certificate that one of these signed, PEM.",
        elsewhere=("ca_certs", "ssl_ca_certs", "ssl-ca"),
    )
    # RFC 8996 deprecates everything below.
    minimum_version: Literal["1.2", "1.3"] = setting("1.2", "The lowest version of TLS to speak.")
    # Those with forward secrecy and authenticated encryption.
    ciphers: kinds.Text = setting(
        None, "Cipher suites for TLS 1.2, as OpenSSL writes them. Left out: `ECDHE+AESGCM:ECDHE+CHACHA20`."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig(Table):
    """The error log and the access log."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "info",
        "The least important message that is still written to the error log.",
        elsewhere=("loglevel", "log_level"),
    )
    format: Literal["text", "json"] = setting(
        "text", "The error log's format: lines for people, or one JSON object each."
    )
    # Containers and systemd collect standard error.
    file: kinds.Path = setting(
        "-",
        "The error log: a file, or `-` for standard error.",
        elsewhere=("errorlog", "error_logfile", "error-logfile"),
    )
    # As everybody; turn it off where the proxy in front writes one.
    access: kinds.PathOrOff = setting(
        "-", "The access log: a file, `-` for standard output, or `off`.", elsewhere=("accesslog", "access_logfile")
    )
    # Every log analyser reads it.
    access_format: kinds.AccessFormat = setting(
        "combined",
        'A line of the access log: `combined`, `common`, `json`, or a pattern such as `%(h)s "%(r)s" %(s)s %(D)s`.',
        elsewhere=("access_log_format", "access_logformat"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig(Table):
    """How `workerhub status`, `reload`, `scale`, `stop` and `stacks` reach the server."""

    # A private directory needs no thought, and a verb finds it without reading the file.
    socket: kinds.PathOrOffOrAuto = setting(
        "auto",
        "The control socket: a path, or `off`. `auto` is in a private directory of the user, named after the configuration file.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksConfig(Table):
    """Functions to call when something happens, by dotted name. Each runs outside the master."""

    server_ready: kinds.Hook = setting(
        None, "Every worker of the first generation is ready.", elsewhere=("when_ready",)
    )
    worker_forked: kinds.Hook = setting(
        None, "In a new worker, before the application is imported; with `preload`, after.", elsewhere=("post_fork",)
    )
    worker_ready: kinds.Hook = setting(
        None, "In a new worker, after the application is imported.", elsewhere=("post_worker_init",)
    )
    worker_exited: kinds.Hook = setting(None, "A worker is gone.", elsewhere=("child_exit", "worker_exit"))
    reloaded: kinds.Hook = setting(None, "A reload is over.", elsewhere=("on_reload",))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(Table):
    """A whole configuration."""

    app: kinds.Application = setting(
        ...,
        "The WSGI application: `module:callable`, `module:factory()`, or `module`, which means `module:application`.",
        elsewhere=("wsgi_app", "application", "module"),
    )
    # This machine only, until somebody says otherwise.
    bind: kinds.Addresses = setting(
        "127.0.0.1:8000",
        "Where to listen, one or a list: `host:port`, `:port` (all interfaces), `[::1]:port`, `unix:/path`, `fd://3`, `systemd` (the sockets that a socket unit passes; `systemd:NAME`: those of that name).",
        flags=("-b", "--bind"),
        elsewhere=("listen", "http-socket"),
    )
    # Gunicorn's; the kernel cuts it to net.core.somaxconn.
    backlog: kinds.Count = setting(2048, "How many connections may wait to be accepted.")
    # What an application does while it is imported may not bear being forked; its owner has to know.
    preload: bool = setting(
        False,
        "Import the application once, in a template process that forks the workers: less memory, and workers in milliseconds.",
        elsewhere=("preload_app",),
    )
    chdir: kinds.Path = setting(None, "Change to this directory before the application is imported.")
    python_path: kinds.Paths = setting(
        [], "Directories to search for modules first.", elsewhere=("pythonpath", "python-path")
    )
    env: kinds.Environment = setting(
        {}, "Environment variables for the application.", elsewhere=("raw_env", "environment")
    )
    user: kinds.Account = setting(None, "Workers run as this user.", elsewhere=("uid",))
    group: kinds.Account = setting(None, "Workers run as this group. Left out: the user's own.", elsewhere=("gid",))
    umask: kinds.Umask = setting(None, "The file mode creation mask, octal.")
    pidfile: kinds.Path = setting(None, "Write the master's process id to this file.", elsewhere=("pid", "pid_file"))
    name: kinds.ProcessName = setting(
        "workerhub", "What `ps` shows before the colon: `NAME: master`.", elsewhere=("proc_name", "procname")
    )
    worker: WorkerConfig
    timeouts: TimeoutsConfig
    recycle: RecycleConfig
    restart: RestartConfig
    reload: ReloadConfig
    queue: QueueConfig
    http: HttpConfig
    tls: TlsConfig
    log: LogConfig
    control: ControlConfig
    hooks: HooksConfig
