r"""Draw the picture of heat maps in the docs: photos, and where classes were found in them.

    pip install --no-deps --target build/photos scikit-image==0.26.0
    python tools/make_explain_picture.py build/photos/skimage/data \
        --model shufflenet_v2_x1_0.onnx_zoo_12_int8 --to docs/explain.jpg

``docs/explain.jpg`` was made so. The photos are the cat and the coffee of scikit-image, CC0:
https://scikit-image.org/docs/stable/api/skimage.data.html. Without them images of numbers stand in.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shufflenet.explain import Explanations, open_explanations, overlay
from shufflenet.hub import CHECKPOINT, ONNX, resolve

PHOTOS = ("chelsea.png", "coffee.png")
TILE_PX, GAP_PX, LINE_PX = (300, 225), 8, 26
LARGEST_BYTES = 100_000


def main() -> None:
    """Draw a row for each photo."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path, help="the folder of the photos")
    parser.add_argument("--model", required=True)
    parser.add_argument("--to", type=Path, required=True)
    args = parser.parse_args()
    model = open_explanations(resolve(args.model, (ONNX, CHECKPOINT)))
    rows = [row(model, content(args.photos / name)) for name in PHOTOS]
    width, height = rows[0].width, sum(each.height for each in rows)
    picture = Image.new("RGB", (width, height), "white")
    for number, each in enumerate(rows):
        picture.paste(each, (0, number * each.height))
    picture.save(args.to, quality=82, optimize=True)
    size = args.to.stat().st_size
    print(f"{args.to}: {picture.width} x {picture.height}, {size} bytes")
    if size > LARGEST_BYTES:
        raise SystemExit(f"It is larger than {LARGEST_BYTES} bytes.")


def content(path: Path) -> bytes:
    """Return the bytes of a photo; those of waves of color if it is not there."""
    if path.exists():
        return path.read_bytes()
    y, x = np.mgrid[0:300, 0:400]
    waves = np.stack([np.sin(x / 20), np.cos(y / 15), np.sin((x + y) / 30)], axis=2)
    file = io.BytesIO()
    Image.fromarray(((waves + 1) * 127).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def row(model: Explanations, source: bytes) -> Image.Image:
    """Draw a photo beside the maps of its two most probable classes, with their names below."""
    explained = model.explain(source, top=2)
    tiles = [(Image.open(io.BytesIO(source)).convert("RGB"), "the photo")]
    for each in explained.explanations:
        name = f"{each.prediction.label}, {each.prediction.probability:.0%}"
        tiles.append((overlay(explained.photo, each.heat, model.card), name))
    width, height = TILE_PX
    drawn = Image.new("RGB", (3 * width + 2 * GAP_PX, height + LINE_PX), "white")
    font = ImageFont.load_default(15)
    for number, (tile, name) in enumerate(tiles):
        tile.thumbnail(TILE_PX, Image.Resampling.LANCZOS)
        left = number * (width + GAP_PX)
        drawn.paste(tile, (left, height - tile.height))
        ImageDraw.Draw(drawn).text((left, height + 2), name, "black", font)
    return drawn


if __name__ == "__main__":
    main()
