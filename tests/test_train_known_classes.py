"""Weights that know the classes already: their rows, and the network before it is trained."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import card_for, with_seeded_weights
from shufflenet.data import ImageSet, load, open_images
from shufflenet.errors import ImageError, SpecError
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.models import create_model, load_model_and_card, new_classes, start_from
from shufflenet.networks import ShuffleNet, state_arrays
from shufflenet.preprocess import normalize
from shufflenet.recipes import preprocess_for
from shufflenet.report.charts import plot_curves
from shufflenet.report.metrics import read_metrics
from shufflenet.spec import Accuracy, Card, Label
from shufflenet.train import Job, Session, train
from shufflenet.train._imprint import imprint
from shufflenet.train._job import open_setup
from test_train import RECIPE, setup_for


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


def known(*labels: Label) -> tuple[ShuffleNet, Card]:
    net = with_seeded_weights(
        create_model("shufflenet_v2_x0_25", num_classes=len(labels), stem_stride=1)
    )
    return net, dataclasses.replace(card_for(net.spec), labels=labels)


def rows_of(labels: list[str], *of: Label) -> list[int]:
    """Return which row of a checkpoint each class keeps; -1 for a new one."""
    source, card = known(*of)
    net = create_model("shufflenet_v2_x0_25", num_classes=len(labels), stem_stride=1)
    kept = start_from(net, labels, source, card)
    found = []
    for row in net.fc.weight:
        same = [number for number, own in enumerate(source.fc.weight) if torch.equal(row, own)]
        found.append(same[0] if same else -1)
    assert kept == sum(row >= 0 for row in found)
    new = [label for label, row in zip(labels, found, strict=True) if row < 0]
    assert new_classes(labels, card) == new
    return found


FISH, SHARK, CRANE, CRANE_BIRD = (
    Label("n01443537", "goldfish"),
    Label("n01484850", "great white shark"),
    Label("n03126707", "crane"),
    Label("n02012849", "crane"),
)


def test_a_class_is_known_by_identifier_or_by_a_name_that_one_class_has() -> None:
    assert rows_of(["n01484850", "cat", "n01443537"], FISH, SHARK) == [1, -1, 0]
    assert rows_of(["great white shark", "goldfish"], FISH, SHARK) == [1, 0]
    assert rows_of(["crane", "n03126707", "goldfish"], CRANE, CRANE_BIRD, FISH) == [-1, 0, 2]
    assert rows_of(["goldfish", "n01443537"], FISH, SHARK) == [-1, 0]  # the identifier's
    assert rows_of(["Goldfish", "gold fish"], FISH, SHARK) == [-1, -1]


def test_an_identifier_is_before_a_name_that_looks_like_it() -> None:
    swapped = (Label("a", "b"), Label("b", "a"))
    assert rows_of(["b", "a"], *swapped) == [1, 0]
    assert rows_of(["b", "c"], *swapped) == [1, -1]
    assert rows_of(["é"], Label("e\u0301", "x"), Label("y", "z")) == [0]  # looks the same


def test_an_identifier_that_comes_twice_is_known_in_the_same_order_only() -> None:
    twice = (Label("a", "a"), Label("a", "other"), Label("c", "c"))
    assert rows_of(["c", "a", "b"], *twice) == [2, -1, -1]
    with pytest.raises(SpecError, match="labels is '2 times a'"):
        new_classes(["a", "a"], dataclasses.replace(known(*twice)[1]))
    assert new_classes(["a", "a", "c"], known(*twice)[1]) == []


def test_numbers_are_no_names_of_classes() -> None:
    assert rows_of(["0", "1"], FISH, SHARK) == [-1, -1]


def test_training_names_the_new_classes(
    class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shufflenet")
    net, card = known(Label("red", "rot"), Label("n1", "blue"))
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, Checkpoint(card, state_arrays(net)))
    setup = open_setup(Job(data=class_folders, weights=path), RECIPE, "run")
    assert setup.knows_classes
    assert isinstance(setup.net, ShuffleNet)
    assert torch.equal(setup.net.fc.weight[[2, 0]], net.fc.weight)
    assert f"keeps the rows of 2 of 3 classes; new to {path}: green." in caplog.text
    assert "Classes: blue, green, red." in caplog.text
    other, card = known(Label("cat", "cat"), Label("dog", "dog"))
    write_checkpoint(path, Checkpoint(card, state_arrays(other)))
    assert not open_setup(Job(data=class_folders, weights=path), RECIPE, "run").knows_classes


# --- measured before it is trained ---


def tuned(
    images: ImageSet, out: Path, counts: list[int], monkeypatch: pytest.MonkeyPatch, **more: bool
) -> ShuffleNet:
    """Train a network that knows its classes, of which ``counts`` are right in each epoch."""
    counted = iter(counts)

    def measured(*arguments: object) -> Accuracy:
        return Accuracy(images=24, top1=next(counted), top5=24)

    monkeypatch.setattr("shufflenet.train._measure.evaluate", measured)
    torch.manual_seed(0)
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    first = {name: value.clone() for name, value in net.state_dict().items()}
    setup = dataclasses.replace(setup_for(net, images), knows_classes=True)
    train(setup, Session(out=out, accelerator="cpu", workers=0, **more))  # type: ignore[arg-type]  # resume
    start = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    start.load_state_dict(first)
    return start


def same(a: ShuffleNet, b: ShuffleNet) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_where_nothing_beats_the_start_the_start_is_kept(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO", "shufflenet")
    out = tmp_path / "run"
    start = tuned(images, out, [20, 20, 19, 20], monkeypatch)
    net, card = load_model_and_card(out / "best.safetensors")
    assert isinstance(net, ShuffleNet)
    assert same(net, start)
    assert card.accuracy == Accuracy(images=24, top1=20, top5=24)
    assert card.origin.steps == 0
    assert "No epoch was better than the network before it was trained" in caplog.text
    rows = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    assert [(row["epoch"], row["step"], row["top1"]) for row in rows] == [
        (0, 0, 20), (1, 4, 20), (2, 8, 19), (3, 12, 20),
    ]  # fmt: skip
    assert rows[0]["loss"] is None
    assert len(read_metrics(out)) == 4
    plot_curves(out)
    assert (out / "curves.png").stat().st_size > 1000


def test_a_better_epoch_takes_its_place(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tuned(images, tmp_path / "run", [20, 21, 19, 21], monkeypatch)
    net, card = load_model_and_card(tmp_path / "run" / "best.safetensors")
    assert isinstance(net, ShuffleNet)
    assert not same(net, start)
    assert card.origin.steps == 12  # of equal epochs the last


def test_what_the_shipped_model_knows_it_knows_from_the_first_step_on(
    real_data: Path, tmp_path: Path
) -> None:
    """Twelve of its own classes: the network that is to be tuned answers as it does."""
    images = open_images(real_data / "tiny-imagenet-200.val.tar.gz")
    chosen = images.classes[::17][:12]
    numbers = {images.classes.index(name): place for place, name in enumerate(chosen)}
    samples = [s for s in images.samples if s.label in numbers]
    some = [s for n in numbers for s in [s for s in samples if s.label == n][:4]]
    for number, sample in enumerate(some):
        folder = tmp_path / "photos" / chosen[numbers[sample.label]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(sample.read())
    setup = open_setup(Job(data=tmp_path / "photos", weights="default"), None, "run")
    assert setup.knows_classes
    net, card = load_model_and_card("default")
    assert isinstance(net, ShuffleNet)
    rows = [[label.id for label in card.labels].index(name) for name in sorted(chosen)]
    assert isinstance(setup.net, ShuffleNet)
    assert torch.equal(setup.net.fc.weight, net.fc.weight[rows])
    assert torch.equal(setup.net.fc.bias, net.fc.bias[rows])


# --- rows of new classes ---


def test_new_rows_start_towards_the_images_of_their_class(class_folders: Path) -> None:
    """By the formula: halfway as far from the mean known row as the known rows are."""
    images = open_images(class_folders)
    net, card = known(Label("blue", "blue"), Label("green", "green"), Label("red", "red"))
    card = dataclasses.replace(card, preprocess=preprocess_for(32))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    imprint(net, card, images, [])
    imprint(net, card, images, ["blue", "green"])  # one known row says nothing of distances
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    imprint(net.train(), card, images, ["green"])
    assert net.training
    after = net.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert torch.equal(after["fc.weight"][[0, 2]], before["fc.weight"][[0, 2]])
    means = []
    with torch.no_grad():
        for label in range(3):
            some = [sample for sample in images.samples if sample.label == label]
            loaded = [load(sample, card.preprocess) for sample in some]
            pixels = np.stack([each for each in loaded if not isinstance(each, ImageError)])
            assert len(pixels) == 8
            means.append(net.eval().embed(torch.from_numpy(normalize(pixels, card.preprocess))))
    centers = torch.stack([mean.mean(0) for mean in means])
    middle = centers.mean(0)
    direction = (centers[1] - middle) / (centers[1] - middle).norm()
    blue, red = before["fc.weight"][[0, 2]]
    distance = 0.5 * (blue - red).norm() / 2
    assert torch.allclose(after["fc.weight"][1], (blue + red) / 2 + distance * direction, atol=1e-5)
    expected = before["fc.bias"][[0, 2]].mean() - distance * (direction @ middle)
    assert torch.allclose(after["fc.bias"][1], expected, atol=1e-4)


def test_a_class_without_a_readable_image_gets_a_row_all_the_same(class_folders: Path) -> None:
    for path in (class_folders / "green").iterdir():
        path.write_bytes(b"broken")
    net, card = known(Label("blue", "blue"), Label("green", "green"), Label("red", "red"))
    imprint(net, card, open_images(class_folders), ["green"])
    assert bool(torch.isfinite(net.fc.weight).all())
