"""``shufflenet explain`` as a user types it: pictures beside whatever lies in the folder."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import SPECS, Run, calmed, card_for, saved, take_away, with_seeded_weights
from exported import THIN, export
from seeded import photo
from shufflenet.explain import open_explanations
from shufflenet.models import save
from shufflenet.networks import build
from shufflenet.spec import Label, Preprocess
from test_explain import exported_with_hidden_layers


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_the_top_answer_is_drawn_and_its_line_says_where(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    to = tmp_path / "new" / "maps"
    code, out, err = run("explain", photos, "--to", to, "--json")
    assert code == 0, err
    results = lines(out)
    assert [result["path"] for result in results] == [
        str(photos / name) for name in ("a.jpg", "b.png", "more/ü.JPEG")
    ]
    assert set(results[0]) == {"path", "class", "index", "probability", "file", "evidence"}
    answers = lines(run("predict", photos, "--json", "--top", 1)[1])
    for result, answer in zip(results, answers, strict=True):
        (prediction,) = answer["predictions"]
        assert result["class"] == prediction["label"]
        assert result["index"] == prediction["index"]
        assert result["probability"] == pytest.approx(prediction["probability"], rel=1e-4)
        assert result["evidence"] == "activation"
        with Image.open(str(result["file"])) as picture:
            assert picture.size == (52, 40)
            assert picture.format == "JPEG"
    assert {Path(str(result["file"])) for result in results} == set(to.iterdir())


def test_classes_are_asked_for_by_name_or_index(run: Run, photos: Path, tmp_path: Path) -> None:
    arguments = ("explain", photos / "a.jpg", "--to", tmp_path / "maps", "--json")
    code, out, _ = run(*arguments, "--class", "goldfish", "--class", "3", "--class", "n01443537")
    assert code == 0
    assert [result["index"] for result in lines(out)] == [0, 3]
    code, out, _ = run(*arguments, "--class", "goldfish", "--top", 2)
    assert len({str(result["index"]) for result in lines(out)}) in (2, 3)
    code, out, err = run(*arguments, "--class", "goldfsh")
    assert (code, out) == (1, "")
    assert "Did you mean 'goldfish'?" in err


def test_files_of_others_stay_and_own_ones_are_replaced(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    to = tmp_path / "maps"
    _, out, _ = run("explain", photos / "a.jpg", "--to", to, "--json")
    file = Path(str(lines(out)[0]["file"]))
    again = run("explain", photos / "a.jpg", "--to", to, "--json")[1]
    assert again == out
    assert list(to.iterdir()) == [file]
    file.write_text("mine")
    _, out, _ = run("explain", photos / "a.jpg", "--to", to, "--json")
    other = Path(str(lines(out)[0]["file"]))
    assert other.name == f"{file.stem}-2.jpg"
    assert file.read_text() == "mine"
    (photos / "more" / "a.jpg").write_bytes((photos / "a.jpg").read_bytes())
    _, out, _ = run("explain", photos, "--to", to, "--json")  # two of one name
    files = [str(result["file"]) for result in lines(out)]
    assert len(set(files)) == len(files) == 4
    assert run("explain", photos, "--to", to, "--json")[1] == out


def test_classes_of_one_name_each_have_a_picture(run: Run, photos: Path, tmp_path: Path) -> None:
    net = calmed(with_seeded_weights(build(replace(SPECS["shufflenet_v2_x0_25"], classes=3))))
    labels = tuple(Label(str(i), name) for i, name in enumerate(("crane", "crane", "Crane/")))
    path = tmp_path / "net.safetensors"
    save(net.eval(), path, labels=labels, preprocess=card_for(net.spec).preprocess)
    given = ("explain", photos, "--to", tmp_path / "maps", "--model", path, "--top", 3, "--json")
    out = run(*given)[1]
    files = {str(result["file"]) for result in lines(out)}
    assert {Path(file) for file in files} == set((tmp_path / "maps").iterdir())
    assert len(files) == 9
    assert run(*given)[1] == out


def test_a_link_that_leads_nowhere_stays(run: Run, photos: Path, tmp_path: Path) -> None:
    given = ("explain", photos / "a.jpg", "--to", tmp_path / "maps", "--json")
    file = Path(str(lines(run(*given)[1])[0]["file"]))
    file.unlink()
    file.symlink_to("nowhere")
    other = Path(str(lines(run(*given)[1])[0]["file"]))
    assert other.name == f"{file.stem}-2.jpg"
    assert file.is_symlink()


def test_what_was_written_below_the_photos_is_not_explained(run: Run, photos: Path) -> None:
    first = run("explain", photos, "--to", photos / "maps", "--json")[1]
    assert run("explain", photos, "--to", photos / "maps", "--json")[1] == first


def test_labels_that_are_paths_stay_in_the_folder(run: Run, photos: Path, tmp_path: Path) -> None:
    net = calmed(with_seeded_weights(build(replace(SPECS["shufflenet_v2_x0_25"], classes=3))))
    labels = tuple(Label(str(i), name) for i, name in enumerate(("../../up", "/etc/x", "..")))
    path = tmp_path / "net.safetensors"
    save(net.eval(), path, labels=labels, preprocess=card_for(net.spec).preprocess)
    to = tmp_path / "in" / "maps"
    assert run("explain", photos / "a.jpg", "--to", to, "--model", path, "--top", 3)[0] == 0
    assert sorted(each.name for each in to.iterdir()) == [
        "a._._.._up.jpg", "a.__.jpg", "a._etc_x.jpg",
    ]  # fmt: skip
    assert [each.name for each in tmp_path.iterdir() if each.is_dir()].count("in") == 1


def test_what_cannot_be_read_is_told_and_the_rest_is_drawn(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    (photos / "bad.png").write_bytes(b"no image")
    empty = tmp_path / "empty"
    empty.mkdir()
    code, out, err = run("explain", photos, empty, "--to", tmp_path / "maps", "--json")
    assert code == 1
    results = lines(out)
    assert sum("error" in result for result in results) == 2
    assert sum("file" in result for result in results) == 3
    assert "it is a folder in which no image can be found" in err
    assert "Cannot read" in err


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, out, err = run("explain", photos, "--to", tmp_path / "file")
    assert (code, out) == (1, "")
    assert "is no folder" in err


def test_a_large_photo_makes_a_small_picture(run: Run, tmp_path: Path) -> None:
    Image.fromarray(photo("large", 500, 500)).resize((4000, 4000)).save(tmp_path / "large.jpg")
    code, out, _ = run("explain", tmp_path / "large.jpg", "--to", tmp_path / "maps", "--json")
    assert code == 0
    with Image.open(str(lines(out)[0]["file"])) as picture:
        assert picture.size == (1024, 1024)


def test_a_checkpoint_with_hidden_layers_is_explained_by_gradients(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SPECS["shufflenet_v2_plus_small"]
    net = calmed(with_seeded_weights(build(replace(spec, classes=2)))).eval()
    path = saved(net, tmp_path / "net.safetensors")
    arguments = ("explain", photos / "a.jpg", "--to", tmp_path / "maps", "--json", "--model")
    code, out, _ = run(*arguments, path)
    assert code == 0
    assert lines(out)[0]["evidence"] == "gradients"
    code, out, err = run(*arguments, exported_with_hidden_layers(tmp_path))
    assert (code, out) == (1, "")
    assert "Give the network's checkpoint" in err
    take_away("torch", monkeypatch)
    code, out, err = run(*arguments, path)
    assert (code, out) == (1, "")
    assert "torch" in err


def test_explaining_an_onnx_file_loads_no_torch(photos: Path, tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from shufflenet.cli import main;"
            f"assert main(['explain', {str(photos)!r}, '--to', {str(tmp_path / 'maps')!r}]) == 0;"
            "assert not {'torch', 'onnx', 'matplotlib'} & set(sys.modules)",
        ],
        check=True,
    )


def test_a_network_of_gray_images_is_explained(run: Run, photos: Path, tmp_path: Path) -> None:
    spec = replace(SPECS["shufflenet_v2_x0_25"], classes=2, in_channels=1)
    net = calmed(with_seeded_weights(build(spec))).eval()
    how = Preprocess(resize_px=32, crop_px=(32, 64), channels="gray", mean=(0.5,), std=(0.5,))
    labels = (Label("0", "cat"), Label("1", "dog"))
    save(net, tmp_path / "net.safetensors", labels=labels, preprocess=how)
    arguments = ("--to", tmp_path / "maps", "--model", tmp_path / "net.safetensors", "--json")
    code, out, err = run("explain", photos, *arguments)
    assert code == 0, err
    assert len(lines(out)) == 3


def test_from_python(photos: Path, tmp_path: Path) -> None:
    model = open_explanations(export(THIN, tmp_path / "thin.onnx"))
    explained = model.explain(photos / "b.png", [4, 4, 2], top=0)
    assert [each.prediction.index for each in explained.explanations] == [4, 2]
    assert all(each.heat.dtype == np.float32 for each in explained.explanations)
    assert model.explain(photos / "b.png", [], top=0).explanations == ()
