"""What a worker class can be configured with: the base of every class's options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class WorkerOptions(BaseModel):
    """The keys that a worker class adds to the `[worker]` table; this base adds none.

    A class with options of its own derives from this, declares each as a pydantic field with type, bounds, default and
    description, and names the model in `Worker.Options`. The model is validated together with the rest of the
    configuration, in the master, before anything is forked; it appears in `workerhub schema`, `show` and `workers` as
    the built-in ones do. It is frozen and forbids unknown keys, and may not loosen either.

    The names `class` and `processes` are taken: they are the table's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
