"""The record of a run: what identifies it, and what every epoch reached."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from shufflenet.data import ImageSet, Sample
from shufflenet.errors import NoRun, RunDiffers, RunExists, RunFileDamaged
from shufflenet.files import PARTIAL, write_atomic
from shufflenet.recipes import Recipe
from shufflenet.train._setup import Setup
from shufflenet.train._state import holds_results

__all__ = ["append_row", "open_run", "run_facts"]

_DATA = ("training data", "validation data")


def run_facts(setup: Setup) -> dict[str, Any]:
    """Return what identifies a run, as values that JSON can hold: what ``run.json`` records."""
    card, recipe = setup.card, setup.recipe
    # Software may change, as may the folder's name; the recipe is recorded by itself.
    origin = dataclasses.replace(card.origin, software="", recipe="")
    facts = {
        "network": dataclasses.asdict(card.network),
        "recipe": {"name": recipe.name, **recipe.overridable},
        "training data": _fingerprint(setup.training),
        "validation data": _fingerprint(setup.validation),
        "card": json.loads(dataclasses.replace(card, name="", origin=origin).to_json()),
    }
    result: dict[str, Any] = json.loads(json.dumps(facts))
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
    except OSError:  # a file that cannot be read is reported when it is trained on
        return 0


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
    path = out / "run.json"
    if not resume:
        if path.exists() and holds_results(out):
            raise RunExists(out)
        write_atomic(path, (json.dumps(facts, indent=2) + "\n").encode())
        return
    for leftover in out.glob(f".*{PARTIAL}"):  # of a write that was killed
        leftover.unlink()
    if not path.exists():
        raise NoRun(out)
    try:
        recorded = _upgrade(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise RunFileDamaged(out, error) from error
    _check_same(out, recorded, facts)


def _check_same(out: Path, recorded: dict[str, Any], facts: dict[str, Any]) -> None:
    """Check that a run was started with the arguments given now.

    Raises:
        RunDiffers: it was not.
    """
    for part in _DATA:  # older versions did not record all of it
        recorded[part] = facts[part] | recorded.get(part, {})
    for part in sorted(facts, key=_DATA.__contains__, reverse=True):  # recipes depend on data
        if recorded.get(part) != facts[part]:
            difference = _difference(recorded.get(part), facts[part])
            raise RunDiffers(out, part, difference, data=part in _DATA)


def _difference(then: Any, now: dict[str, Any]) -> str:  # noqa: ANN401  # whatever the file holds
    """Return which fields differ, with both values where they are short."""
    then = then if isinstance(then, dict) else {}
    fields = [field for field in now if then.get(field) != now[field]]
    values = [
        f"{field.replace('_', ' ')}: {then.get(field)} then, {now[field]} now"
        for field in fields
        if not isinstance(now[field], dict | list) and not field.startswith("sha256")
    ]
    return "; ".join(values[:3]) or f"{' and '.join(fields[:3]).replace('_', ' ')} differ"


def _upgrade(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return what an older version recorded as this version would record it.

    Fields that recipes have got since have their defaults, which change nothing; and the card does
    not repeat the recipe.
    """
    defaults = {f.name: f.default for f in dataclasses.fields(Recipe) if f.metadata}
    known = {k: v for k, v in defaults.items() if v is not dataclasses.MISSING}
    recipe = json.loads(json.dumps(known)) | recorded["recipe"]
    card = recorded["card"]
    return recorded | {
        "recipe": recipe,
        "card": card | {"origin": card["origin"] | {"recipe": ""}},
    }


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Write an epoch's row after those of earlier epochs; rows of later steps are replaced."""
    rows = path.read_text().splitlines() if path.exists() else []
    earlier = [text for text in rows if json.loads(text)["step"] < row["step"]]
    write_atomic(path, "".join(f"{text}\n" for text in [*earlier, json.dumps(row)]).encode())
