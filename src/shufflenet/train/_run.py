"""The record of a run: what identifies it, and what every epoch reached."""

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shufflenet.data import ImageSet, Sample
from shufflenet.data.boxes import BoxSet
from shufflenet.errors import (
    NoRun,
    RunDiffers,
    RunExists,
    RunFileDamaged,
    RunInData,
    ShuffleNetError,
)
from shufflenet.files import PARTIAL, write_atomic
from shufflenet.outside import read_json, read_regular
from shufflenet.recipes import Recipe
from shufflenet.train._setup import Setup
from shufflenet.train._state import holds_results

__all__ = [
    "append_row",
    "changed_fields",
    "check_place",
    "difference_of_facts",
    "open_run",
    "record_changes",
    "recorded_fields",
    "run_facts",
]

_log = logging.getLogger(__name__)
_RECORD = "run.json"
_READING = "reading of images"
_USUAL = {"channels": "rgb", "bits": 8, "fit": "crop"}  # which cards leave out
_DATA = ("training data", "validation data")
_MAY_CHANGE = ("epochs", "patience")  # fields of the recipe that a run may be resumed with
_MOST_BYTES = 1 << 26


def run_facts(setup: Setup) -> dict[str, Any]:
    """Return what identifies a run, as values that JSON can hold: what ``run.json`` records."""
    card, recipe, boxes = setup.card, setup.recipe, setup.boxes
    # Software may change, as may the folder's name; the recipe is recorded by itself.
    origin = dataclasses.replace(card.origin, software="", recipe="")
    facts = {
        _READING: _reading(card.preprocess.to_fields()),
        "network": dataclasses.asdict(card.network),
        "recipe": {"name": recipe.name, **recipe.overridable},
        "training data": _fingerprint(setup.training, boxes.training if boxes else None),
        "validation data": _fingerprint(setup.validation, boxes.validation if boxes else None),
        "card": json.loads(dataclasses.replace(card, name="", origin=origin).to_json()),
    }
    result: dict[str, Any] = json.loads(json.dumps(facts))
    return result


def _reading(preprocess: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is read of images, of the fields of a preprocessing as a card has them."""
    return {name: preprocess.get(name, usual) for name, usual in _USUAL.items()}


def _fingerprint(images: ImageSet, boxes: BoxSet | None) -> dict[str, Any]:
    labels = ("|".join(map(str, right)) for right in images.right)
    names = "\n".join(
        f"{label} {sample.name}" for label, sample in zip(labels, images.samples, strict=True)
    )
    facts = {
        "source": Path(images.source).name,
        "images": len(images),
        "classes": len(images.classes),
        "bytes": sum(map(_bytes_of, images.samples)),
        "sha256_of_names": hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest(),
    }
    return facts if boxes is None else facts | _of_boxes(boxes)


def _of_boxes(boxes: BoxSet) -> dict[str, Any]:
    """Return what tells the boxes of images from others."""
    digest = hashlib.sha256()
    for place, labels, ignored in zip(boxes.boxes, boxes.labels, boxes.ignored, strict=True):
        for values, kind in ((place, "<f4"), (labels, "<i4"), (ignored, "u1")):
            digest.update(np.ascontiguousarray(values, kind).tobytes())
        digest.update(b"|")
    return {"boxes": sum(map(len, boxes.boxes)), "sha256_of_boxes": digest.hexdigest()}


def _bytes_of(sample: Sample) -> int:
    if sample.size >= 0:
        return sample.size
    try:
        return os.stat(sample.path).st_size
    except OSError:  # a file that cannot be read is reported when it is trained on
        return 0


def check_place(out: Path, setup: Setup) -> None:
    """Check that a run does not write into the folder of its images.

    Raises:
        RunInData: it would.
    """
    place = out.resolve()
    for source in (setup.training.source, setup.validation.source):
        data = Path(source).resolve()
        if data.is_dir() and place.is_relative_to(data):
            raise RunInData(out, source)


def open_run(out: Path, facts: dict[str, Any], *, resume: bool) -> None:
    """Start a run in a folder that holds none, or check that the one it holds is this one.

    A run that ended before its first checkpoint may be started over, with other arguments too.

    Args:
        out: The folder.
        facts: See ``run_facts``.
        resume: Whether the folder should hold this run already.

    Raises:
        RunExists: the folder holds a run and should not.
        NoRun: it holds none and should.
        RunFileDamaged: its record cannot be parsed.
        RunDiffers: it holds a run with other arguments or data.
        WriteError: the folder cannot be written.
    """
    path = out / _RECORD
    if not resume:
        if path.exists() and holds_results(out):
            raise RunExists(out)
        _write(out, facts)
        return
    for leftover in out.glob(f".*{PARTIAL}"):  # of a write that was killed
        leftover.unlink()
    if not path.exists():
        raise NoRun(out)
    _check_same(out, _read(out), facts)


def _write(out: Path, facts: Mapping[str, Any]) -> None:
    write_atomic(out / _RECORD, (json.dumps(facts, indent=2) + "\n").encode())


def _read(out: Path) -> dict[str, Any]:
    """Return the record of a run, as this version would write it.

    Raises:
        RunFileDamaged: it cannot be parsed, or is no record of a run.
    """
    try:
        recorded = read_json(
            read_regular(out / _RECORD, _MOST_BYTES), "the record", limit_bytes=_MOST_BYTES
        )
        parts = (_READING, "network", "recipe", "card", *_DATA)
        wrong = [part for part in parts if not isinstance(recorded.get(part, {}), dict)]
        upgraded = {} if wrong else _upgrade(recorded)
    except (OSError, KeyError, TypeError, AttributeError, ShuffleNetError) as error:
        raise RunFileDamaged(out, error) from error
    if wrong:
        raise RunFileDamaged(out, TypeError(f"its part {wrong[0]!r} is no object"))
    return upgraded


def recorded_fields(out: Path) -> dict[str, Any]:
    """Return the fields of a run's recipe that may change, as they are recorded.

    Returns:
        Nothing if there is no record or it is damaged, which ``open_run`` reports.
    """
    try:
        recipe = _read(out)["recipe"]
    except RunFileDamaged:
        return {}
    return {name: recipe[name] for name in _MAY_CHANGE if type(recipe.get(name)) is int}


def changed_fields(out: Path, facts: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return which fields of a run's recipe differ from those recorded: then and now, by name."""
    then, now = _read(out)["recipe"], facts["recipe"]
    return {n: (then.get(n), now[n]) for n in _MAY_CHANGE if then.get(n) != now[n]}


def record_changes(
    out: Path, facts: Mapping[str, Any], changes: Mapping[str, tuple[Any, Any]], step: int
) -> None:
    """Write the new recipe of a run that goes on with another, and what changed at which step.

    Raises:
        WriteError: the folder cannot be written.
    """
    before = _read(out).get("changes", [])
    change = {"step": step, **{name: list(pair) for name, pair in changes.items()}}
    _write(out, {**facts, "changes": [*(before if isinstance(before, list) else []), change]})
    _log.info(
        "Changed from here on, step %d: %s. What follows is not what one run of such a recipe "
        "would have done.",
        *(step, _in_words(changes)),
    )


def _in_words(changes: Mapping[str, tuple[Any, Any]]) -> str:
    return ", ".join(f"{name} {then} to {now}" for name, (then, now) in changes.items())


def _check_same(out: Path, recorded: dict[str, Any], facts: dict[str, Any]) -> None:
    """Check that a run was started with the arguments given now, but for what may change.

    Raises:
        RunDiffers: it was not.
    """
    for part in _DATA:  # older versions did not record all of it
        recorded[part] = facts[part] | recorded.get(part, {})
    free = {name: facts["recipe"][name] for name in _MAY_CHANGE}
    recorded["recipe"] = recorded["recipe"] | free
    for part in _by_cause(facts):
        if recorded.get(part) != facts[part]:
            difference = _difference(recorded.get(part), facts[part], part)
            raise RunDiffers(out, part, difference, data=part in _DATA)


def difference_of_facts(
    one: Mapping[str, Any], other: Mapping[str, Any], where: tuple[str, str]
) -> str | None:
    """Return what differs first between the facts of two runs; ``None`` if they are the same.

    Args:
        one: See ``run_facts``.
        other: The same.
        where: What is said after the values of one and of the other.
    """
    for part in _by_cause(one):
        if other[part] != one[part]:
            return f"{part}: {_difference(one[part], other[part], part, where)}"
    return None


def _by_cause(facts: Mapping[str, Any]) -> list[str]:
    """Return the parts of facts, those of data first: the others depend on them."""
    return sorted(facts, key=_DATA.__contains__, reverse=True)


def _difference(
    then: Any,  # noqa: ANN401  # whatever the file holds
    now: dict[str, Any],
    part: str,
    where: tuple[str, str] = ("then", "now"),
) -> str:
    """Return which fields differ, with both values where they are short, as options if they are."""
    then = then if isinstance(then, dict) else {}
    fields = [field for field in now if then.get(field) != now[field]]
    names = {field: field.replace("_", " ") for field in fields}
    if part in ("recipe", _READING):
        names = {field: f"--{field.replace('_', '-')}" for field in fields if field != "name"}
        names |= {"name": "--recipe"}
    values = [
        f"{names[field]}: {then.get(field)} {where[0]}, {now[field]} {where[1]}"
        for field in fields
        if not isinstance(now[field], dict | list) and not field.startswith("sha256")
    ]
    return "; ".join(values[:3]) or f"{' and '.join(fields[:3]).replace('_', ' ')} differ"


def _upgrade(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return what an older version recorded as this version would record it.

    Fields that recipes have got since have their defaults, which change nothing; what is read of
    images stood in the card alone; and the card does not repeat the recipe.
    """
    defaults = {f.name: f.default for f in dataclasses.fields(Recipe) if f.metadata}
    known = {k: v for k, v in defaults.items() if v is not dataclasses.MISSING}
    recipe = json.loads(json.dumps(known)) | recorded["recipe"]
    card = recorded["card"]
    return recorded | {
        _READING: recorded.get(_READING, _reading(card["preprocess"])),
        "recipe": recipe,
        "card": card | {"origin": card["origin"] | {"recipe": ""}},
    }


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Write an epoch's row after those of earlier epochs; rows of later steps are replaced.

    Rows that cannot be parsed are left out, with a warning.
    """
    rows = path.read_bytes().splitlines() if path.exists() else []
    earlier, damaged = list[bytes](), 0
    for text in rows:
        step = _step_of(text)
        damaged += step is None
        if step is not None and step < row["step"]:
            earlier.append(text)
    if damaged:
        _log.warning("%d damaged lines of %s are left out.", damaged, path)
    write_atomic(path, b"".join(text + b"\n" for text in [*earlier, json.dumps(row).encode()]))


def _step_of(row: bytes) -> int | None:
    try:
        step = read_json(row)["step"]
    except (ShuffleNetError, KeyError, TypeError):
        return None
    return step if type(step) is int else None
