"""How near the embeddings of an int8 file are to those of the float file.

    SHUFFLENET_DATA=... python benchmarks/int8_embeddings.py default.onnx int8.onnx

Prints the cosine of each photo's two embeddings, mean and least, and for how many photos the
nearest other photo is the same by both. On 1,000 of Tiny-ImageNet-200's validation photos, the
model that ships quantized with these photos: 0.9995, 0.9936 and 95.2 %; of the same file without
its scale a channel (``shufflenet.embedding_scale``): 0.9949, 0.9793 and 90.0 %.
"""

import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.data import load, open_images
from shufflenet.errors import ImageError
from shufflenet.preprocess import Pixels
from shufflenet.runtimes import Embedder, open_embedder
from shufflenet.similar import nearest

_PHOTOS, _BATCH = 1000, 50


def main() -> None:
    """Print the figures of two files."""
    models = [open_embedder(path, threads=1) for path in sys.argv[1:3]]
    images = open_images(Path(os.environ["SHUFFLENET_DATA"], "tiny-imagenet-200.val.tar.gz"))
    order = np.random.default_rng(0).permutation(len(images.samples))[:_PHOTOS]
    loaded = [load(images.samples[at], models[0].card.preprocess) for at in order]
    pixels = np.stack([each for each in loaded if not isinstance(each, ImageError)])
    one, other = (_embed(model, pixels) for model in models)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines = (one * other).sum(axis=1) / lengths
    same = nearest(one, one, 2).indices[:, 1] == nearest(other, other, 2).indices[:, 1]
    print(f"{len(pixels)} photos: cosine {cosines.mean():.4f}, least {cosines.min():.4f}")
    print(f"the same nearest other photo: {same.mean():.1%}")


def _embed(model: Embedder, pixels: Pixels) -> npt.NDArray[np.float32]:
    starts = range(0, len(pixels), _BATCH)
    return np.concatenate(
        [model.embed_from_pixels(pixels[start : start + _BATCH]) for start in starts]
    )


if __name__ == "__main__":
    main()
