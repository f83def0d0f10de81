"""What the original implementations compute, as tools/make_originals.py wrote it down."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seeded import VARIANCE, photo, seeded

GOLDEN = Path(__file__).parent / "golden"
CLASSES = slice(None, None, 31)  # every 31st class is kept, to keep the files small


@dataclass(frozen=True)
class Original:
    """A network of a source: the entries of its file, and what it answers to :func:`images`."""

    source: str
    name: str
    entries: tuple[tuple[str, tuple[int, ...], str], ...]  # key, shape, dtype, as the file has them
    size: tuple[int, int]  # height and width of the images
    batch: int
    logits: npt.NDArray[np.float64] = field(repr=False)  # (batch, every 31st of 1,000 classes)
    float64: bool  # whether the original ran in float64, with the same float32 weights

    def __str__(self) -> str:
        return f"{self.source} {self.name}"


def images(original: Original) -> npt.NDArray[np.float64]:
    """Make the images that the original saw, ``(batch, 3, height, width)``, normalised.

    Each is turned another way, and its colours too: two photos differ in little but noise.
    """
    turned = [
        np.flip(np.roll(photo(f"{original} {i}", *original.size), i, axis=2), tuple(range(i)))
        for i in range(original.batch)
    ]
    return np.moveaxis((np.stack(turned) / 255.0 - 0.45) / 0.225, 3, 1)


def weights(original: Original) -> dict[str, npt.NDArray[np.generic]]:
    """Make the file's tensors, in the file's order; norms have seen 300,000 batches.

    Variances are raised over :func:`seeded.seeded`'s: in the deepest of these networks its numbers
    grow until no bias matters and every squeeze is 0 or 1.
    """
    return {
        key: np.full(shape, 300_000, dtype)
        if "num_batches" in key
        else _weight(key, shape).astype(dtype)
        for key, shape, dtype in original.entries
    }


def _weight(key: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    value = seeded(key, shape)
    if ".branch_main.3.bn.running_var" in key:  # ExLarge adds up 66 residual branches
        return value * 5.0
    return value * 1.6 if key.endswith(VARIANCE) else value


def to_text(entries: tuple[tuple[str, tuple[int, ...], str], ...]) -> npt.NDArray[np.uint8]:
    """Write entries as lines of ``key<TAB>shape<TAB>dtype``."""
    lines = (f"{key}\t{','.join(map(str, shape))}\t{dtype}" for key, shape, dtype in entries)
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def from_text(text: npt.NDArray[np.uint8]) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    rows = (line.split("\t") for line in text.tobytes().decode().split("\n"))
    return tuple(
        (key, tuple(int(n) for n in shape.split(",") if n), dtype) for key, shape, dtype in rows
    )


def read(path: Path) -> list[Original]:
    with np.load(path) as file:
        origin = json.loads(str(file["origin"]))
        found = []
        for member in file.files:
            kind, _, name = member.partition(" ")
            if kind == "entries":
                logits = file[f"logits {name}"]
                height, width = file[f"size {name}"].tolist()
                found.append(
                    Original(
                        source=path.stem.removeprefix("originals-"),
                        name=name,
                        entries=from_text(file[member]),
                        size=(height, width),
                        batch=len(logits),
                        logits=logits,
                        float64=bool(origin["float64"]),
                    )
                )
    return found


ORIGINALS = [original for path in sorted(GOLDEN.glob("originals-*.npz")) for original in read(path)]
