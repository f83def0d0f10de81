"""docs/formats.md: its table is that of the formats, and its programs run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import shufflenet
from shufflenet.export import export_onnx_file
from shufflenet.spec import FORMATS
from shufflenet.zoo import SHIPPED

TEXT = (Path(__file__).parent.parent / "docs" / "formats.md").read_text()


def test_the_table_has_a_row_for_every_format() -> None:
    lines = TEXT.splitlines()
    start = lines.index("| format | suffix | extra | precisions | options | the card is |") + 2
    rows = [line.split("|")[1:-1] for line in lines[start : start + len(FORMATS)]]
    cells = [[cell.strip().replace("`", "") for cell in row] for row in rows]
    expected = [
        [
            form.title, form.suffix, form.extra, ", ".join(form.tolerances),
            ", ".join(f"--{each.replace('_', '-')}" for each in form.options), form.card,
        ]
        for form in FORMATS.values()
    ]  # fmt: skip
    assert cells == expected


def test_the_program_for_litert_computes_what_the_model_does(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    assert SHIPPED.onnx is not None
    export_onnx_file(SHIPPED.onnx, tmp_path / "model.tflite")
    program = TEXT.split("```py\n")[1].split("```")[0]
    show = "\nnp.save('logits.npy', logits)\n"
    subprocess.run([sys.executable, "-c", program + show], cwd=tmp_path, check=True)
    black = np.zeros((1, 80, 80, 3), np.uint8)
    expected = shufflenet.open_model(runtime="onnxruntime").logits_from_pixels(black)[0]
    assert np.abs(np.load(tmp_path / "logits.npy") - expected).max() < 1e-4
