"""The deletion test: what a heat map marks is what the answer rests on.

The pixels of photos are replaced by the mean color, a tenth of the photo at a time, and the
probability of the answer that the whole photo got is followed: its mean over the steps is the
*area*, and the smaller it is, the more the first pixels mattered. They are deleted in these orders:

- most: what the map marks most, first; least: the reverse;
- shuffled: what a map of the same cells in random order marks most, so that the holes are alike;
- squares: random squares of 8 px, whose many holes are scattered and change the photo all over;
- center: the middle first, for that is where things are;
- stretched: as most, but with the map stretched over the photo, rather than its cells put where the
  network centers them (``explain/_place.py``).

Source: Petsiuk et al. 2018, RISE, section 3.3 (arXiv:1806.07421), deletion.

    SHUFFLENET_DATA=... python benchmarks/explain_deletion.py --images 200

On 200 of Tiny-ImageNet-200's validation photos with the model that ships (explain_deletion.json):
most 0.091, center 0.111, shuffled 0.138, least 0.248. What is marked most is below what a shuffled
map marks for 76 % of the photos, and below least for 93 %. Squares, 0.095, are as harmful, for they
leave no part of a photo whole, and a stretched map, 0.091, is as good.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.data import load, open_images
from shufflenet.errors import ImageError
from shufflenet.explain import Explanations, open_explanations
from shufflenet.explain._place import cell_px  # private: a map as large as the input
from shufflenet.explain._spread import spread  # private: likewise
from shufflenet.preprocess import Pixels, mean_color
from shufflenet.runtimes import top_k
from shufflenet.zoo import SHIPPED

_SQUARE, _STEPS = 8, 10
_Order = npt.NDArray[np.float64]


def main() -> None:
    """Measure the areas and write them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    assert SHIPPED.onnx  # noqa: S101  # it ships
    model = open_explanations(SHIPPED.onnx)
    rng = np.random.default_rng(0)
    photos = open_images(Path(os.environ["SHUFFLENET_DATA"], "tiny-imagenet-200.val.tar.gz"))
    order = rng.permutation(len(photos.samples))
    curves: dict[str, list[npt.NDArray[np.float64]]] = {}
    for at in order:
        if len(curves.get("most", ())) == args.images:
            break
        sample = photos.samples[at]
        pixels = load(sample, model.card.preprocess)
        if isinstance(pixels, ImageError):
            continue
        answer = top_k(_logits(model, pixels[None])[0], model.card, 1)[0].index
        heat = model.explainer.maps(pixels[None], np.array([[answer]]))[0, 0]
        for name, scores in _orders(model, heat, pixels.shape[:2], rng).items():
            curves.setdefault(name, []).append(_curve(model, pixels, answer, scores))
    means = {name: np.mean(rows, axis=0) for name, rows in curves.items()}
    areas = {name: np.trapezoid(rows, axis=1) / _STEPS for name, rows in curves.items()}
    result = {
        "images": len(curves["most"]),
        "areas": {name: round(float(area.mean()), 4) for name, area in areas.items()},
        "curves": {name: np.round(mean, 4).tolist() for name, mean in means.items()},
        "most_below": {
            name: round(float(np.mean(areas["most"] < areas[name])), 3) for name in means
        },
    }
    args.to.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"areas": result["areas"], "most_below": result["most_below"]}))


def _orders(
    model: Explanations,
    heat: npt.NDArray[np.float32],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> dict[str, _Order]:
    """Return a number for each pixel, ``(h, w)``; those with the largest are deleted first."""
    height, width = size
    cell = cell_px(model.card)
    rows, columns = np.arange(height) / cell, np.arange(width) / cell
    marked = spread(heat, rows, columns).astype(np.float64)
    stretched = spread(
        heat,
        (np.arange(height) + 0.5) * heat.shape[0] / height - 0.5,
        (np.arange(width) + 0.5) * heat.shape[1] / width - 0.5,
    ).astype(np.float64)
    shuffled = spread(rng.permutation(heat.reshape(-1)).reshape(heat.shape), rows, columns)
    squares = rng.random((-(-height // _SQUARE), -(-width // _SQUARE)))
    random = squares.repeat(_SQUARE, axis=0).repeat(_SQUARE, axis=1)[:height, :width]
    center = -np.hypot(np.arange(height)[:, None] - height / 2, np.arange(width) - width / 2)
    return {
        "most": marked, "least": -marked, "shuffled": shuffled.astype(np.float64),
        "squares": random, "center": center, "stretched": stretched,
    }  # fmt: skip


def _curve(
    model: Explanations, pixels: Pixels, answer: int, scores: _Order
) -> npt.NDArray[np.float64]:
    """Return the probability of an answer with 0, 1, ... tenths of the pixels deleted."""
    order = np.argsort(-scores.reshape(-1), kind="stable")
    batch = np.stack([pixels] * (_STEPS + 1))
    flat = batch.reshape(_STEPS + 1, -1, pixels.shape[2])
    for step in range(_STEPS + 1):
        flat[step, order[: step * len(order) // _STEPS]] = mean_color(model.card.preprocess)
    logits = _logits(model, batch).astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers[:, answer] / powers.sum(axis=1), np.float64)


def _logits(model: Explanations, batch: Pixels) -> npt.NDArray[np.float32]:
    return model.answering.rows(batch)[:, : model.card.network.classes]


if __name__ == "__main__":
    main()
