"""The plug-in contract: what a worker class has to be, and all that it may know. Public, versioned.

A plug-in imports from here, from `workerhub.http` and from `workerhub.errors`; nothing else of workerhub is its concern.
`docs/reference/worker-contract.md` is the same in prose.
"""

from typing import TYPE_CHECKING

from workerhub.errors import ClientDisconnected, RequestTimeout
from workerhub.later import names_from
from workerhub.worker.context import (
    TEMPLATE_SLOT,
    AccessLog,
    Books,
    Log,
    RunRecord,
    ServeSettings,
    Stopping,
    WorkerContext,
    WSGIApplication,
)
from workerhub.worker.contract import CONTRACT_VERSION, Worker, WorkerType
from workerhub.worker.lazy import OptionValues, lazy_options
from workerhub.worker.slot import RequestSlot, Tally
from workerhub.worker.tls_settings import KeyPair, TlsSettings

if TYPE_CHECKING:
    from workerhub.worker.inspection import capacity_defects, defects
    from workerhub.worker.options import WorkerOptions
    from workerhub.worker.registry import (
        ENTRY_POINT_GROUP,
        Listing,
        UnknownWorkerError,
        WorkerClass,
        available,
        find,
    )

# These need pydantic, which no worker and no master should pay for.
__getattr__ = names_from(
    __name__,
    {
        "inspection": "capacity_defects defects",
        "options": "WorkerOptions",
        "registry": "ENTRY_POINT_GROUP Listing UnknownWorkerError WorkerClass available find",
    },
)

__all__ = [
    "CONTRACT_VERSION",
    "ENTRY_POINT_GROUP",
    "TEMPLATE_SLOT",
    "AccessLog",
    "Books",
    "ClientDisconnected",
    "KeyPair",
    "Listing",
    "Log",
    "OptionValues",
    "RequestSlot",
    "RequestTimeout",
    "RunRecord",
    "ServeSettings",
    "Stopping",
    "Tally",
    "TlsSettings",
    "UnknownWorkerError",
    "WSGIApplication",
    "Worker",
    "WorkerClass",
    "WorkerContext",
    "WorkerOptions",
    "WorkerType",
    "available",
    "capacity_defects",
    "defects",
    "find",
    "lazy_options",
]
