"""What programs give ``classify``, and classifiers whose answer is none."""

import io
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fakes import Reddest
from seeded import photo
from shufflenet.errors import ImageError, LogitsNotNumbers, OtherOutput, ShuffleNetError, SpecError
from shufflenet.preprocess import Pixels, normalize
from shufflenet.runtimes import Classifier, Model, Picture, classify, run_batches
from test_runtimes_model import CARD

SIDE = 32


def test_images_in_memory_of_every_kind_are_classified_alike() -> None:
    model = Model(Reddest(CARD))
    pixels = photo("door", 40, 52)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    (expected,) = model.classify(pixels)
    views: list[Picture] = [
        pixels[::-1][::-1], np.asfortranarray(pixels), np.repeat(pixels, 2, axis=1)[:, ::2],
        content.getvalue(), bytearray(content.getvalue()), memoryview(content.getvalue()),
    ]  # fmt: skip
    for picture in views:
        assert model.classify(picture) == [expected]
    assert model.classify(iter(views)) == [expected] * len(views)
    flipped = np.ascontiguousarray(pixels[:, ::-1])
    assert model.classify(pixels[:, ::-1]) == model.classify(flipped)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "images is 'of type NoneType', but must be a path"),
        (3, "images is 'of type int'"),
        ({"cat.jpg": 1}, "images is 'of type dict'"),
        (io.BytesIO(b""), "images is 'of type BytesIO'"),
        ([1, 2, 3], "an image is 'of type int', but must be a path, the bytes of an image file"),
        ([None], "an image is 'of type NoneType'"),
        ([["cat.jpg"]], "an image is 'of type list'"),
        (np.zeros((4, 4)), r"float64 \(4, 4\)"),
        (np.array("cat.jpg"), "must be uint8"),
        (np.broadcast_to(np.uint8(0), (10**6, 10**6, 3)), "must be of at most"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(given: object, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        Model(Reddest(CARD)).classify(cast("Picture", given))


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_an_image_without_pixels_is_told(size: tuple[int, int]) -> None:
    empty = Image.new("RGB", size)
    model = Model(Reddest(CARD))
    result, answered = model.classify([empty, Image.new("RGB", (9, 9))], errors="return")
    assert str(result) == f"Cannot read 'image' as an image: it has {size[0]} x {size[1]} pixels."
    assert isinstance(answered, list)


@pytest.mark.parametrize("path", ["", ".", "none.jpg", "a\0b.jpg"])
def test_paths_that_lead_to_no_image_are_named(path: str) -> None:
    for place in (path, Path(path)):
        with pytest.raises(ImageError, match="Cannot read"):
            Model(Reddest(CARD)).classify(place)


@pytest.mark.parametrize("k", [0, -1, 2.0, "3", None, True])
def test_k_is_a_whole_number_of_at_least_one(k: object) -> None:
    with pytest.raises(SpecError, match="must be a whole number of at least 1"):
        Model(Reddest(CARD)).classify([], k=cast("int", k))


def test_k_may_exceed_the_classes_and_be_of_numpy() -> None:
    pixels = photo("door", 40, 52)
    assert len(Model(Reddest(CARD)).classify(pixels, k=10**30)[0]) == 3
    assert len(Model(Reddest(CARD)).classify(pixels, k=cast("int", np.int64(2)))[0]) == 2


def test_one_broken_image_does_not_lose_the_others() -> None:
    model, good = Model(Reddest(CARD)), photo("door", 40, 52)
    first, broken, last = model.classify([good, b"broken", good], errors="return")
    assert first == last == model.classify(good)[0]
    assert isinstance(broken, ImageError)
    with pytest.raises(ImageError, match="Cannot read"):
        model.classify([good, b"broken", good])
    with pytest.raises(SpecError, match="errors is 'ignore', but must be 'raise' or 'return'"):
        model.classify(good, errors=cast("Any", "ignore"))


# --- classifiers whose answers are none ---


class Wrong(Reddest):
    """A classifier that answers with something else than finite logits, or not at all."""

    def __init__(self, answer: object) -> None:
        super().__init__(CARD)
        self.answer = answer

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return cast("npt.NDArray[np.float32]", self.answer)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (np.array([[0, np.nan, 0]], np.float32), LogitsNotNumbers),
        (np.array([[0, 0, np.inf]], np.float32), LogitsNotNumbers),
        (np.zeros((1, 2), np.float32), OtherOutput),
        (np.zeros((2, 3), np.float32), OtherOutput),
        (np.zeros(3, np.float32), OtherOutput),
        (np.zeros((1, 3), np.int64), OtherOutput),
        (MemoryError(), ShuffleNetError),
        (RuntimeError("first line\nsecond"), ShuffleNetError),
    ],
)
def test_no_answer_is_told_as_one_at_any_door(answer: object, error: type[Exception]) -> None:
    classifier = cast("Classifier", Wrong(answer))
    model, pixels = Model(classifier), np.zeros((1, SIDE, SIDE, 3), np.uint8)
    for door in (
        lambda: model.logits(normalize(pixels, CARD.preprocess)),
        lambda: model.logits_from_pixels(pixels),
        lambda: model.classify(pixels),
        lambda: list(classify(classifier, [pixels[0]])),
    ):
        with pytest.raises(error) as caught:
            door()
        assert "\n" not in str(caught.value)
        assert "'test'" in str(caught.value)


def test_vectors_that_are_not_finite_are_no_answer() -> None:
    def network(pixels: Pixels) -> npt.NDArray[np.float32]:
        return np.full((len(pixels), 7), np.nan, np.float32)

    with pytest.raises(LogitsNotNumbers):
        list(run_batches(network, CARD, [photo("door", 40, 52)], batch=1))


def test_the_largest_finite_logits_have_probabilities() -> None:
    largest = np.finfo(np.float32).max
    for row, chances in (
        ((largest, -largest, 0), [1.0, 0.0, 0.0]),
        ((-largest,) * 3, [1 / 3] * 3),
        ((largest,) * 3, [1 / 3] * 3),
    ):
        found = Model(cast("Classifier", Wrong(np.array([row], np.float32)))).classify(
            np.zeros((8, 8, 3), np.uint8)
        )[0]
        assert [p.probability for p in found] == pytest.approx(chances)
        assert [row[p.index] for p in found] == sorted(row, reverse=True)
