"""What is to be scored and how, and what of it must stay the same until all is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from shufflenet.data.parts import Limits
from shufflenet.errors import SpecError
from shufflenet.files.stores import Store
from shufflenet.runtimes import Opening
from shufflenet.score._answers import Columns

__all__ = ["Job", "Task"]

_MOST_WORKERS = 100_000


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be scored.

    Attributes:
        source: Images: a folder, archives, parquet files, a table; a path or an address.
        out: The folder for the answers; a path or an address.
        model: A model's name, the folder of a training run, or a file.
        columns: What the answer of an image is.
        top: How many classes a prediction names.
        runtime: ``auto``, or a name of ``spec.RUNTIMES``.
        cluster: The address of a Ray cluster; None computes on this machine.
        workers: How many compute at once, each with one thread; one a core if it is None.
        batch: How many images a worker computes at once.
        limits: How large parts are.
    """

    source: str
    out: str
    model: str | Path = "default"
    columns: Columns = "predictions"
    top: int = 5
    runtime: str = "auto"
    cluster: str | None = None
    workers: int | None = None
    batch: int = 8
    limits: Limits = field(default=Limits())

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            SpecError: one is impossible.
        """
        if self.columns not in get_args(Columns):
            expected = ", ".join(map(repr, get_args(Columns)))
            raise SpecError("columns", self.columns, f"one of {expected}")
        for name in ("top", "batch"):
            if getattr(self, name) < 1:
                raise SpecError(name, getattr(self, name), "at least 1")
        if self.workers is not None and not 1 <= self.workers <= _MOST_WORKERS:
            raise SpecError("workers", self.workers, f"from 1 to {_MOST_WORKERS}")

    def record(self, source: str, model: Mapping[str, str]) -> dict[str, object]:
        """Return what a run that continues the job must have in common with it.

        Args:
            source: The source's address, a path made absolute.
            model: Its name, hash and runtime.
        """
        return {
            "source": source,
            "model": model["name"],
            "sha256": model["sha256"],
            "runtime": model["runtime"],
            "columns": self.columns,
            "top": self.top if self.columns == "predictions" else None,
            "batch": self.batch,
            "part_images": self.limits.images,
            "part_bytes": self.limits.bytes,
            "shufflenet": model["shufflenet"],
        }


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker needs to know.

    Attributes:
        source: The source's address, for errors.
        store: Where the source is.
        out: Where the answers go.
        answers: Their folder there.
        opening: The model's file and how it is opened.
        sha256: The hash of its files.
        columns: What the answer of an image is.
        top: How many classes a prediction names.
        batch: How many images are computed at once.
    """

    source: str
    store: Store
    out: Store
    answers: str
    opening: Opening
    sha256: str
    columns: Columns
    top: int
    batch: int
