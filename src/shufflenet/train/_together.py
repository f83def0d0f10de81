"""What the processes of a run share: its facts, the state it resumes from, and their fate.

They may be on several machines, whose folders and data are their own: only the first process reads
and writes the folder of the run, and gives the others what they need of it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed as dist
from lightning_fabric import Fabric

from shufflenet.errors import ProcessesDiffer, ProcessLost
from shufflenet.train._run import difference_of_facts
from shufflenet.train._state import Parts, Progress, load_state, restore_state, state_bytes

__all__ = ["check_same_run", "load_state_of_first", "name_lost_process"]


def check_same_run(fabric: Fabric, out: Path, facts: Mapping[str, Any]) -> None:
    """Check that all processes were started to train the same run.

    Args:
        fabric: The processes.
        out: The folder of the run.
        facts: What this process trains; see ``run_facts``.

    Raises:
        ProcessesDiffer: one of them trains another; every process raises it.
    """
    if fabric.world_size == 1:
        return
    everyone: list[Any] = [None] * fabric.world_size
    dist.all_gather_object(everyone, facts)
    for rank, others in enumerate(everyone):
        where = "in process 0", f"in process {rank}"
        difference = difference_of_facts(everyone[0], others, where)
        if difference is not None:
            raise ProcessesDiffer(out, difference)


def load_state_of_first(fabric: Fabric, out: Path, parts: Parts) -> Progress:
    """Load the last checkpoint in the first process's folder into ``parts`` in every process.

    Returns:
        The progress of the checkpoint; see ``load_state``.

    Raises:
        RunCheckpointDamaged: all checkpoints are damaged.
        RunByOlderVersion: they store weights in an order of before.
    """
    first = fabric.is_global_zero
    progress = load_state(out, parts) if first else Progress()
    if fabric.world_size == 1:
        return progress
    content = fabric.broadcast(state_bytes(parts, progress) if first else b"")
    return progress if first else restore_state(content, parts)


@contextmanager
def name_lost_process(fabric: Fabric, out: Path) -> Iterator[None]:
    """Turn the error of a connection to another process, while the context lasts, into ours.

    Raises:
        ProcessLost: another process has ended, or does not answer any more.
        RuntimeError: it was raised for another reason.
    """
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not _is_of_connection(error):
            raise
        raise ProcessLost(out, error) from error


def _is_of_connection(error: RuntimeError) -> bool:
    """Return whether an error is one of the connections between processes.

    NCCL's have a class of their own; Gloo's have none, but name the file of Gloo's source.
    """
    return isinstance(error, dist.DistError) or "gloo" in str(error)
