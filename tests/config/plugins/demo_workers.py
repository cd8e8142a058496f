"""A third party's worker classes, as far as the configuration is concerned: they have options, and serve nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from workerhub.worker import Worker, WorkerOptions, WSGIApplication


class SnailWorker(Worker[WorkerOptions]):
    """Takes its time."""

    default_keepalive = None

    @classmethod
    def capacity(cls, options: WorkerOptions) -> int:
        return 1

    def serve(self, app: WSGIApplication) -> None:
        raise NotImplementedError

    def interrupt(self, index: int) -> bool:
        return False


class CrowdOptions(WorkerOptions):
    size: int = Field(default=8, ge=1, le=64, description="How many at once.")
    patience: float = Field(default=1.5, gt=0, description="Seconds.")
    mode: Literal["eager", "lazy"] = Field(default="eager", description="How to go about it.")
    labels: list[str] = Field(default=[], description="What to call them.")
    color: str = Field(default="#fff", description="Their colour.")

    @field_validator("color")
    @classmethod
    def _starts_with_a_hash(cls, color: str) -> str:
        if not color.startswith("#"):
            raise ValueError("a color starts with #")
        return color


class CrowdWorker(Worker[CrowdOptions]):
    """Many at once."""

    Options = CrowdOptions

    @classmethod
    def capacity(cls, options: CrowdOptions) -> int:
        return options.size

    def serve(self, app: WSGIApplication) -> None:
        raise NotImplementedError

    def interrupt(self, index: int) -> bool:
        return False


class BrokenWorker:
    """Keeps nothing of the contract."""
