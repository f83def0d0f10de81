"""The examples of clients: they print what ``predict`` does of the same photos."""

import subprocess
import sys
from pathlib import Path

import pytest

from serving import listening, picture
from shufflenet import open_model
from shufflenet.serve import Served, make_app

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("name", ["classify_by_http.py", "classify_by_triton.py"])
def test_an_example_prints_the_best_classes_of_each_photo(name: str, tmp_path: Path) -> None:
    model = open_model(runtime="onnxruntime", threads=1)
    photos, lines = [tmp_path / f"{each}.png" for each in "ab"], []
    for photo in photos:
        photo.write_bytes(picture(photo.name))
        best = model.classify(photo, k=3)[0]
        lines.append(f"{photo}: " + ", ".join(f"{x.label} {x.probability:.0%}" for x in best))
    token = tmp_path / "token"
    token.write_text("open sesame\n")
    with listening(make_app([Served("default", model)], token="open sesame", threads=1)) as at:
        address = f"http://{at}" if "http" in name else at
        command = [EXAMPLES / name, *photos, "--address", address, "--token-file", token]
        done = subprocess.run(
            [sys.executable, *map(str, command)], capture_output=True, text=True, check=False
        )
    assert done.stdout.splitlines() == lines, done.stderr
