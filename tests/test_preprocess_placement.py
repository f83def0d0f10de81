"""Where an image lies in the input: against where the resize puts a marked rectangle."""

import io
from typing import Literal, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shufflenet.preprocess import decode_as, decoded_size, placement, resize_and_crop
from shufflenet.spec import Fit, Preprocess

sides = st.integers(1, 90)


def how_of(
    fit: Fit, height: int, width: int, *, more: int = 0, offset: Literal["round", "floor"] = "round"
) -> Preprocess:
    resize_px = min(height, width) + (more if fit == "crop" else 0)
    black = (0.0, 0.0, 0.0)  # what a pad is filled with
    return Preprocess(
        resize_px=resize_px,
        crop_px=(height, width),
        fit=fit,
        crop_offset=offset,
        mean=black,
    )


hows = st.builds(
    how_of,
    st.sampled_from(get_args(Fit)),
    sides,
    sides,
    more=st.integers(0, 20),
    offset=st.sampled_from(["round", "floor"]),
)


@given(hows, sides, sides, st.tuples(*[st.floats(0, 1)] * 4))
def test_a_box_goes_there_and_back(
    how: Preprocess, width: int, height: int, shares: tuple[float, ...]
) -> None:
    place = placement(width, height, how)
    left, right = sorted(width * share for share in shares[:2])
    top, bottom = sorted(height * share for share in shares[2:])
    boxes = np.array([[left, top, right, bottom]])
    np.testing.assert_allclose(place.to_image(place.to_input(boxes)), boxes, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(get_args(Fit)),
    st.sampled_from([(64, 64), (64, 96), (96, 32)]),
    st.tuples(st.integers(60, 160), st.integers(60, 160)),
    st.tuples(*[st.floats(0.3, 0.45), st.floats(0.55, 0.7)] * 2),
)
def test_a_marked_rectangle_lies_where_it_is_said_to(
    fit: Fit,
    size: tuple[int, int],
    image_size: tuple[int, int],
    shares: tuple[float, ...],
) -> None:
    height, width = image_size
    left, right = (round(width * share) for share in shares[:2])
    top, bottom = (round(height * share) for share in shares[2:])
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[top:bottom, left:right] = 255
    how = how_of(fit, *size)
    seen = resize_and_crop(Image.fromarray(pixels), how)[..., 0] / 255
    expected = placement(width, height, how).to_input(np.array([[left, top, right, bottom]]))[0]
    found_width, found_height = seen.max(axis=0).sum(), seen.max(axis=1).sum()
    inside = np.clip(expected, 0, (size[1], size[0]) * 2)
    found_width /= max(seen.max(), 1e-9)
    found_height /= max(seen.max(), 1e-9)
    # Pixels on an edge are gray in the share that is covered, or spread over two.
    assert found_width == pytest.approx(inside[2] - inside[0], abs=1)
    assert found_height == pytest.approx(inside[3] - inside[1], abs=1)
    total, rows = seen.sum(), seen.sum(axis=1) @ (np.arange(size[0]) + 0.5)
    columns = seen.sum(axis=0) @ (np.arange(size[1]) + 0.5)
    center = (inside[:2] + inside[2:]) / 2
    assert [columns / total, rows / total] == pytest.approx(center.tolist(), abs=0.35)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("exif", [True, False])
def test_the_size_is_that_of_the_image_as_it_is_seen(turn: int, exif: bool) -> None:
    image = Image.new("RGB", (64, 32))
    tags = Image.Exif()
    tags[0x0112] = turn
    file = io.BytesIO()
    image.save(file, "PNG", exif=tags)
    how = Preprocess(resize_px=32, crop_px=32, fit="pad", exif=exif)
    height, width = decoded_size(decode_as(file.getvalue(), how))
    place = placement(width, height, how)
    lies = exif and turn >= 5
    assert (place.width, place.height) == ((32, 64) if lies else (64, 32))
    assert place.offset == ((8, 0) if lies else (0, 8))
