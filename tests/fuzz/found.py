"""Detectors: a damaged file of one finds boxes in a picture, or is refused."""

import math
from pathlib import Path

import shufflenet
from detectors import detector_card, seeded_detector
from fuzz.mutate import Rng, damaged_onnx, damaged_safetensors, resealed
from seeded import photo
from shufflenet.export import export_file
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.networks import state_arrays
from shufflenet.runtimes import Model
from shufflenet.spec import Detection

__all__ = ["BoxesNotRight", "damage_detector", "find_in_picture", "write_detectors"]

_HEIGHT, _WIDTH = 40, 52
_PICTURE = photo("fuzz", _HEIGHT, _WIDTH)


class BoxesNotRight(Exception):
    """A detector found what cannot be."""


def write_detectors(folder: Path) -> None:
    """Write a detector as a checkpoint and as an ONNX file."""
    net = seeded_detector()
    card = detector_card(net)
    export_file(net, card, folder / "cats.onnx")
    write_checkpoint(folder / "cats.safetensors", Checkpoint(card, state_arrays(net)))


def damage_detector(rng: Rng, source: Path) -> bytes:
    """Damage a file, and hash its graph as a stranger would who knows how, or not."""
    if source.suffix == ".safetensors":
        return damaged_safetensors(rng, source.read_bytes())
    changed = damaged_onnx(rng, source.read_bytes())
    return resealed(changed) if rng.random() < 0.8 else changed


def find_in_picture(path: Path, rng: Rng) -> None:
    """Find boxes in a picture, of all scores.

    Raises:
        BoxesNotRight: a box is none in the picture, or has no class or score.
    """
    runtime = "onnxruntime" if path.suffix == ".onnx" else "torch"
    model = shufflenet.open_model(path, runtime=runtime, threads=1)
    [found] = model.detect(_PICTURE, min_score=0.0)
    for each in found:
        _check(each, model)


def _check(found: Detection, model: Model) -> None:
    left, top, width, height = found.box
    inside = (
        0 <= left <= left + width <= _WIDTH + 1e-3 and 0 <= top <= top + height <= _HEIGHT + 1e-3
    )
    named = 0 <= found.index < len(model.card.labels)
    if not (all(map(math.isfinite, found.box)) and inside and named and 0 <= found.score <= 1):
        raise BoxesNotRight(f"{found}")
