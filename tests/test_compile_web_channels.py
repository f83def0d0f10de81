"""Pages of networks of other images than RGB squares, in Node: they answer as ``predict`` does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("llvmlite")
pytest.importorskip("ziglang")

import shufflenet
from conftest import card_for, with_seeded_weights
from exported import THIN
from node import base64_of, in_node
from shufflenet.compile import compile_network
from shufflenet.export import export_onnx
from shufflenet.networks import build
from shufflenet.spec import Preprocess

RGB = Preprocess(resize_px=36, crop_px=(32, 48))
GRAY = replace(RGB, channels="gray", mean=(0.45,), std=(0.2,))
KINDS = {
    "gray": replace(GRAY, resize_px=32, fit="pad"),
    "rectangle": RGB,
}


@pytest.mark.parametrize("how", KINDS.values(), ids=KINDS)
def test_pixels_are_classified_as_by_predict(how: Preprocess, tmp_path: Path) -> None:
    spec = replace(THIN, in_channels=how.in_channels)
    card = replace(card_for(spec), preprocess=how)
    export_onnx(with_seeded_weights(build(spec)).eval(), card, tmp_path / "net.onnx")
    compile_network(tmp_path / "net.onnx", tmp_path / "page", "web")
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (57, 71, n), np.uint8) for n in (3, 4)]
    given = [Image.fromarray(each) for each in arrays]
    if how.in_channels == 1:
        arrays.append(rng.integers(0, 256, (30, 90), np.uint8))
        given.append(Image.fromarray(arrays[-1]))
    answers = in_node(
        tmp_path / "page",
        """
        const model = await load();
        const classify = ({ data, ...size }) => model.classify({ data: bytes(data), ...size });
        const wrong = { data: new Uint8Array(2 * 9), width: 3, height: 3 };
        return [await told(model.classify(wrong)), await Promise.all(given.map(classify))];
        """,
        [
            {"data": base64_of(each.tobytes()), "width": each.shape[1], "height": each.shape[0]}
            for each in arrays
        ],
    )
    bytes_taken = "1, 3 or 4 bytes each, gray, RGB" if how.in_channels == 1 else "3 or 4 bytes each"
    assert f"The image's data must be 3 x 3 pixels of {bytes_taken}" in answers[0]
    model = shufflenet.open_model(tmp_path / "net.onnx", runtime="onnxruntime")
    for found, right in zip(answers[1], model.classify(given, k=spec.classes), strict=True):
        assert found[0]["index"] == right[0].index
        probabilities = {each.index: each.probability for each in right}
        assert all(abs(each["probability"] - probabilities[each["index"]]) < 1e-5 for each in found)
