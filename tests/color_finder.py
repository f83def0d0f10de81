"""A detector without weights, whose answers can be told beforehand: it finds colored squares.

Its file is as an exported detector's is. A cell's box is its own square, and its scores are how
red, green and blue that is, times 0.9 for cells of 32 px, 0.6 for those of 16 px and 0.3 for 8 px.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from shufflenet.spec import (
    CARD_KEY,
    STRIDES,
    Card,
    DetectorSpec,
    Fit,
    Label,
    Origin,
    Preprocess,
    Stage,
    V2Spec,
)

__all__ = ["COLORS", "color_card", "write_color_finder", "write_marked_squares"]

COLORS = ("red", "green", "blue")
_SHARES = {32: 0.9, 16: 0.6, 8: 0.3}


def color_card(size: int | tuple[int, int] = 64, fit: Fit = "pad", *, exif: bool = True) -> Card:
    """Make the card of a finder whose input has that size."""
    stages = tuple(Stage(channels=channels, repeats=2) for channels in (10, 12, 14))
    shorter = size if isinstance(size, int) else min(size)
    return Card(
        name="colors",
        network=V2Spec(name="none", stages=stages, head_channels=8, stem_channels=8, classes=3),
        preprocess=Preprocess(
            resize_px=shorter,
            crop_px=size,
            fit=fit,
            exif=exif,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        ),
        labels=tuple(Label(color, color) for color in COLORS),
        origin=Origin(data="none", licence="MIT"),
        task="detection",
        detector=DetectorSpec(),
    )


def write_color_finder(path: Path, card: Card | None = None) -> Path:
    """Write the finder of a card as an ONNX file."""
    card = card or color_card()
    height, width = card.preprocess.size_px
    nodes, constants, flat = [], [numpy_helper.from_array(np.array([0, 3, -1]), "flat")], []
    for stride in STRIDES:
        name = f"cells_{stride}"
        share = numpy_helper.from_array(np.array(_SHARES[stride], np.float32), f"share_{stride}")
        constants.append(share)
        nodes += [
            helper.make_node(
                "AveragePool",
                ["images"],
                [f"mean_{stride}"],
                kernel_shape=[stride, stride],
                strides=[stride, stride],
            ),
            helper.make_node("Mul", [f"mean_{stride}", share.name], [f"scaled_{stride}"]),
            helper.make_node("Reshape", [f"scaled_{stride}", "flat"], [name]),
        ]
        flat.append(name)
    constants += [
        numpy_helper.from_array(_squares(height, width), "squares"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
    ]
    nodes += [
        helper.make_node("Concat", flat, ["scores"], axis=2),
        helper.make_node("ReduceMean", ["scores"], ["mean"], axes=[1, 2], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),  # of each image of the batch
        helper.make_node("Add", ["nothing", "squares"], ["all_squares"]),
        helper.make_node("Concat", ["all_squares", "scores"], ["columns"], axis=1),
        helper.make_node("Transpose", ["columns"], ["boxes"], perm=[0, 2, 1]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, height, width])
    rows = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", *card.row_shape])
    graph = helper.make_graph(nodes, "colors", [images], [rows], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {CARD_KEY: card.to_json()})
    onnx.save(model, path)
    return path


def _squares(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return left, top, right and bottom of every cell, ``(1, 4, cells)``."""
    corners = [
        (x, y, x + stride, y + stride)
        for stride in STRIDES
        for y in range(0, height, stride)
        for x in range(0, width, stride)
    ]
    return np.array(corners, np.float32).T[None]


def write_marked_squares(folder: Path) -> Path:
    """Write photos with boxes: a red and a green square, of which the green is called red; none;
    noise of which the pixels cannot be read.
    """
    (folder / "images").mkdir(parents=True)
    image = Image.new("RGB", (128, 128))
    image.paste("red", (64, 0, 96, 32))
    image.paste("lime", (0, 64, 32, 96))
    image.save(folder / "images" / "a.png")
    Image.new("RGB", (128, 128)).save(folder / "images" / "b.png")
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    Image.fromarray(noise).save(folder / "images" / "c.jpg")
    content = (folder / "images" / "c.jpg").read_bytes()
    (folder / "images" / "c.jpg").write_bytes(content[:2000])  # its size is read, not its pixels
    first, second = (64, 0, 32, 32), (0, 64, 32, 32)
    names = ["green", "red", "violet"]  # in another order, and one that the model does not know
    marks = [(1, 2, first), (1, 2, second), (3, 1, (0, 0, 9, 9)), (2, 3, (5, 5, 20, 20))]
    files = ("a.png", "b.png", "c.jpg")
    annotations = {
        "images": [{"id": i + 1, "file_name": name} for i, name in enumerate(files)],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": image_id, "category_id": category, "bbox": list(box)}
            for i, (image_id, category, box) in enumerate(marks)
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(annotations))
    return folder
