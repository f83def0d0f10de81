"""The folder of a run: what makes it this run, where it stands, and what it has reached."""

import dataclasses
import hashlib
import io
import json
import logging
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from shufflenet.data import ImageSet, Sample
from shufflenet.errors import RunError
from shufflenet.files import PARTIAL, write_atomic
from shufflenet.recipes import Recipe
from shufflenet.spec import Accuracy, Card

__all__ = [
    "Parts",
    "Progress",
    "append_row",
    "facts",
    "holds_results",
    "keep_state_before",
    "load_state",
    "open_run",
    "save_state",
]

_log = logging.getLogger(__name__)
_STATES = _LAST, _BEFORE = "last.pt", "last-but-one.pt"
_DATA = ("training data", "validation data")


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    loss: float = 0.0  # summed over the images of the epoch so far
    images: int = 0  # of the epoch so far; 0 when it is measured
    best: Accuracy | None = None  # none before the first epoch is done
    best_epoch: int = 0  # counted from 1


def facts(card: Card, recipe: Recipe, training: ImageSet, validation: ImageSet) -> dict[str, Any]:
    """Say what makes a run this run, as JSON would give it back."""
    # Software may change, as may the folder's name; the recipe stands on its own.
    origin = dataclasses.replace(card.origin, software="", recipe="")
    found = {
        "network": dataclasses.asdict(card.network),
        "recipe": {"name": recipe.name, **recipe.overridable},
        "training data": _fingerprint(training),
        "validation data": _fingerprint(validation),
        "card": json.loads(dataclasses.replace(card, name="", origin=origin).to_json()),
    }
    result: dict[str, Any] = json.loads(json.dumps(found))
    return result


def _fingerprint(images: ImageSet) -> dict[str, Any]:
    names = "\n".join(f"{sample.label} {sample.name}" for sample in images.samples)
    return {
        "source": Path(images.source).name,
        "images": len(images),
        "classes": len(images.classes),
        "bytes": sum(map(_bytes_of, images.samples)),
        "sha256_of_names": hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest(),
    }


def _bytes_of(sample: Sample) -> int:
    if sample.size >= 0:
        return sample.size
    try:
        return os.stat(sample.path).st_size
    except OSError:  # what cannot be read is told when it is trained on
        return 0


def open_run(out: Path, facts: dict[str, Any], *, resume: bool) -> None:
    """Start a run in a folder that holds none, or see that the one it holds is this one.

    A run that ended before it had anything to keep may be started over, with other arguments too.

    Raises:
        RunError: there is a run where there should be none, none, or another.
        WriteError: the folder cannot be written.
    """
    path = out / "run.json"
    if not resume:
        if path.exists() and holds_results(out):
            raise RunError(
                out,
                "already holds a run",
                "Go on with it by --resume, or choose another --out.",
            )
        write_atomic(path, (json.dumps(facts, indent=2) + "\n").encode())
        return
    for leftover in out.glob(f".*{PARTIAL}"):  # of a write that was killed
        leftover.unlink()
    if not path.exists():
        raise RunError(out, "holds no run", "Start one by leaving out --resume.")
    try:
        recorded = _as_today(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(out, f"has a damaged run.json ({error})", "Start another.") from error
    for part in _DATA:  # older versions did not record all of it
        recorded[part] = facts[part] | recorded.get(part, {})
    for part in sorted(facts, key=_DATA.__contains__, reverse=True):  # recipes follow from data
        if recorded.get(part) != facts[part]:
            differs = _difference(recorded.get(part), facts[part])
            remedy = "Resume with the arguments it was started with, which its run.json holds."
            if part in _DATA:
                remedy = "Bring the data back to what they were, or train anew with another --out."
            raise RunError(out, f"belongs to a run with another {part} ({differs})", remedy)


def _difference(then: Any, now: dict[str, Any]) -> str:  # noqa: ANN401  # whatever the file holds
    """Say what differs, by the fields of either; of values that a sentence can hold."""
    then = then if isinstance(then, dict) else {}
    fields = [field for field in now if then.get(field) != now[field]]
    said = [
        f"{field.replace('_', ' ')}: {then.get(field)} then, {now[field]} now"
        for field in fields
        if not isinstance(now[field], dict | list) and not field.startswith("sha256")
    ]
    return "; ".join(said[:3]) or f"{' and '.join(fields[:3]).replace('_', ' ')} differ"


def _as_today(recorded: dict[str, Any]) -> dict[str, Any]:
    """Say what an older version recorded as this one would.

    A field that recipes have got since has the default, which changes nothing; and the card does
    not tell the recipe a second time.
    """
    defaults = {f.name: f.default for f in dataclasses.fields(Recipe) if f.metadata}
    known = {k: v for k, v in defaults.items() if v is not dataclasses.MISSING}
    recipe = json.loads(json.dumps(known)) | recorded["recipe"]
    card = recorded["card"]
    return recorded | {
        "recipe": recipe,
        "card": card | {"origin": card["origin"] | {"recipe": ""}},
    }


def holds_results(out: Path) -> bool:
    """Whether a folder holds anything that a run has come to."""
    return any((out / name).exists() for name in (*_STATES, "metrics.jsonl"))


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Write an epoch's row after those of the epochs before it, whatever stood there since."""
    rows = path.read_text().splitlines() if path.exists() else []
    kept = [text for text in rows if json.loads(text)["step"] < row["step"]]
    write_atomic(path, "".join(f"{text}\n" for text in [*kept, json.dumps(row)]).encode())


# What a checkpoint holds the state of, by name.
Parts: TypeAlias = Mapping[str, nn.Module | torch.optim.Optimizer]


def save_state(out: Path, parts: Parts, progress: Progress) -> None:
    """Write all that resuming needs to ``last.pt``; what stood there is ``last-but-one.pt``.

    Raises:
        WriteError: the disk is full; the checkpoint before still stands.
    """
    buffer = io.BytesIO()
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save(state | {"progress": dataclasses.asdict(progress)}, buffer)
    write_atomic(out / _LAST, buffer.getvalue(), former=out / _BEFORE)


def load_state(out: Path, parts: Parts) -> Progress:
    """Put everything back to where the last checkpoint says; to the start, if there is none.

    Where the last one is damaged, the one before it is taken, with a warning.

    Raises:
        RunError: both are damaged.
    """
    damaged: dict[str, Exception] = {}
    for path in (out / _LAST, out / _BEFORE):
        if not path.exists():
            continue
        try:
            progress = _loaded(path, parts)
        except _DAMAGE as error:
            damaged[path.name] = error
            continue
        for name in damaged:
            _log.warning("%s in %s is damaged: %s is taken instead.", name, out, path.name)
        return progress
    for name, fault in damaged.items():
        raise RunError(
            out,
            f"has a damaged checkpoint, {name} ({str(fault).splitlines()[0]})",
            "Its best.safetensors can still be used: train anew with --weights and another --out.",
        ) from fault
    return Progress()  # killed before the first checkpoint: the start is where it stands


def keep_state_before(out: Path, step: int) -> int | None:
    """Let the checkpoint before be the last one, where that was taken at a step and is no good.

    Returns:
        The step at which the last one was taken; none, if none is good.
    """
    steps = {path: _step_of(path) for path in (out / _LAST, out / _BEFORE)}
    good = [path for path, taken in steps.items() if taken is not None and taken < step]
    if not good:
        return None
    if good[0] != out / _LAST:
        os.replace(good[0], out / _LAST)
    return steps[good[0]]


def _step_of(path: Path) -> int | None:
    try:
        return int(torch.load(path, map_location="cpu", weights_only=True)["progress"]["step"])
    except _DAMAGE:  # or not there
        return None


_DAMAGE = (
    RuntimeError,
    OSError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


def _loaded(path: Path, parts: Parts) -> Progress:
    state = torch.load(path, map_location="cpu", weights_only=True)
    if "net" in state:
        raise RunError(
            path.parent,
            "was begun by an older version, which kept weights in another order",
            "Train anew with another --out, from its best.safetensors by --weights.",
        )
    best = state["progress"].pop("best")
    progress = Progress(**state["progress"], best=Accuracy(**best) if best else None)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return progress
