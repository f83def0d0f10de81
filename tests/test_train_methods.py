"""Mixing, averaging, distillation and the rest, in short real runs and by their formulas."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import saved, write_colours
from run_states import differences
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import RunError, TeacherMismatch
from shufflenet.export import export_onnx
from shufflenet.models import create_model, load_model, load_model_and_card
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Label
from shufflenet.train import Session, train
from shufflenet.train._batches import Batches, Crops, Shown
from shufflenet.train._load_crop import load_crop
from shufflenet.train._loss import distillation_loss
from shufflenet.train._mix import mix_batch
from shufflenet.train._teacher import open_teacher
from shufflenet.train._weight_average import average_weights
from shufflenet.train.augment import rand_augment
from test_train import RECIPE, STEPS, Killed, kill_at, run, setup_for

EVERYTHING = dataclasses.replace(
    RECIPE,
    repeats=2,
    balance=0.5,
    trivial=True,
    randaugment=2,
    erasing=0.5,
    mixup=0.2,
    cutmix=1.0,
    average=0.9,
    clip=1.0,
    accumulate=2,
    schedule="linear",
)


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_colours(tmp_path_factory.mktemp("data"))
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    run(open_images(folder), out, EVERYTHING)
    return out


@pytest.mark.parametrize("step", range(1, STEPS + 1, 3))
def test_with_every_method_a_killed_run_resumes_to_the_bit(
    step: int, images: ImageSet, tmp_path: Path, undisturbed: Path
) -> None:
    with pytest.raises(Killed):
        run(images, tmp_path / "run", EVERYTHING, on_step=kill_at(step))
    run(images, tmp_path / "run", EVERYTHING, resume=True)
    assert not differences(tmp_path / "run", undisturbed)
    first, second = (
        torch.load(p / "last.pt", weights_only=True)["average"]
        for p in (tmp_path / "run", undisturbed)
    )
    assert all(torch.equal(first[name], second[name]) for name in second)
    best = "best.safetensors"
    assert (tmp_path / "run" / best).read_bytes() == (undisturbed / best).read_bytes()


def test_with_every_method_the_number_of_workers_changes_nothing(
    images: ImageSet, tmp_path: Path, undisturbed: Path
) -> None:
    run(images, tmp_path / "run", EVERYTHING, workers=2, save_every_s=60.0)
    assert not differences(tmp_path / "run", undisturbed)


@pytest.mark.parametrize("fields", [{"randaugment": 1}, {"randaugment": 1, "magnitude": 30}])
def test_crops_are_changed_as_the_recipe_says(images: ImageSet, fields: dict[str, int]) -> None:
    recipe = dataclasses.replace(RECIPE, **fields)  # type: ignore[arg-type]  # both are whole numbers
    how = preprocess_for(32)
    shown = Shown(samples=images.samples, how=how, warned=torch.zeros(len(images)) > 0)
    changed, plain = Crops(shown, recipe, 0), Crops(shown, RECIPE, 0)
    for index in range(len(images)):
        rng = np.random.default_rng((RECIPE.seed, 0, index))
        load_crop(images.samples[index], how, RECIPE.smallest_area, rng)
        expected = rand_augment(plain[index][0].numpy(), 1, recipe.magnitude, rng)
        assert np.array_equal(changed[index][0], expected)


def test_the_averaged_network_is_the_one_that_is_kept(undisturbed: Path) -> None:
    kept = load_model(undisturbed / "best.safetensors").state_dict()
    state = torch.load(undisturbed / "last.pt", weights_only=True)
    if state["progress"]["best_epoch"] < RECIPE.epochs:
        pytest.skip("the best epoch was not the last")
    assert torch.equal(kept["fc.weight"], state["average"]["module.fc.weight"])
    assert not torch.equal(kept["fc.weight"], state["routed"]["fc.weight"])


def test_an_average_forgets_its_first_steps_sooner() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    average = average_weights(net, decay=0.99)
    expected = 0.0
    for step, weight in enumerate((4.0, 1.0, 2.0, 8.0)):
        net.weight.data.fill_(weight)
        average.update_parameters(net)
        kept = min(0.99, (1 + step) / (10 + step)) if step else 0.0
        expected = kept * expected + (1 - kept) * weight
    assert float(average.state_dict()["module.weight"]) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_shares_of_labels_are_shares_of_pixels(kind: str) -> None:
    recipe = dataclasses.replace(RECIPE, **{kind: 1.0})  # type: ignore[arg-type]  # both are floats
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 20, 30)
    labels = torch.arange(4)
    shares = []
    for step in range(50):
        batch = mix_batch(images, labels, recipe, step)
        assert torch.equal(batch.others, torch.tensor([3, 0, 1, 2]))
        means = batch.images.mean(dim=(1, 2, 3))
        expected = batch.share * labels + (1 - batch.share) * batch.others
        assert torch.allclose(means, expected, atol=1e-4)
        again = mix_batch(images, labels, recipe, step)
        assert torch.equal(again.images, batch.images)
        shares.append(batch.share)
        if kind == "cutmix":  # every pixel is of one image or of the other
            assert set(batch.images.flatten().tolist()) <= {0.0, 1.0, 2.0, 3.0}
    assert np.std(shares) > 0.1


def test_parts_of_a_batch_add_up_to_its_gradients(images: ImageSet, tmp_path: Path) -> None:
    """With the statistics of batch norms held still, on which parts would else differ."""

    def trained(out: Path, parts: int) -> torch.Tensor:
        torch.manual_seed(0)
        net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1).freeze(3)
        recipe = dataclasses.replace(RECIPE, epochs=1, accumulate=parts, weight_decay=0.0)
        session = Session(out=out, accelerator="cpu", workers=0)
        train(setup_for(net, images, recipe), session)
        weight: torch.Tensor = torch.load(out / "last.pt", weights_only=True)["routed"]["fc.weight"]
        return weight

    whole, parts = trained(tmp_path / "a", 1), trained(tmp_path / "b", 3)
    assert torch.allclose(whole, parts, atol=1e-2 * float(whole.abs().max()))


def test_a_run_without_gain_stops_early_and_says_so(
    images: ImageSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shufflenet")
    recipe = dataclasses.replace(RECIPE, epochs=50, learning_rate=1e-12, patience=2)
    torch.manual_seed(0)
    result = run(images, tmp_path / "run", recipe, save_every_s=60.0)
    assert result.finished
    assert result.steps < 50 * STEPS // RECIPE.epochs
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["progress"]
    epochs = result.steps * RECIPE.epochs // STEPS
    best = state["best_epoch"]
    said = f"Stopped after epoch {epochs} of 50: no gain in 2 epochs; best epoch {best}."
    assert said in caplog.text
    assert run(images, tmp_path / "run", recipe, resume=True).steps == result.steps


def test_a_broken_image_that_the_first_epoch_leaves_out_is_warned_about_in_a_later_one(
    images: ImageSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=4, batch_size=7, seed=1)  # 21 of 24 an epoch
    shown = [set(np.ravel([*Batches(images.samples, recipe, epoch, 0)])) for epoch in range(4)]
    number = min(set.union(*shown) - shown[0])
    Path(images.samples[number].path).write_bytes(b"broken")
    whole = (*images.samples[:number], *images.samples[number + 1 :])
    validation = dataclasses.replace(images, samples=whole)
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    session = Session(out=tmp_path / "run", workers=0, accelerator="cpu")
    setup = setup_for(net, images, recipe=recipe, validation=validation)
    assert train(setup, session).finished
    assert images.samples[number].name in caplog.text
    assert caplog.text.count("Another image takes its place.") == 1


def test_a_run_recorded_before_a_recipe_had_all_its_fields_goes_on(
    images: ImageSet, tmp_path: Path
) -> None:
    new = {"repeats", "balance", "randaugment", "magnitude"}
    with pytest.raises(Killed):
        run(images, tmp_path / "run", on_step=kill_at(2))
    path = tmp_path / "run" / "run.json"
    recorded = json.loads(path.read_text())
    assert new <= recorded["recipe"].keys()
    recorded["recipe"] = {k: v for k, v in recorded["recipe"].items() if k not in new}
    recorded["card"]["origin"]["recipe"] = "small-images (as it was recorded then)"
    path.write_text(json.dumps(recorded))
    with pytest.raises(RunError, match="belongs to a run with another recipe"):
        run(images, tmp_path / "run", dataclasses.replace(RECIPE, repeats=2), resume=True)
    assert run(images, tmp_path / "run", resume=True).finished


@pytest.mark.parametrize("content", ["{}", "[]", '{"recipe": 1, "card": 2}'])
def test_a_record_of_something_else_is_refused(
    content: str, images: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"has a damaged run\.json"):
        run(images, tmp_path, resume=True)


# --- distillation ---


def test_the_distillation_loss_is_a_divergence() -> None:
    student, teacher = torch.randn(5, 7), torch.randn(5, 7)
    for temperature in (1.0, 4.0):
        q, p = ((x / temperature).softmax(1) for x in (student, teacher))
        expected = temperature**2 * (p * (p / q).log()).sum(1).mean()
        assert torch.allclose(distillation_loss(student, p, temperature), expected, atol=1e-5)
    assert distillation_loss(teacher, (teacher / 2).softmax(1), 2.0).abs() < 1e-6


def test_a_student_learns_to_predict_as_its_teacher(images: ImageSet, tmp_path: Path) -> None:
    """The teacher calls blue green, green red and red blue; no label agrees with it."""

    def teacher(pixels: torch.Tensor) -> torch.Tensor:
        assert pixels.min() >= 0
        assert pixels.max() > 1
        return pixels.mean(dim=(2, 3)).flip(1).roll(1, dims=1) / 20

    torch.manual_seed(0)
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    recipe = dataclasses.replace(RECIPE, epochs=20, train_px=(32,))
    session = Session(out=tmp_path / "run", accelerator="cpu", workers=0)
    train(setup_for(net, images, recipe, teacher=teacher), session)
    rows = [json.loads(row) for row in (tmp_path / "run" / "metrics.jsonl").open()]
    assert rows[-1]["top1"] == 0


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_a_teacher_has_the_order_of_the_students_classes(
    suffix: str, tmp_path: Path, exported: Callable[[Path], Path]
) -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    path = saved(net, tmp_path / "teacher.safetensors")
    file = path if suffix == ".safetensors" else exported(path)
    labels = [Label(f"id{i}", "") for i in (2, 0)]
    images = 255 * torch.rand(2, 3, 48, 48)  # of another size than the teacher's 32
    forward = open_teacher(file, [Label(f"id{i}", "") for i in range(3)])
    assert torch.equal(open_teacher(file, labels)(images), forward(images)[:, [2, 0]])
    with pytest.raises(TeacherMismatch, match=r"does not know 1 of 2 classes, such as 'dog'"):
        open_teacher(file, [Label("dog", ""), Label("id0", "")])


@pytest.fixture
def exported() -> Callable[[Path], Path]:
    def export(path: Path) -> Path:
        net, card = load_model_and_card(path)
        export_onnx(net, card, path.with_suffix(".onnx"))
        return path.with_suffix(".onnx")

    return export
