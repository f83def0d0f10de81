"""Training on images that are not RGB squares: crops, what is read, the first convolution."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import Run, saved
from run_states import differences
from seeded import photo
from shufflenet.cli import main
from shufflenet.data import Sample, open_images
from shufflenet.errors import (
    ManyChannels,
    NoReadableImages,
    OtherChannels,
    RunDiffers,
    SeveralChannelCounts,
    SpecError,
    TeacherOfOtherChannels,
)
from shufflenet.models import create_model, load_model, load_model_and_card, with_preprocess
from shufflenet.preprocess import decode_as, normalize, resize_and_crop
from shufflenet.recipes import Size, find_recipe, preprocess_for
from shufflenet.spec import Card, Fit, Label, Origin, Preprocess
from shufflenet.train import Job, Reading, Session, _jpeg, _load_crop, train_job
from shufflenet.train._choose_preprocess import choose_preprocess
from shufflenet.train._choose_recipe import choose_recipe
from shufflenet.train._job import open_setup
from shufflenet.train._load_crop import load_crop
from shufflenet.train._teacher import open_teacher
from shufflenet.train.augment import Crop
from test_train import Killed, kill_at

FITS: tuple[Fit, ...] = ("crop", "pad", "squash")
SHORT = dataclasses.replace(
    find_recipe("small-images"),
    epochs=2,
    batch_size=4,
    train_px=((16, 40), (16, 48)),
    image_px=(16, 48),
)


def planes(name: str, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """Return an image of any number of channels, ``(height, width, channels)``."""
    parts = [photo(f"{name}{number}", height, width) for number in range(-(-channels // 3))]
    return np.ascontiguousarray(np.concatenate(parts, axis=2)[..., :channels])


def write_image(path: Path, pixels: npt.NDArray[Any]) -> Path:
    """Write an image of 1 to 4 channels as PNG, of more as TIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels.shape[2] <= 4:
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)
        return path
    tifffile = pytest.importorskip("tifffile")
    path = path.with_suffix(".tif")
    tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig")
    return path


def write_classes(
    folder: Path, channels: int = 1, bits: int = 8, size: tuple[int, int] = (20, 48), each: int = 6
) -> Path:
    """Write two classes of images, one dark and one bright."""
    for number, name in enumerate(("dark", "light")):
        for index in range(each):
            pixels = (planes(f"{name}{index}", *size, channels) // 2 + 100 * number).astype(
                np.uint8
            )
            values = pixels if bits == 8 else pixels.astype(np.uint16) * 200
            write_image(folder / name / f"{index}.png", values)
    return folder


def reading(channels: str, bits: int = 8, fit: Fit = "crop", size: Size = 24) -> Preprocess:
    count = {"gray": 1, "rgb": 3, "rgba": 4}.get(channels, 5)
    return dataclasses.replace(
        preprocess_for(size, fit),
        channels=channels,  # type: ignore[arg-type]  # one of them
        bits=bits,  # type: ignore[arg-type]  # likewise
        mean=(0.4,) * count,
        std=(0.2,) * count,
    )


# --- crops ---


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    to=st.tuples(st.integers(16, 40), st.integers(16, 40)),
    fit=st.sampled_from(FITS),
    kind=st.sampled_from([("gray", 8), ("rgb", 8), ("rgba", 8), ("gray", 16)]),
    seed=st.integers(0, 2**32),
)
def test_a_crop_has_the_size_channels_and_bits_of_the_input(
    size: tuple[int, int],
    to: tuple[int, int],
    fit: Fit,
    kind: tuple[str, int],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pixels = planes("a", *size, 1)
    values = pixels if kind[1] == 8 else pixels.astype(np.uint16) * 257
    path = write_image(tmp_path_factory.mktemp("crop") / "a.png", values)
    how = reading(*kind, fit, to)
    crop = load_crop(Sample("a.png", 0, str(path)), how, 0.08, np.random.default_rng(seed))
    assert tuple(crop.shape) == (*how.size_px, how.in_channels)
    assert crop.dtype == (torch.uint8 if kind[1] == 8 else torch.uint16)
    if fit != "pad":
        colors = crop.numpy()[..., :3]  # without opacity
        assert values.min() <= colors.min() <= colors.max() <= values.max()


@pytest.mark.parametrize(
    "kind", [("gray", 8), ("rgb", 8), ("rgba", 8), ("stored", 8), ("gray", 16)]
)
@pytest.mark.parametrize("fit", ["pad", "squash"])
@pytest.mark.parametrize("size", [(30, 70), (70, 30), (33, 100)])
def test_a_part_that_is_the_whole_image_is_what_validation_sees(
    kind: tuple[str, int],
    fit: Fit,
    size: tuple[int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channels, bits = kind
    how = reading(channels, bits, fit, (24, 56))
    pixels = planes("whole", *size, how.in_channels)
    values = pixels if bits == 8 else pixels.astype(np.uint16) * 257
    path = write_image(tmp_path / "a.png", values)
    expected = resize_and_crop(decode_as(path.read_bytes(), how), how).astype(np.int64)
    whole = Crop(0, 0, size[1], size[0], mirrored=False)
    monkeypatch.setattr(_load_crop, "random_crop", lambda *_: whole)
    crop = load_crop(Sample(path.name, 0, str(path)), how, 0.5, np.random.default_rng(1))
    assert np.abs(crop.numpy().astype(np.int64) - expected).max() <= (1 if bits == 8 else 257)


def test_padding_is_the_mean_color_and_in_the_middle(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", np.full((10, 40, 3), 250, np.uint8))
    how = preprocess_for(32, "pad")
    crop = load_crop(Sample("a.png", 0, str(path)), how, 0.5, np.random.default_rng(0)).numpy()
    is_image = (crop == 250).all(axis=2)
    assert (crop[~is_image] == np.array([124, 116, 104])).all()
    rows, columns = np.flatnonzero(is_image.any(1)), np.flatnonzero(is_image.any(0))
    assert is_image.sum() == len(rows) * len(columns)
    assert abs(rows[0] - (31 - rows[-1])) <= 1
    assert (columns[0], columns[-1]) == (0, 31)


def test_mirroring_can_be_left_out_and_nothing_else_changes(tmp_path: Path) -> None:
    sample = Sample("a.png", 0, str(write_image(tmp_path / "a.png", planes("m", 40, 50, 3))))
    mirrored = 0
    for seed in range(20):
        both = [
            load_crop(sample, preprocess_for(32), 0.5, np.random.default_rng(seed), mirror=mirror)
            for mirror in (True, False)
        ]
        same = torch.equal(*both)
        assert same or torch.equal(both[0].flip(1), both[1])
        mirrored += not same
    assert 4 < mirrored < 16


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_gray_of_a_jpeg_is_the_same_by_every_decoder(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    Image.fromarray(photo("jpeg", 120, 160)).convert(mode).save(content, "JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(content.getvalue())
    png = write_image(tmp_path / "a.png", np.asarray(decode_as(path, reading("gray"))))
    for seed in range(4):
        fast, slow, decoded = (
            load_crop(
                Sample("a", 0, str(file)),
                reading("gray", size=64),
                0.5,
                np.random.default_rng(seed),
            )
            for file in (path, path, png)
        )
        assert torch.equal(fast, decoded)
        with monkeypatch.context() as patch:
            patch.setattr(_jpeg, "simplejpeg", None)
            slow = load_crop(
                Sample("a", 0, str(path)),
                reading("gray", size=64),
                0.5,
                np.random.default_rng(seed),
            )
        assert torch.equal(fast, slow)


# --- runs ---


def train_on(data: Path, out: Path, how: Reading, **session: object) -> Card:
    job = Job(data=data, val_fraction=0.34, reading=how, model="shufflenet_v2_x0_25")
    options = {"accelerator": "cpu", "workers": 0, "save_every_s": 0.0, **session}
    result = train_job(job, SHORT, Session(out=out, **options))  # type: ignore[arg-type]  # checked by the callers
    return load_model_and_card(result.best or "")[1]


PADDED = Reading(channels="gray", fit="pad")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The images and the folder of a run on gray rectangles that was not killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train_on(write_classes(folder / "data"), folder / "whole", PADDED)
    return folder / "data", folder / "whole"


@pytest.mark.parametrize("step", [1, 2, 3])
def test_gray_padded_rectangles_resume_to_the_bit(
    step: int, undisturbed: tuple[Path, Path], tmp_path: Path
) -> None:
    data, whole = undisturbed
    card = load_model_and_card(whole / "best.safetensors")[1]
    assert card.preprocess.size_px == (16, 48)
    assert (card.preprocess.fit, card.preprocess.channels) == ("pad", "gray")
    assert card.network.in_channels == 1
    with pytest.raises(Killed):
        train_on(data, tmp_path / "run", PADDED, on_step=kill_at(step))
    train_on(data, tmp_path / "run", PADDED, resume=True)
    assert not differences(tmp_path / "run", whole)


def test_a_run_does_not_go_on_with_another_reading(undisturbed: tuple[Path, Path]) -> None:
    said = "reading of images .--channels: gray then, rgb now; --fit: pad then, crop now"
    with pytest.raises(RunDiffers, match=said):
        train_on(*undisturbed, Reading(), resume=True)


def test_the_record_of_a_run_holds_what_is_read_and_older_records_mean_the_usual(
    tmp_path: Path,
) -> None:
    data = write_classes(tmp_path / "data", channels=3)
    with pytest.raises(Killed):
        train_on(data, tmp_path / "run", Reading(), on_step=kill_at(2))
    file = tmp_path / "run" / "run.json"
    record = json.loads(file.read_text())
    assert record.pop("reading of images") == {"channels": "rgb", "bits": 8, "fit": "crop"}
    assert record["recipe"]["image_px"] == [16, 48]
    del record["recipe"]["mirror"]
    assert not {"fit", "bits"} & record["card"]["preprocess"].keys()
    file.write_text(json.dumps(record))
    train_on(data, tmp_path / "run", Reading(), resume=True)


@pytest.mark.parametrize(
    ("channels", "bits", "how"),
    [
        (1, 16, Reading(channels="gray", bits=16, fit="squash")),
        (4, 8, Reading(channels="rgba")),
        (5, 8, Reading(channels="stored", fit="pad")),
        (5, 16, Reading(channels="stored", bits=16)),
    ],
)
def test_any_channels_are_trained_on_and_start_another_run(
    channels: int, bits: int, how: Reading, tmp_path: Path
) -> None:
    data = write_classes(tmp_path / "data", channels, bits)
    card = train_on(data, tmp_path / "run", how)
    assert card.network.in_channels == card.preprocess.in_channels == channels
    assert card.preprocess.bits == bits
    job = Job(data=data, val_fraction=0.34, weights=tmp_path / "run")
    assert open_setup(job, SHORT, "again").card.preprocess == card.preprocess
    colors = Reading(channels="rgb", bits=8)
    job = dataclasses.replace(job, data=write_classes(tmp_path / "rgb", 3), reading=colors)
    setup = open_setup(job, SHORT, "colors")
    assert setup.net.spec.in_channels == setup.card.preprocess.in_channels == 3
    assert (setup.card.preprocess.bits, setup.card.preprocess.fit) == (8, card.preprocess.fit)


# --- what is read ---


def test_mean_and_deviation_are_those_of_the_pixels(tmp_path: Path) -> None:
    data = open_images(write_classes(tmp_path, channels=1, size=(16, 48)))
    how = choose_preprocess(Reading(channels="gray"), (16, 48), data, None)
    pixels = np.stack([np.asarray(Image.open(sample.path)) for sample in data.samples]) / 255
    assert how.mean == (round(float(pixels.mean()), 4),)
    assert how.std == (round(float(pixels.std()), 4),)
    assert how == choose_preprocess(Reading(channels="gray"), (16, 48), data, None)


def test_a_channel_that_is_the_same_everywhere_is_not_divided_by_nothing(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / name / "0.png", np.full((20, 20, 4), 255, np.uint8))
    how = choose_preprocess(Reading(channels="rgba"), 32, open_images(tmp_path), None)
    assert (how.mean, how.std) == ((1.0,) * 4, (1.0,) * 4)


def test_without_channels_or_weights_the_usual_preprocessing_is_left(tmp_path: Path) -> None:
    data = open_images(write_classes(tmp_path, channels=3))
    assert choose_preprocess(Reading(), 32, data, None) == preprocess_for(32)
    assert choose_preprocess(Reading(fit="pad"), 32, data, None) == preprocess_for(32, "pad")


@pytest.mark.parametrize(
    ("channels", "bits", "how", "said"),
    [
        (1, 8, Reading(), "The images are gray, and read as rgb. See --channels gray."),
        (3, 8, Reading(channels="gray"), "have colors, and are read as gray. See --channels rgb."),
        (
            4,
            8,
            Reading(),
            "Of 4 images looked at, 4 have opacity: they are blended with white. See",
        ),
        (1, 16, Reading(), "The images have 16 bits a value, and are read as 8. See --bits 16."),
        (
            1,
            8,
            Reading(bits=16),
            "The images have 8 bits a value, and are read as 16. See --bits 8.",
        ),
        (1, 8, Reading(channels="gray"), ""),
        (5, 16, Reading(channels="stored", bits=16), ""),
    ],
)
def test_what_reading_loses_is_told_with_its_option(
    channels: int,
    bits: int,
    how: Reading,
    said: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "shufflenet")
    data = open_images(write_classes(tmp_path, channels, bits, each=2))
    choose_preprocess(how, 32, data, None)
    assert said in caplog.text if said else not caplog.text


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint32])
def test_no_option_is_named_for_bits_that_are_not_read(
    dtype: type[np.generic], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tifffile = pytest.importorskip("tifffile")
    caplog.set_level("INFO", "shufflenet")
    for name in ("dark", "light"):
        (tmp_path / name).mkdir()
        values = planes(name, 20, 20, 3).astype(dtype)
        tifffile.imwrite(tmp_path / name / "0.tif", values, photometric="rgb")
    choose_preprocess(Reading(), 32, open_images(tmp_path), None)
    assert "--bits" not in caplog.text


def test_channels_that_images_do_not_have_are_refused(tmp_path: Path) -> None:
    five = open_images(write_classes(tmp_path / "five", 5, each=2))
    for channels in ("rgb", "rgba", "gray", None):
        with pytest.raises(ManyChannels, match="images of 5 channels, .* Use --channels stored"):
            choose_preprocess(Reading(channels=channels), 32, five, None)
    write_classes(tmp_path / "mixed", 1, each=2)
    write_image(tmp_path / "mixed" / "dark" / "colors.png", planes("c", 20, 20, 3))
    mixed = open_images(tmp_path / "mixed")
    with pytest.raises(SeveralChannelCounts, match="4 images of 1 channel, 1 image of 3 channels"):
        choose_preprocess(Reading(channels="stored"), 32, mixed, None)
    known = card(reading("stored", size=32))
    gray = open_images(write_classes(tmp_path / "gray", 1, each=2))
    with pytest.raises(OtherChannels, match="images of 1 channel, .* take 5. Use --channels stor"):
        choose_preprocess(Reading(), 32, gray, known)
    assert choose_preprocess(Reading(channels="stored"), 32, gray, known).in_channels == 1


def test_why_no_image_can_be_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = write_classes(tmp_path / "data", 1)
    for file in data.glob("*/*.png"):
        file.write_bytes(b"broken")
    with pytest.raises(NoReadableImages):
        train_on(data, tmp_path / "run", Reading(channels="gray"))
    assert "Cannot read 'dark/0.png' as an image: it is empty or not an image." in caplog.text


@pytest.mark.parametrize("augmented", [{"trivial": True}, {"randaugment": 2}])
def test_operations_of_bytes_are_refused_for_16_bits(
    augmented: dict[str, Any], tmp_path: Path
) -> None:
    data = write_classes(tmp_path / "data", 1, 16)
    job = Job(data=data, reading=Reading(channels="gray", bits=16), model="shufflenet_v2_x0_25")
    with pytest.raises(SpecError, match="bits is 16, but must be 8 with --trivial or --randaug"):
        train_job(job, SHORT, Session(out=tmp_path / "run", workers=0), augmented)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--image-px", "32x96", "neither a number of px, 1 or more, nor HEIGHT,WIDTH"),
        ("--image-px", "0", "neither a number of px"),
        (
            "--train-px",
            "a",
            "'a' is no list of sizes such as 40,48 or, height by width, 24x72,32x9",
        ),
        ("--train-px", "32x", "no list of sizes"),
        ("--fit", "stretch", "invalid choice: 'stretch'"),
        ("--channels", "cmyk", "invalid choice: 'cmyk'"),
        ("--bits", "12", "invalid choice: 12"),
    ],
)
def test_options_that_mean_nothing_are_wrong_usage(
    option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--data", "data", "--out", "run", option, value])
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_sizes_that_are_too_small_are_refused(run: Run, tmp_path: Path) -> None:
    data = write_classes(tmp_path / "data", each=2)
    code, out, err = run("train", "--data", data, "--out", tmp_path / "r", "--image-px", "8,96")
    assert (code, out) == (1, "")
    assert "image_px is (8, 96), but must be at least 16 and at most 4096." in err


@pytest.mark.parametrize(
    ("recipe", "fields", "fit", "train_px", "image_px"),
    [
        (None, {"image_px": (40, 120)}, "crop", ((32, 96), (40, 120)), (40, 120)),
        (None, {"image_px": (32, 32)}, "crop", (32,), 32),
        (None, {"image_px": 28}, "squash", (28,), 28),
        (None, {"train_px": ((24, 72), (32, 96))}, "pad", ((24, 72), (32, 96)), (32, 96)),
        (None, {}, "crop", (40, 48), 48),  # of 60 x 150 px: 48 of 55
        (None, {}, "squash", (40, 48), 48),
        (None, {}, "pad", (104, 128), 128),  # the longer side of 150 becomes that
        ("torchvision", {"image_px": (32, 96)}, "crop", ((32, 72),), (32, 96)),
        ("torchvision", {"image_px": 64}, "crop", (176,), 64),
    ],
)
def test_sizes_are_chosen_and_training_follows_a_rectangle(
    recipe: str | None,
    fields: dict[str, Size | tuple[Size, ...]],
    fit: Fit,
    train_px: tuple[Size, ...],
    image_px: Size,
    tmp_path: Path,
) -> None:
    data = open_images(write_classes(tmp_path, 3, size=(60, 150), each=1))
    found = choose_recipe(find_recipe(recipe) if recipe else None, fields, data, None, fit)
    assert (found.train_px, found.image_px) == (train_px, image_px)


# --- the first convolution ---


def card(how: Preprocess) -> Card:
    net = create_model("shufflenet_v2_x0_25", num_classes=2, in_channels=how.in_channels)
    labels = (Label("a", "a"), Label("b", "b"))
    origin = Origin(data="", licence="")
    return Card(name="c", network=net.spec, preprocess=how, labels=labels, origin=origin)


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "shufflenet_v1_g3_x0_25"])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("value_range", [1, 255])
def test_a_gray_image_gives_what_its_copy_in_colors_gave_but_for_the_border(
    name: str, order: Literal["rgb", "bgr"], value_range: Literal[1, 255]
) -> None:
    net = create_model(name, num_classes=3).eval()
    torch.nn.init.uniform_(net.get_buffer("conv1.1.running_mean"), -1, 1)
    how = preprocess_for(32)
    numbers = np.array([how.mean, how.std]) * value_range
    before = dataclasses.replace(
        how,
        channels=order,
        value_range=value_range,
        mean=tuple(numbers[0].tolist()),
        std=tuple(numbers[1].tolist()),
    )
    after = dataclasses.replace(
        before, channels="gray", mean=(0.47 * value_range,), std=(0.3 * value_range,)
    )
    gray = with_preprocess(net, before, after)
    pixels = photo("gray", 40, 40)[None, ..., :1]
    with torch.no_grad():
        expected = net.conv1(torch.from_numpy(normalize(pixels.repeat(3, axis=3), before)))
        found = gray.conv1(torch.from_numpy(normalize(pixels, after)))
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    assert torch.allclose(found[inside], expected[inside], atol=1e-4 * float(expected.abs().max()))
    assert not torch.allclose(found, expected, atol=1e-3)  # padding stands for another color


def test_weights_of_gray_images_give_the_same_for_colors_that_are_gray() -> None:
    before = dataclasses.replace(preprocess_for(32), channels="gray", mean=(0.4,), std=(0.3,))
    after = dataclasses.replace(preprocess_for(32), mean=(0.4,) * 3, std=(0.3,) * 3)
    net = create_model("shufflenet_v2_x0_25", num_classes=3, in_channels=1).eval()
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        found = with_preprocess(net, before, after)(images.expand(-1, 3, -1, -1))
        assert torch.allclose(found, net(images), atol=1e-5)


def test_red_stays_red_where_blue_came_first() -> None:
    before = dataclasses.replace(preprocess_for(32), channels="bgr")
    after = reading("rgba", size=32)
    net = create_model("shufflenet_v2_x0_25", num_classes=3).eval()
    known = net.get_parameter("conv1.0.weight")
    found = with_preprocess(net, before, after).get_parameter("conv1.0.weight")
    assert torch.allclose(found[:, 0], known[:, 2] * 0.75)
    assert torch.allclose(found[:, 2], known[:, 0] * 0.75)
    assert torch.allclose(found[:, 3], known.mean(1) * 0.75)
    back = with_preprocess(with_preprocess(net, before, after), after, before)
    assert torch.allclose(back.get_parameter("conv1.0.weight"), known * 0.75)


def test_the_model_that_ships_starts_a_gray_network_whose_answers_hardly_change(
    tmp_path: Path,
) -> None:
    net, known = load_model_and_card("default")
    data = open_images(write_classes(tmp_path))
    how = choose_preprocess(Reading(channels="gray"), known.preprocess.crop_px, data, known)
    assert how.mean == pytest.approx((np.mean(known.preprocess.mean),))
    gray = with_preprocess(net, known.preprocess, how).eval()
    pixels = photo("gray", *how.size_px)[None, ..., :1]
    with torch.no_grad():
        expected = net(torch.from_numpy(normalize(pixels.repeat(3, axis=3), known.preprocess)))
        found = gray(torch.from_numpy(normalize(pixels, how)))
    assert float((found - expected).abs().max()) < 0.05 * float(expected.abs().max())


# --- teachers ---


def test_a_teacher_of_colors_sees_gray_images_in_three_channels(tmp_path: Path) -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1).eval()
    path = saved(net, tmp_path / "t.safetensors")
    labels = load_model_and_card(path)[1].labels
    colors, gray = (open_teacher(path, labels, reading(kind, size=32)) for kind in ("rgb", "gray"))
    deep, clear = (
        open_teacher(path, labels, how) for how in (reading("gray", 16), reading("rgba"))
    )
    images = torch.randint(0, 256, (2, 1, 32, 32)).float()
    expected = colors(images.expand(-1, 3, -1, -1))
    assert torch.equal(gray(images), expected)
    assert torch.allclose(deep(images * 257), expected, atol=1e-4)
    assert torch.equal(clear(images.expand(-1, 4, -1, -1)), expected)
    with pytest.raises(TeacherOfOtherChannels, match="takes rgb of 3 channels, and stored of 5"):
        open_teacher(path, labels, reading("stored"))
    assert load_model(path).spec.in_channels == 3
