"""Frozen parts, a rate for every part, and what is chosen where nothing is said."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from conftest import Run, saved, with_seeded_weights, write_colours
from run_states import differences
from seeded import photo
from shufflenet.cli import main
from shufflenet.data import ImageSet, open_images
from shufflenet.deploy import RoutedNetwork
from shufflenet.errors import SpecError
from shufflenet.models import create_model, load_model, load_model_and_card
from shufflenet.networks import ShuffleNet
from shufflenet.recipes import Recipe, find_recipe
from shufflenet.train import Session, train
from shufflenet.train._choose_recipe import choose_recipe, fitted_side_px
from shufflenet.train._parameter_groups import freeze, parameter_groups
from test_train import RECIPE, Killed, kill_at, run, setup_for

FROZEN = dataclasses.replace(RECIPE, epochs=2, freeze=2, average=0.9, layer_decay=0.5)
ENOUGH = dataclasses.replace(find_recipe("small-images"), train_px=(32,), image_px=32, epochs=1)


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


def network(name: str = "shufflenet_v2_x0_25") -> ShuffleNet:
    torch.manual_seed(0)
    return create_model(name, num_classes=3, stem_stride=1)


# --- frozen parts ---


@pytest.fixture(scope="module")
def frozen_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "frozen"
    run(open_images(write_colours(tmp_path_factory.mktemp("data"))), out, FROZEN)
    return out


@pytest.mark.parametrize("kept", ["routed", "average"])
def test_frozen_parts_stay_to_the_bit_and_the_rest_learns(kept: str, frozen_run: Path) -> None:
    """Weights and statistics, of the averaged network too, in spite of decay and momentum."""
    net = network()
    before = net.state_dict()
    state = torch.load(frozen_run / "last.pt", weights_only=True)[kept]
    trained = {name.removeprefix("module."): value for name, value in state.items()}
    trained.pop("n_averaged", None)
    after = RoutedNetwork(net).restore_order(trained)
    still = {name for name, value in before.items() if torch.equal(after[name], value)}
    assert still == {name for name in before if name.startswith(("conv1.", "stage2."))}


def test_frozen_parts_have_no_momentum(frozen_run: Path) -> None:
    state = torch.load(frozen_run / "last.pt", weights_only=True)["optimizer"]
    learning = [p for n, p in network().named_parameters() if not n.startswith(("conv1", "stage2"))]
    assert sum(len(group["params"]) for group in state["param_groups"]) == len(learning)
    assert len(state["state"]) == len(learning)


def test_a_run_with_frozen_parts_resumes_to_the_bit(
    images: ImageSet, tmp_path: Path, frozen_run: Path
) -> None:
    with pytest.raises(Killed):
        run(images, tmp_path / "run", FROZEN, on_step=kill_at(5))
    run(images, tmp_path / "run", FROZEN, resume=True)
    assert not differences(tmp_path / "run", frozen_run)


def test_in_64_bits_too_it_resumes_to_the_bit(images: ImageSet, tmp_path: Path) -> None:
    """What was averaged in 64 bits is not read back through 32."""
    recipe = dataclasses.replace(FROZEN, epochs=1)
    run(images, tmp_path / "whole", recipe, precision="64-true")
    with pytest.raises(Killed):
        run(images, tmp_path / "run", recipe, precision="64-true", on_step=kill_at(3))
    run(images, tmp_path / "run", recipe, precision="64-true", resume=True)
    assert not differences(tmp_path / "run", tmp_path / "whole")
    states = [
        torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("run", "whole")
    ]
    first, second = (state["average"]["module.fc.weight"] for state in states)
    assert first.dtype == torch.float64
    assert torch.equal(first, second)


def test_two_processes_tune_as_one_does(tmp_path: Path) -> None:
    """In 64 bits, on noise, of which no variance is so small that rounding decides."""
    rng = np.random.default_rng(0)
    for number in range(16):
        path = tmp_path / "noise" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    how = (
        "--freeze 2 --layer-decay 0.5 --average 0.9 --epochs 1 --batch-size 4 --train-px 32 "
        "--image-px 32 --learning-rate 0.01 --precision 64-true --threads 1 --workers 0 "
        "--model shufflenet_v2_x0_25 --accelerator cpu"
    )
    command = ["train", "--data", str(tmp_path / "noise"), *how.split(), "--out"]
    assert main([*command, str(tmp_path / "1")]) == 0
    program = [sys.executable, "-m", "shufflenet", *command, str(tmp_path / "2"), "--devices", "2"]
    subprocess.run(program, check=True, capture_output=True)  # this process is not to be copied
    one, two = (torch.load(tmp_path / n / "last.pt", weights_only=True) for n in ("1", "2"))
    for kept in ("routed", "average"):
        for name, value in one[kept].items():
            scale = max(1e-3, float(value.double().abs().max()))
            assert float((value - two[kept][name]).abs().max()) < 1e-8 * scale, name


def test_more_parts_than_there_are_cannot_be_frozen(images: ImageSet, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, freeze=5)
    with pytest.raises(
        SpecError, match="freeze is 5, but must be from 0 to 4: shufflenet_v2_x0_25"
    ):
        run(images, tmp_path / "run", recipe)
    assert not (tmp_path / "run").exists()
    for field, value in (("freeze", -1), ("layer_decay", 0.0), ("layer_decay", 1.1)):
        with pytest.raises(SpecError, match=field):
            dataclasses.replace(RECIPE, **{field: value})  # type: ignore[arg-type]  # wrong on purpose


def test_what_is_frozen_stays_so_in_a_compiled_network() -> None:
    net = network()
    freeze(net, FROZEN)
    compiled = torch.compile(net, backend="eager")
    assert isinstance(compiled, nn.Module)
    compiled.train()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    still = [m for part in (net.conv1, net.stages[0]) for m in part.modules()]
    assert [norm.training for norm in norms] == [norm not in still for norm in norms]


# --- a rate for every part ---


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        (
            "shufflenet_v2_x0_25",
            {"fc": 1, "conv5": 0.5, "stage4": 0.25, "stage3": 0.125, "stage2": 1 / 16,
             "conv1": 1 / 32},
        ),
        (
            "shufflenet_v1_g3_x0_5",  # has no head
            {"fc": 1, "stage4": 0.5, "stage3": 0.25, "stage2": 0.125, "conv1": 1 / 16},
        ),
        (
            "shufflenet_v2_plus_small",  # has a neck, and a stage more
            {"fc": 1, "neck": 0.5, "conv5": 0.5, "stage5": 0.25, "stage4": 0.125,
             "stage3": 1 / 16, "stage2": 1 / 32, "conv1": 1 / 64},
        ),
    ],
)  # fmt: skip
def test_every_part_has_its_rate_and_decays_or_not(name: str, factors: dict[str, float]) -> None:
    net = network(name)
    groups = parameter_groups(net, dataclasses.replace(RECIPE, layer_decay=0.5))
    of = {id(p): group for group in groups for p in group["params"]}
    names = dict(net.named_parameters())
    assert len(of) == sum(len(group["params"]) for group in groups) == len(names)
    assert {name.partition(".")[0] for name in names} == factors.keys()
    for key, parameter in names.items():
        group = of[id(parameter)]
        assert group["rate_factor"] == factors[key.partition(".")[0]], key
        assert group["weight_decay"] == (RECIPE.weight_decay if parameter.ndim > 1 else 0), key


def test_a_step_moves_every_part_by_its_rate(images: ImageSet, tmp_path: Path) -> None:
    """The first step from the same weights: its length is proportional to the rate."""
    moved: dict[float, dict[str, float]] = {}
    for decay in (1.0, 0.5):
        net = network()
        before = {name: value.detach().clone() for name, value in net.named_parameters()}
        recipe = dataclasses.replace(RECIPE, layer_decay=decay)
        out = tmp_path / f"{decay}"
        session = Session(
            out=out, accelerator="cpu", workers=0, save_every_s=0.0, on_step=kill_at(2)
        )
        with pytest.raises(Killed):  # the checkpoint is of the first step
            train(setup_for(net, images, recipe), session)
        trained = RoutedNetwork(net).restore_order(
            torch.load(out / "last.pt", weights_only=True)["routed"]
        )
        moved[decay] = {name: float((trained[name] - before[name]).norm()) for name in before}
    for name, factor in (("fc.weight", 1.0), ("conv5.0.weight", 0.5), ("conv1.0.weight", 1 / 32)):
        assert moved[1.0][name] > 0
        assert moved[0.5][name] == pytest.approx(factor * moved[1.0][name], rel=1e-2)


# --- the command line ---


def command(data: Path, out: Path, *more: object) -> list[object]:
    quick = ("--model", "shufflenet_v2_x0_25", "--accelerator", "cpu", "--workers", 0)
    return ["train", "--data", data, "--out", out, "--threads", 1, *quick, *more]


def recorded(out: Path) -> dict[str, Any]:
    recipe: dict[str, Any] = json.loads((out / "run.json").read_text())["recipe"]
    return recipe


def test_a_classifier_of_other_classes_is_replaced_and_logged(
    run: Run, class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = saved(with_seeded_weights(network()), tmp_path / "a.safetensors")
    more = ("--weights", weights, "--freeze", 4, "--epochs", 1, "--layer-decay", 0.7)
    code, out, _ = run(*command(class_folders, tmp_path / "run", *more, "--json"))
    assert code == 0
    assert f"The classifier is new: {weights} knows none of the 3 classes." in caplog.text
    tuned, card = load_model_and_card(json.loads(out)["best"])
    given = load_model(weights)
    assert isinstance(tuned, ShuffleNet)
    assert isinstance(given, ShuffleNet)
    assert [label.id for label in card.labels] == ["blue", "green", "red"]
    assert torch.equal(tuned.stages[2].state_dict()["0.branch1.0.weight"],
                       given.stages[2].state_dict()["0.branch1.0.weight"])  # fmt: skip
    assert not torch.equal(tuned.fc.weight, given.fc.weight)
    assert (recorded(tmp_path / "run")["freeze"], card.origin.started_from[:5]) == (4, "test:")


def test_with_nothing_else_given_it_says_what_it_chose_and_resumes_by_the_same_command(
    run: Run, class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    arguments = command(class_folders, out)
    code, _, err = run(*arguments, "--stop-after", 0)
    assert code == 0
    assert "Stopped at step 0" in err
    said = caplog.text
    for text in (
        "Chosen: recipe small-images, because there are no weights to start from; image size "
        "32 px (the shorter side of yours has 40 px), 46 epochs, batch size 16, learning rate "
        "0.025 for 24 images.",
        "A tenth of every class is held out to validate on, chosen by seed 0.",
        "shufflenet_v2_x0_25, stem stride 1: 21 images to train on and 3 to validate on, "
        "3 classes, 46 epochs.",
        "Classes: blue, green, red.",
        "With 3 images to validate on, one image is 33 points of accuracy.",
        "On the CPU, float32, no loader processes.",
        "see --weights",
    ):
        assert text in said
    first = recorded(out)
    assert (first["name"], first["train_px"], first["image_px"]) == ("small-images", [32], 32)
    code, _, err = run(*arguments, "--resume", "--stop-after", 0)
    assert code == 0, err
    assert recorded(out) == first


def test_weights_are_tuned_at_the_size_they_know(
    run: Run, class_folders: Path, tmp_path: Path, checkpoint: Path
) -> None:
    out = tmp_path / "run"
    code, _, err = run(
        *command(class_folders, out, "--weights", checkpoint, "--stop-after", 0, "--seed", 3)
    )
    assert code == 0, err
    recipe = recorded(out)
    assert (recipe["name"], recipe["train_px"], recipe["image_px"]) == ("fine-tuning", [32], 32)
    assert (recipe["batch_size"], recipe["learning_rate"]) == (16, 0.005)
    assert recipe["seed"] == 3


# --- what is chosen ---


def photographs(folder: Path, sides: list[tuple[int, int]]) -> ImageSet:
    for number, (height, width) in enumerate(sides):
        path = folder / "abc"[number % 3] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo("x", height, width)).save(path)
    return open_images(folder)


@pytest.mark.parametrize(
    ("side", "train_px", "image_px"),
    [(32, (32,), 32), (64, (40, 48), 48), (375, (184, 224), 224), (150, (104, 128), 128)],
)
def test_sizes_are_the_largest_that_enlarge_no_image(
    side: int, train_px: tuple[int, ...], image_px: int, tmp_path: Path
) -> None:
    images = photographs(tmp_path, [(side, side + 100), (side + 50, side)] * 3)
    recipe = choose_recipe(None, {}, images, None)
    assert (recipe.train_px, recipe.image_px) == (train_px, image_px)
    given = choose_recipe(None, {"image_px": 96}, images, None)
    assert (given.train_px, given.image_px) == ((80, 96), 96)
    given = choose_recipe(None, {"train_px": (64, 72)}, images, None)
    assert (given.train_px, given.image_px) == ((64, 72), 72)


@pytest.mark.parametrize(
    ("number", "batch"), [(24, 16), (320, 32), (1000, 64), (1280, 128), (100_000, 128)]
)
def test_an_epoch_of_few_images_has_smaller_batches_and_a_rate_that_suits_them(
    number: int, batch: int, images: ImageSet
) -> None:
    many = dataclasses.replace(images, samples=tuple(images.samples[i % 24] for i in range(number)))
    recipe = choose_recipe(None, {}, many, None)
    assert recipe.batch_size == batch
    assert recipe.learning_rate == pytest.approx(0.2 * batch / 128)
    assert choose_recipe(None, {"batch_size": 8}, many, None).learning_rate == pytest.approx(0.0125)
    assert choose_recipe(None, {"learning_rate": 0.7}, many, None).learning_rate == 0.7


def test_sizes_are_looked_at_all_over_the_set_and_what_is_no_image_has_none(
    tmp_path: Path, images: ImageSet
) -> None:
    sides = [(200, 180) if number % 3 else (50, 60) for number in range(260)]  # class a
    many = photographs(tmp_path / "many", sides)
    assert fitted_side_px(many) == 180
    for sample in images.samples:
        Path(sample.path).write_bytes(b"no image")
    assert fitted_side_px(images) is None
    assert choose_recipe(None, {}, images, None).image_px == 48  # the recipe's own


def test_a_recipe_for_other_images_is_warned_of(
    images: ImageSet, caplog: pytest.LogCaptureFixture
) -> None:
    megvii: Recipe = find_recipe("megvii")
    assert choose_recipe(megvii, {"epochs": 3}, images, None) == dataclasses.replace(
        megvii, epochs=3
    )
    assert "The recipe megvii is for images of 224 px or more, but these have about 40 px" in (
        caplog.text
    )
    caplog.clear()
    choose_recipe(ENOUGH, {}, images, None)
    assert not caplog.text
