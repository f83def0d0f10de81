"""What programs give a model: the same answer by every runtime, or one sentence."""

import multiprocessing
import os
import pickle
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shufflenet
from fakes import Reddest
from seeded import photo
from shufflenet.errors import SpecError
from shufflenet.models import load_model
from shufflenet.preprocess import normalize
from shufflenet.runtimes import Model
from test_runtimes_model import CARD

NAMES = ("onnxruntime", "openvino", "llvm", "torch")
SIDE = 32  # of all images here, for LLVM compiles for each size
AnyArray = npt.NDArray[Any]


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: shufflenet.open_model(runtime=name, threads=2) for name in NAMES}


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def answers(models: dict[str, Model], kind: str, array: object) -> list[AnyArray | str]:
    """Return the logits of each runtime, or the sentence by which it refuses."""
    results: list[AnyArray | str] = []
    for model in models.values():
        try:
            results.append(getattr(model, kind)(array))
        except SpecError as error:
            results.append(str(error))
    return results


def agree(results: Sequence[AnyArray | str], expected: AnyArray | None = None) -> None:
    first = results[0]
    if isinstance(first, str):
        assert set(results) == {first}
        assert first.count("\n") == 0
        return
    expected = first if expected is None else expected
    for result in results:
        assert not isinstance(result, str)
        assert result.dtype == np.float32
        assert result.shape == expected.shape
        largest = np.abs(expected).max(initial=0)
        assert np.abs(result - expected).max(initial=0) <= 1e-4 * largest


VIEWS = (
    "plain",
    "reversed",
    "mirrored",
    "every second",
    "columns first",
    "read-only",
    "big-endian",
)


def view_of(array: AnyArray, how: str) -> AnyArray:
    """Return an array of the same values whose memory is laid out in another way."""
    match how:
        case "reversed":
            return np.ascontiguousarray(array[::-1])[::-1]
        case "mirrored":
            return np.ascontiguousarray(array[:, :, ::-1])[:, :, ::-1]
        case "every second":
            return np.repeat(array, 2, axis=3)[..., ::2]
        case "columns first":
            return np.asfortranarray(array)
        case "read-only":
            array = array.copy()
            array.flags.writeable = False
        case "big-endian":
            return array.astype(array.dtype.newbyteorder(">"))
    return array


@settings(
    max_examples=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    kind=st.sampled_from(["logits", "logits_from_pixels"]),
    dtype=st.sampled_from(["uint8", "float32", "float64", "float16", "int64", "bool", "complex64"]),
    how=st.sampled_from(VIEWS),
    images=st.integers(0, 3),
    channels=st.sampled_from([3, 3, 3, 1, 4]),
)
def test_arrays_of_any_kind_are_answered_alike_or_refused_alike(
    models: dict[str, Model], kind: str, dtype: str, how: str, images: int, channels: int
) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (images, SIDE, SIDE, channels), np.uint8)
    array: AnyArray = pixels
    if kind == "logits":
        array = np.moveaxis(pixels, 3, 1) / np.float32(255)
    results = answers(models, kind, view_of(array.astype(dtype), how))
    agree(results)
    right = dtype == ("float32" if kind == "logits" else "uint8")
    swapped = how == "big-endian" and dtype != "uint8"
    assert isinstance(results[0], str) != (right and channels == 3 and not swapped)
    if not isinstance(results[0], str):
        agree(results, getattr(models["onnxruntime"], kind)(np.ascontiguousarray(array)))


def test_one_pixel_reversed_along_axes_of_one_element_is_answered(models: dict[str, Model]) -> None:
    pixel = np.array([0.1, 0.2, 0.3], np.float32).reshape(1, 3, 1, 1)
    agree(answers(models, "logits", pixel[::-1, :, ::-1]), models["onnxruntime"].logits(pixel))


@pytest.mark.parametrize(
    "array",
    [
        None, "cat.jpg", 3, [[[[0.0]]]], [], b"bytes", np.zeros(3), np.float32(1),
        np.zeros((1, 3, 0, 8), np.float32), np.zeros((1, 0, 8, 3), np.uint8),
        np.ma.MaskedArray(np.zeros((1, 3, SIDE, SIDE), np.float32)), np.array([None]),
        np.full((1, 3, SIDE, SIDE), np.nan, np.float32),
        np.full((1, 3, SIDE, SIDE), -np.inf, np.float32),
        np.full((1, 3, SIDE, SIDE), 3e38, np.float32),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["logits", "logits_from_pixels"])
def test_what_is_no_batch_is_refused_in_one_sentence(
    models: dict[str, Model], kind: str, array: object
) -> None:
    results = answers(models, kind, array)
    assert isinstance(results[0], str)
    agree(results)


def test_no_images_have_no_logits(models: dict[str, Model]) -> None:
    for model in models.values():
        assert model.logits(np.empty((0, 3, SIDE, SIDE), np.float32)).shape == (0, 200)
        assert model.logits_from_pixels(np.empty((0, 9, 9, 3), np.uint8)).shape == (0, 200)
        assert model.classify([]) == model.classify(np.empty((0, 8, 8, 3), np.uint8)) == []


def test_pixels_are_not_written_to(models: dict[str, Model]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    batch = normalize(pixels, models["torch"].card.preprocess)
    before = pixels.copy(), batch.copy()
    for model in models.values():
        model.logits(batch)
        model.logits_from_pixels(pixels)
    assert np.array_equal(before[0], pixels)
    assert np.array_equal(before[1], batch)


# --- threads and processes ---


def test_a_model_is_pickled_as_its_file(
    models: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    for name in ("onnxruntime", "torch"):
        content = pickle.dumps(models[name])
        assert len(content) < 1000
        monkeypatch.chdir("/")
        again = pickle.loads(content)  # noqa: S301  # written two lines above
        assert repr(again) == repr(models[name])
        assert np.array_equal(
            again.logits_from_pixels(pixels), models[name].logits_from_pixels(pixels)
        )
    own = pickle.loads(pickle.dumps(Model(Reddest(CARD))))  # noqa: S301  # its own
    assert own.classify(pixels) == Model(Reddest(CARD)).classify(pixels)


def test_eight_threads_get_what_one_does(models: dict[str, Model]) -> None:
    pictures = [photo(f"thread{number}", 40, 52) for number in range(3)]
    for model in models.values():
        pixels = np.stack([picture[:SIDE, :SIDE] for picture in pictures])
        expected = model.logits_from_pixels(pixels)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(model.logits_from_pixels, [pixels] * 16))
        agree(found, expected)
    expected_answers = models["onnxruntime"].classify(pictures, k=1)
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda _: models["onnxruntime"].classify(pictures, k=1), range(8)):
            assert [a[0].index for a in answer] == [e[0].index for e in expected_answers]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("name", NAMES)
def test_a_process_answers_that_was_forked_after_a_batch(
    models: dict[str, Model], name: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3), np.uint8)
    expected = models[name].logits_from_pixels(pixels)

    def answer() -> None:
        found = models[name].logits_from_pixels(pixels)
        os._exit(0 if np.allclose(found, expected, rtol=1e-4, atol=1e-4) else 3)

    warnings.simplefilter("ignore")  # newer Pythons warn of a fork while there are threads
    child = multiprocessing.get_context("fork").Process(target=answer)
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
        pytest.fail("it hangs")
    assert child.exitcode == 0
    agree([models[name].logits_from_pixels(pixels)], expected)


@pytest.mark.parametrize("name", [None, 5, b"default", ["default"]])
def test_a_model_that_is_no_name_and_no_path_is_refused_in_one_sentence(name: object) -> None:
    for opening in (shufflenet.open_model, load_model):
        with pytest.raises(SpecError, match="the model is .*, but must be a name of `shufflenet"):
            opening(cast("str", name))


@pytest.mark.parametrize("runtime", [None, ["torch"], {}])
def test_a_runtime_that_is_no_text_is_refused_in_one_sentence(runtime: object) -> None:
    with pytest.raises(SpecError, match="runtime is .*, but must be 'auto'"):
        shufflenet.open_model(runtime=cast("str", runtime))
