"""Every fit, size, resizer, number of channels and bits, against a slow and plain reference."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shufflenet.errors import SpecError
from shufflenet.outside import typed
from shufflenet.preprocess import (
    Pixels,
    decoded_size,
    mean_color,
    normalize,
    resize,
    resize_and_crop,
    scaled_size,
)
from shufflenet.spec import Preprocess

COUNTS = {"rgb": 3, "bgr": 3, "gray": 1, "rgba": 4, "stored": 6}
sides = st.integers(1, 24)


@st.composite
def preprocessing(draw: st.DrawFn, /, **fixed: object) -> Preprocess:
    """Draw a preprocessing of small images."""
    fit = draw(st.sampled_from(["crop", "pad", "squash"]))
    size = draw(st.tuples(sides, sides))
    more = draw(st.integers(0, 9)) if fit == "crop" else 0
    channels = draw(st.sampled_from(list(COUNTS)))
    bits = draw(st.sampled_from([8, 16]))
    count = COUNTS[channels]
    numbers: st.SearchStrategy[tuple[float, ...]] = st.tuples(*[st.floats(0, 1)] * count)
    fields: dict[str, Any] = {
        "resize_px": min(size) + more,
        "crop_px": size,
        "fit": fit,
        "channels": channels,
        "bits": bits,
        "resizer": "pillow" if bits == 16 else draw(st.sampled_from(["pillow", "opencv"])),
        "longer_side": draw(st.sampled_from(["floor", "round", "half-up"])),
        "crop_offset": draw(st.sampled_from(["round", "floor"])),
        "mean": draw(numbers),
        "std": draw(numbers.map(lambda drawn: tuple(each + 0.1 for each in drawn))),
    }
    fields |= fixed
    return Preprocess(**fields)


def drawn_image(how: Preprocess, height: int, width: int, seed: int) -> Pixels:
    values = np.random.default_rng(seed).integers(
        0, how.max_value + 1, (height, width, how.in_channels)
    )
    return values.astype(np.uint8 if how.bits == 8 else np.uint16)


def fraction_size(height: int, width: int, how: Preprocess) -> tuple[Fraction, Fraction]:
    """The height and the width that an image should be scaled to, not rounded."""
    high, wide = how.size_px
    if how.fit == "squash":
        return Fraction(high), Fraction(wide)
    larger = Fraction(how.resize_px, min(how.size_px))
    scales = (high * larger / height, wide * larger / width)
    scale = max(scales) if how.fit == "crop" else min(scales)
    return height * scale, width * scale


@given(how=preprocessing(), height=st.integers(1, 60), width=st.integers(1, 60))
def test_an_image_is_scaled_as_the_fit_says(how: Preprocess, height: int, width: int) -> None:
    to_width, to_height = scaled_size(width, height, how)
    for got, exact in zip((to_height, to_width), fraction_size(height, width, how), strict=True):
        thin = max(Fraction(to_height, to_width), Fraction(to_width, to_height))
        assert abs(got - exact) < 2 * thin  # as one side is rounded from the other
        assert got >= 1
    if how.fit == "crop":
        assert to_height >= how.height_px
        assert to_width >= how.width_px
    if how.fit == "pad":
        assert to_height <= how.height_px
        assert to_width <= how.width_px
        assert to_height == how.height_px or to_width == how.width_px


@given(width=st.integers(1, 9999), height=st.integers(1, 9999), side=st.integers(1, 512))
@settings(max_examples=300)
def test_a_square_s_shorter_side_is_resize_px_and_the_other_rounds(
    width: int, height: int, side: int
) -> None:
    how = Preprocess(resize_px=side + 3, crop_px=side)
    longer = Fraction(side + 3) * max(width, height) / min(width, height)
    got = sorted(scaled_size(width, height, how))
    assert got[0] == side + 3
    assert got[1] in (int(longer), int(longer * (1 - Fraction(1, 2**52))))


def whole(image: Pixels, size: tuple[int, int], how: Preprocess) -> npt.NDArray[np.float64]:
    """Resize a whole image, ``(h, w, c)``, each channel by itself."""
    if how.bits == 16:
        rows, columns = (triangles(image.shape[axis], size[axis]) for axis in (0, 1))
        mixed: npt.NDArray[np.float64] = np.einsum("yi,ijc,xj->yxc", rows, image, columns)
        return mixed
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], 2), float)
        for plane in np.moveaxis(image, -1, 0)
    ]
    return np.stack(planes, -1)


def triangles(source: int, to: int) -> npt.NDArray[np.float64]:
    """The weights of each source pixel in each resized one, ``(to, source)``, by a loop."""
    scale, weights = source / to, np.zeros((to, source))
    reach = max(scale, 1.0)
    for row in range(to):
        center = (row + 0.5) * scale
        for column in range(source):
            if int(max(center - reach + 0.5, 0)) <= column < int(center + reach + 0.5):
                weights[row, column] = max(0.0, 1 - abs(column + 0.5 - center) / reach)
    weights /= weights.sum(1, keepdims=True)
    return weights


def reference(image: Pixels, how: Preprocess) -> npt.NDArray[np.float64]:
    """What resizing whole, and then cutting or padding, gives."""
    size = scaled_size(image.shape[1], image.shape[0], how)[::-1]
    resized = whole(image, size, how)
    if how.fit == "squash":
        return resized
    start = round if how.crop_offset == "round" else int
    spare = [abs(have - want) for have, want in zip(size, how.size_px, strict=True)]
    top, left = (start(each / 2) for each in spare)
    high, wide = how.size_px
    if how.fit == "crop":
        return resized[top : top + high, left : left + wide]
    padded = np.zeros((high, wide, image.shape[2])) + mean_color(how)
    padded[top : top + size[0], left : left + size[1]] = resized
    return padded


@given(
    how=preprocessing(resizer="pillow"),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_pixels_are_those_of_the_whole_image_resized(
    how: Preprocess, height: int, width: int, seed: int
) -> None:
    image = drawn_image(how, height, width, seed)
    got = resize_and_crop(image, how)
    assert got.shape == (*how.size_px, how.in_channels)
    assert got.dtype == image.dtype
    off = np.abs(got - reference(image, how))
    # Bytes are Pillow's; thin images are resized along rows first, whatever Pillow does.
    sides = height * how.width_px, width * how.height_px
    exact = how.bits == 8 and max(sides) <= 16 * min(sides)
    assert off.max() <= (0 if exact else 0.5001 if how.bits == 16 else 1)


@given(how=preprocessing(bits=8), height=st.integers(1, 30), width=st.integers(1, 30))
@settings(deadline=None)
def test_channels_do_not_mix_and_one_alone_gives_the_same(
    how: Preprocess, height: int, width: int
) -> None:
    image = drawn_image(how, height, width, 1)
    together = resize_and_crop(image, how)
    order = -1 if how.channels == "bgr" else 1
    for at in range(how.in_channels):
        mean = how.mean[::order][at]
        alone = replace(how, channels="stored", mean=(mean,), std=(1.0,))
        found = resize_and_crop(np.ascontiguousarray(image[..., at : at + 1]), alone)
        np.testing.assert_array_equal(together[..., at : at + 1], found)


@given(how=preprocessing(channels="rgb", mean=(0.1, 0.5, 1.0), std=(1.0, 1.0, 1.0), bits=8))
def test_an_image_of_pillow_and_an_array_become_the_same(how: Preprocess) -> None:
    array = drawn_image(how, 23, 31, 2)
    found = resize_and_crop(Image.fromarray(array), how)
    np.testing.assert_array_equal(found, resize_and_crop(array, how))


@given(how=preprocessing(), seed=st.integers(0, 99))
def test_normalizing_is_its_formula(how: Preprocess, seed: int) -> None:
    pixels = drawn_image(how, *how.size_px, seed)
    order = -1 if how.channels == "bgr" else 1
    expected = (
        pixels[..., ::order] / how.max_value * how.value_range - np.array(how.mean)
    ) / np.array(how.std)
    found = normalize(pixels, how)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.moveaxis(expected, -1, 0), atol=1e-4)


@given(how=preprocessing().filter(lambda drawn: drawn.fit == "pad"))
def test_padding_is_about_zero_to_the_network(how: Preprocess) -> None:
    color = mean_color(how)[None, None]
    step = how.value_range / how.max_value / min(how.std)
    assert np.abs(normalize(color, how)).max() <= step / 2 + 1e-4


def test_a_size_alone_is_resized_to() -> None:
    how = Preprocess(resize_px=8, crop_px=8)
    image = drawn_image(how, 9, 12, 0)
    assert decoded_size(image) == decoded_size(Image.fromarray(image)) == (9, 12)
    assert resize(image, (4, 5), how).shape == (4, 5, 3)
    np.testing.assert_array_equal(
        resize(image, (4, 5), how), np.asarray(Image.fromarray(image).resize((5, 4), 2))
    )


def test_a_very_wide_image_needs_little_memory() -> None:
    how = Preprocess(resize_px=8, crop_px=8, channels="gray", mean=(0.5,), std=(1.0,), bits=16)
    image = np.broadcast_to(np.uint16(7), (1, 65_535, 1))
    assert (resize_and_crop(image, how) == 7).all()


GRAY: dict[str, Any] = {"channels": "gray", "mean": (0.5,), "std": (0.5,)}


SHORTER = "resize_px is 16, but must be 8, the shorter side of crop_px, for"
STORED: dict[str, Any] = {"channels": "stored"}
MEAN_IMAGE: dict[str, Any] = {"crop_px": 224, "resize_px": 224, "mean_image": "megvii-imagenet-224"}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"crop_px": (9, 0)}, "crop_px is (9, 0), but must be a height and a width, 1 to 4096."),
        ({"crop_px": (9,)}, "crop_px is (9,), but must be a height and a width"),
        ({"crop_px": (9, 8, 7)}, "crop_px is (9, 8, 7), but must be a height and a width"),
        ({"crop_px": (20, 64)}, "16, but must be at least the shorter side of crop_px, 20."),
        ({"resize_px": 40, "crop_px": (8, 4096)}, "resize_px is 40, but must be at most 32."),
        ({"fit": "pad"}, f"{SHORTER} 'pad'."),
        ({"fit": "squash"}, f"{SHORTER} 'squash'."),
        ({"fit": "stretch"}, "fit is 'stretch', but must be 'crop', 'pad' or 'squash'."),
        ({"bits": 12}, "bits is 12, but must be 8 or 16."),
        ({"bits": 16, "resizer": "opencv"}, "is 'opencv', but must be 'pillow' for 16 bits."),
        ({"channels": "gray"}, "but must be 1 number each, std positive."),
        ({"channels": "rgba"}, "but must be 4 numbers each, std positive."),
        (STORED | {"mean": ()}, "the number of means is 0, but must be 1 to 64, one for each ch"),
        (STORED | {"mean": (0.0,) * 65}, "the number of means is 65, but must be 1 to 64"),
        (STORED | {"mean": (0.0,) * 5}, "but must be 5 numbers each, std positive."),
        (GRAY | {"mean": (2e6,)}, "mean is (2000000.0,), but must be 1 number of at most 1e+06."),
        (GRAY | {"std": (1e-9,)}, "std is (1e-09,), but must be 1 number from 1e-06 to 1e+06."),
        (GRAY | MEAN_IMAGE, "'megvii-imagenet-224', but must be '': it is for cropped RGB of 8"),
    ],
)
def test_what_no_preprocessing_is(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        Preprocess(**{"resize_px": 16, "crop_px": 8} | fields)
    assert sentence in str(caught.value)


@given(how=preprocessing())
def test_json_holds_it_and_an_older_version_reads_what_it_knows(how: Preprocess) -> None:
    fields = json.loads(json.dumps(how.to_fields()))
    assert typed(fields, Preprocess, "preprocess") == how
    assert ("fit" in fields) == (how.fit != "crop")
    assert ("bits" in fields) == (how.bits != 8)
    assert isinstance(fields["crop_px"], int) == (how.height_px == how.width_px)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([1, 2, 3], "preprocess.crop_px is [1, 2, 3], but must be a list of 2."),
        ([1, "2"], "preprocess.crop_px[1] is '2', but must be a whole number."),
        ("224", "preprocess.crop_px is '224', but must be a whole number."),
        (None, "preprocess.crop_px is None, but must be a whole number."),
    ],
)
def test_a_card_s_size_is_a_number_or_two(value: object, sentence: str) -> None:
    fields = {"resize_px": 8, "crop_px": value}
    with pytest.raises(SpecError) as caught:
        typed(fields, Preprocess, "preprocess")
    assert str(caught.value) == sentence


def test_a_square_is_written_in_one_way() -> None:
    assert Preprocess(resize_px=8, crop_px=(8, 8)) == Preprocess(resize_px=8, crop_px=8)
    how = Preprocess(resize_px=256, crop_px=224)
    assert how.cropped_to((96, 96)) == how.cropped_to(96)
    wide = replace(how, resize_px=224, crop_px=(224, 448), fit="pad")
    assert wide.cropped_to((56, 112)) == replace(wide, resize_px=56, crop_px=(56, 112))
