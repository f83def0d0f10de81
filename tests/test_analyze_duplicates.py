"""Photos that are there twice: in a set, and between training and validation."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import shufflenet.analyze._duplicates as room  # for its thresholds and the size of its blocks
from answering import answers_of
from shufflenet.analyze import Answers, answer, duplicates, duplicates_between
from shufflenet.data import ImageSet, Sample
from shufflenet.runtimes import Answering, open_answering
from shufflenet.zoo import SHIPPED

Small = npt.NDArray[np.uint8]


def looking(small: Small, embeddings: npt.NDArray[np.float32]) -> Answers:
    count = len(small)
    return answers_of([0] * count, np.full((count, 2), 0.5), embeddings=embeddings, small=small)


def random_looks(count: int, seed: int) -> tuple[Small, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    return small, np.abs(rng.normal(size=(count, 16))).astype(np.float32)


@settings(max_examples=25)
@given(st.integers(0, 40), st.integers(0, 999), st.integers(1, 9))
def test_pairs_are_those_that_comparing_all_finds(count: int, seed: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    small, embeddings = random_looks(count, seed)
    for at in range(count):  # chains of copies, some with other embeddings, some flat
        kind = rng.integers(0, 4)
        if at and kind == 0:
            small[at] = small[rng.integers(0, at)]
        elif at and kind == 1:
            source = rng.integers(0, at)
            small[at], embeddings[at] = small[source], embeddings[source]
        elif kind == 2:
            small[at] = 17
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "_BLOCK", block)
        patch.setattr(room, "_CANDIDATES", 100)
        found = duplicates(looking(small, embeddings))
    assert found is not None
    expected: dict[int, float] = {}
    for at in range(count):
        for before in range(at):
            one, other = (small[i].reshape(-1).astype(float) for i in (at, before))
            if min(one.std(), other.std()) < 2:
                continue
            alike = np.corrcoef(one, other)[0, 1]
            lengths = np.prod([np.linalg.norm(embeddings[i]) for i in (at, before)])
            cosine = embeddings[at] @ embeddings[before] / lengths
            if alike >= 0.98 and cosine >= 0.5:
                expected[at] = max(expected.get(at, 0), alike)
    assert {int(each.sample.name.split(".")[0]) for each in found} == set(expected)
    for each in found:
        at, before = (int(s.name.split(".")[0]) for s in (each.sample, each.other))
        assert before < at
        assert each.correlation == pytest.approx(expected[at], abs=1e-5)
        assert each.correlation <= 1


def test_the_same_image_again_and_again_is_named_once_each() -> None:
    small, embeddings = random_looks(1, 0)
    found = duplicates(looking(small.repeat(3000, axis=0), embeddings.repeat(3000, axis=0)))
    assert found is not None
    assert len({each.sample for each in found}) == len(found) == 2999


def test_what_looks_alike_at_8_pixels_needs_the_network_to_agree() -> None:
    small, embeddings = random_looks(2, 0)
    small[1] = small[0]
    embeddings[1] = np.where(embeddings[0] < np.median(embeddings[0]), 1, 0)
    assert duplicates(looking(small, embeddings)) == ()
    embeddings[1] = embeddings[0] * 3
    (pair,) = duplicates(looking(small, embeddings)) or ()
    assert (pair.sample.name, pair.other.name, pair.same_label) == ("1.jpg", "0.jpg", True)


# --- real files ---


def encoded(image: Image.Image, **how: object) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", **how)
    return content.getvalue()


@pytest.fixture(scope="module")
def network() -> Answering:
    assert SHIPPED.onnx
    return open_answering(SHIPPED.onnx, threads=1)


def write_set(folder: Path, images: dict[str, bytes], label: int = 0) -> ImageSet:
    samples = []
    for name, content in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        samples.append(Sample(name, label, str(folder / name)))
    return ImageSet(str(folder), ("a", "b"), tuple(samples))


def photos_of(count: int) -> dict[str, Image.Image]:
    """Pictures of coarse colored squares, which a resized copy keeps."""
    found = {}
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        large = Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC)
        found[f"{number}.png"] = large
    return found


def test_copies_in_other_files_are_found_and_nothing_else(
    network: Answering, tmp_path: Path
) -> None:
    originals = photos_of(12)
    first = originals["0.png"]
    copies = {
        "same.jpg": encoded(first, quality=95),
        "worse.jpg": encoded(first, quality=40),
        "larger.jpg": encoded(first.resize((256, 192)), quality=90),
        "smaller.jpg": encoded(first.resize((96, 72)), quality=90),
    }
    validation = write_set(
        tmp_path / "val", {name: encoded(each, quality=95) for name, each in originals.items()}
    )
    answers = answer(network, validation)
    assert duplicates(answers) == ()
    done: list[int] = []
    training = write_set(
        tmp_path / "train",
        {
            **{
                name: encoded(each.transpose(Image.Transpose.ROTATE_180))
                for name, each in originals.items()
            },
            "broken.jpg": b"junk",
            "worse.jpg": copies["worse.jpg"],
        },
        label=1,
    )
    (leaked,) = (
        duplicates_between(answers, network, training, batch=3, on_progress=done.append) or ()
    )
    assert (leaked.sample.name, leaked.other.name, leaked.same_label) == (
        "0.png",
        "worse.jpg",
        False,
    )
    assert sum(done) == len(training)
    whole = write_set(
        tmp_path / "both", {**{s.name: s.read() for s in validation.samples}, **copies}
    )
    found = duplicates(answer(network, whole))
    assert found is not None
    assert {each.sample.name for each in found} == set(copies)
    assert {each.other.name for each in found} <= {"0.png", *copies}


def test_blocks_of_training_images_change_nothing(
    network: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    originals = photos_of(7)
    images = write_set(tmp_path, {name: encoded(each) for name, each in originals.items()})
    answers = answer(network, images)
    expected = duplicates_between(answers, network, images)
    assert expected is not None
    assert {(each.sample, each.other) for each in expected} == {(s, s) for s in images.samples}
    monkeypatch.setattr(room, "_BLOCK", 2)
    again = duplicates_between(answers, network, images, batch=2)
    assert {(each.sample, each.other) for each in again or ()} == {(s, s) for s in images.samples}


def test_without_embeddings_or_images_there_is_nothing_to_compare(
    network: Answering, tmp_path: Path
) -> None:
    images = write_set(tmp_path, {"a.jpg": encoded(photos_of(1)["0.png"]), "b.jpg": b"junk"})
    answers = answer(network, images)
    silent = replace(answers, embeddings=None)
    assert (duplicates(silent), duplicates_between(silent, network, images)) == (None, None)
    assert duplicates_between(answers, replace(network, dimensions=0), images) is None
    nothing = ImageSet("none", images.classes, ())
    assert duplicates_between(answers, network, nothing) == ()
    empty = answer(network, nothing)
    assert (len(empty), duplicates(empty)) == (0, ())
    assert duplicates_between(empty, network, images) == ()
