"""``shufflenet embed`` as a user types it, and what it writes."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from torch import nn

from conftest import Run, card_for, saved, take_away, with_seeded_weights
from shufflenet.deploy import deploy
from shufflenet.errors import SpecError
from shufflenet.export import export_onnx
from shufflenet.models import create_model, load_model, load_model_and_card
from shufflenet.networks import ShuffleNet
from shufflenet.preprocess import prepare
from shufflenet.runtimes.pytorch import TorchClassifier
from tolerance import FLOAT32_RELATIVE


def test_npy_holds_a_row_an_image_in_the_order_given(
    run: Run, photos: Path, checkpoint: Path, small_net: ShuffleNet, tmp_path: Path
) -> None:
    to = tmp_path / "new" / "vectors.npy"
    code, out, _ = run("embed", photos / "b.png", photos, "--to", to, "--model", checkpoint)
    assert (code, out) == (0, f"{to}: 4 vectors of 512 numbers\n")
    paths = (tmp_path / "new" / "vectors.paths.txt").read_text(encoding="utf-8").splitlines()
    assert paths == [str(photos / name) for name in ("b.png", "a.jpg", "b.png", "more/ü.JPEG")]
    vectors = np.load(to)
    assert (vectors.dtype, vectors.shape) == (np.float32, (4, 512))
    for path, vector in zip(paths, vectors, strict=True):
        batch = torch.from_numpy(prepare(path, card_for(small_net.spec).preprocess))[None]
        net = load_model(checkpoint)
        assert isinstance(net, ShuffleNet)
        with torch.no_grad():
            (expected,) = net.embed(batch).numpy()
        assert np.abs(vector - expected).max() <= FLOAT32_RELATIVE * np.abs(expected).max()


def test_parquet_holds_the_same_beside_its_paths(
    run: Run, photos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    for to in ("a.npy", "a.parquet"):
        assert run("embed", photos, "--to", tmp_path / to, "--model", checkpoint)[0] == 0
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert table.schema.field("path").type == pyarrow.string()
    assert table.schema.field("embedding").type == pyarrow.list_(pyarrow.float32(), 512)
    assert table["path"].to_pylist() == (tmp_path / "a.paths.txt").read_text().splitlines()
    assert np.array_equal(np.array(table["embedding"].to_pylist()), np.load(tmp_path / "a.npy"))


def test_an_onnx_file_embeds_as_its_checkpoint_does(
    run: Run, photos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    onnx = tmp_path / "small.onnx"
    net, card = load_model_and_card(checkpoint)
    export_onnx(net, card, onnx)
    for model in (checkpoint, onnx):
        to = tmp_path / f"{model.suffix[1:]}.npy"
        assert run("embed", photos, "--to", to, "--model", model)[0] == 0
    expected, vectors = (np.load(tmp_path / f"{name}.npy") for name in ("safetensors", "onnx"))
    assert np.abs(vectors - expected).max() <= FLOAT32_RELATIVE * np.abs(expected).max()


def test_the_folder_of_a_run_embeds_by_its_best_network(
    run: Run, photos: Path, small_net: ShuffleNet, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    saved(small_net, tmp_path / "run" / "best.safetensors")
    code, out, _ = run("embed", photos, "--to", tmp_path / "a.npy", "--model", tmp_path / "run")
    assert (code, out) == (0, f"{tmp_path / 'a.npy'}: 3 vectors of 512 numbers\n")


def test_only_a_checkpoint_needs_torch(
    run: Run, photos: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away("torch", monkeypatch)
    take_away("onnx", monkeypatch)
    assert run("embed", photos, "--to", tmp_path / "a.npy")[0] == 0
    code, out, err = run("embed", photos, "--to", tmp_path / "b.npy", "--model", checkpoint)
    assert (code, out) == (1, "")
    assert "Install it: pip install 'shufflenet[torch]'. Or write it as .onnx where" in err


def test_a_removed_folder_ends_only_what_torch_computes(
    run: Run, photos: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    try:
        gone.rmdir()
    except OSError:
        pytest.skip("this system keeps the folder that a process is in")
    assert run("embed", photos, "--to", tmp_path / "a.npy")[0] == 0
    code, out, err = run("embed", photos, "--to", tmp_path / "b.npy", "--model", checkpoint)
    assert (code, out) == (1, "")
    assert err.startswith("The current folder was removed.")


def test_the_shipped_model_embeds_and_json_has_the_counts(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    code, out, _ = run("embed", photos, "--to", tmp_path / "a.npy", "--json")
    assert code == 0
    told = json.loads(out)
    assert told.pop("model").startswith("shufflenet_v2_x1_0")
    assert told == {"path": str(tmp_path / "a.npy"), "images": 3, "dimensions": 1024, "failed": 0}


@pytest.mark.parametrize("form", ["npy", "parquet"])
def test_files_that_cannot_be_read_are_named_and_left_out(
    run: Run, photos: Path, checkpoint: Path, tmp_path: Path, form: str
) -> None:
    (photos / "b.png").write_bytes(b"broken")
    to = tmp_path / f"a.{form}"
    code, out, err = run(
        "embed", photos, photos / "none.jpg", "--to", to, "--model", checkpoint, "--json"
    )
    assert code == 1
    assert f"Cannot read '{photos / 'b.png'}' as an image: it is empty or not an image." in err
    assert f"Cannot read '{photos / 'none.jpg'}' as an image: there is no such file." in err
    assert "2 of 4 files could not be read and are left out." in err
    told = json.loads(out)
    assert (told["images"], told["failed"], told["model"]) == (2, 2, "test")
    if form == "npy":
        assert len(np.load(to)) == 2
        names = (tmp_path / "a.paths.txt").read_text().splitlines()
    else:
        names = pyarrow.parquet.read_table(to)["path"].to_pylist()
    assert [Path(name).name for name in names] == ["a.jpg", "ü.JPEG"]


def test_nothing_is_written_where_nothing_can_be_read(
    run: Run, checkpoint: Path, tmp_path: Path
) -> None:
    to = tmp_path / "a.npy"
    to.write_bytes(b"old")
    code, out, err = run(
        "embed", tmp_path / "none.jpg", "--to", to, "--model", checkpoint, "--json"
    )
    assert code == 1
    assert "No image could be read, so nothing was written." in err
    assert json.loads(out) == {
        "path": None, "images": 0, "dimensions": 0, "failed": 1, "model": "test",
    }  # fmt: skip
    assert to.read_bytes() == b"old"
    assert not (tmp_path / "a.paths.txt").exists()


def test_paths_that_are_not_utf8_are_written(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a\udcff.png"
    try:
        Image.new("RGB", (32, 32)).save(odd)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system keeps no such names")
    for form in ("npy", "parquet"):
        code, _, _ = run("embed", odd, "--to", tmp_path / f"v.{form}", "--model", checkpoint)
        assert code == 0
    assert (tmp_path / "v.paths.txt").read_bytes().endswith(b"a\xff.png\n")
    names = pyarrow.parquet.read_table(tmp_path / "v.parquet")["path"].to_pylist()
    assert names[0].endswith("a\\xff.png")


def test_a_name_of_two_lines_needs_parquet(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a\nb.png"
    Image.new("RGB", (32, 32)).save(odd)
    code, _, err = run("embed", odd, "--to", tmp_path / "v.npy", "--model", checkpoint)
    assert code == 1
    assert err.endswith("must be of one line, as it is listed so; or write a .parquet.\n")
    to = tmp_path / "v.parquet"
    assert run("embed", odd, "--to", to, "--model", checkpoint)[0] == 0
    assert pyarrow.parquet.read_table(to)["path"].to_pylist() == [str(odd)]


def test_wrong_usage_and_wrong_models_are_refused_in_a_sentence(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    code, out, err = run("embed", photos, "--to", "a.csv")
    assert (code, out, err) == (2, "", "--to 'a.csv' must end in .npy or .parquet.\n")
    to = tmp_path / "a.npy"
    code, _, err = run("embed", photos, "--to", to, "--model", "defalt")
    assert code == 1
    assert "Did you mean 'default'?" in err
    code, _, err = run("embed", photos, "--to", to, "--model", tmp_path / "a.onnx")
    assert code == 1
    assert err.count("\n") == 1
    grey = create_model("shufflenet_v2_x0_25", num_classes=3, in_channels=1)
    grey_file = saved(with_seeded_weights(grey), tmp_path / "grey.safetensors")
    code, _, err = run("embed", photos, "--to", to, "--model", grey_file)
    assert code == 1
    assert "in_channels is 1, but must be 3" in err
    code, _, err = run("embed", photos, "--to", photos / "a.jpg" / "b.npy")
    assert code == 1
    assert "Cannot write" in err
    assert not to.exists()


def test_parquet_without_its_package_is_told_before_anything_is_computed(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    code, out, err = run("embed", photos, "--to", tmp_path / "a.parquet")
    assert (code, out) == (1, "")
    assert err == (
        "Writing parquet needs the package 'pyarrow', which is not installed. "
        "Install it: pip install 'shufflenet[parquet]'.\n"
    )
    assert run("embed", photos, "--to", tmp_path / "a.npy")[0] == 0


def test_a_torch_classifier_embeds_and_a_deployed_one_does_the_same(small_net: ShuffleNet) -> None:
    batch = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    card = card_for(small_net.spec)
    vectors = TorchClassifier(small_net, card).embed(batch)
    with torch.no_grad():
        assert np.array_equal(vectors, small_net.embed(torch.from_numpy(batch)).numpy())
    deployed = TorchClassifier(deploy(small_net), card).embed(batch)
    assert np.abs(deployed - vectors).max() <= FLOAT32_RELATIVE * np.abs(vectors).max()
    with pytest.raises(SpecError, match="must be a ShuffleNet, to embed with"):
        TorchClassifier(nn.Flatten(), card).embed(batch)
