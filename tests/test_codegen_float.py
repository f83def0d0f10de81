"""Float32 networks as machine code: the logits of ONNX Runtime, for any size and processor."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from exported import THIN, export
from narrow import NARROW
from shufflenet.machine import host_target
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import NetworkSpec, SearchedStage, Stage, V1Spec, V2PlusSpec
from tolerance import FLOAT32_RELATIVE

pytest.importorskip("llvmlite")

from shufflenet.codegen import build, jit
from shufflenet.codegen.plan import PIXELS
from shufflenet.graph import read_network
from shufflenet.runtimes import LlvmClassifier

pytestmark = pytest.mark.xdist_group("codegen")  # a worker exports the thin network once


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(THIN, tmp_path_factory.mktemp("thin") / "thin.onnx")


def images(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def assert_same(classifier: LlvmClassifier, path: Path, batch: npt.NDArray[np.float32]) -> None:
    expected = OnnxClassifier(path).logits(batch)
    difference = np.abs(classifier.logits(batch) - expected).max()
    assert difference <= FLOAT32_RELATIVE * np.abs(expected).max()


OTHERS: dict[str, NetworkSpec] = {
    "groups": V1Spec(
        name="groups",
        groups=3,
        stages=(Stage(channels=60, repeats=3), Stage(channels=108, repeats=2)),
        stem_channels=9,
        classes=7,
    ),
    "grouped at once": V1Spec(
        name="grouped at once",
        groups=2,
        stages=(Stage(channels=40, repeats=2),),
        first_grouped=True,
        shuffle="inverse",
        classes=7,
    ),
    "a channel a group": V1Spec(
        name="a channel a group", groups=8, stages=(Stage(channels=32, repeats=2),), classes=7
    ),
    "searched": V2PlusSpec(
        name="searched",
        stages=(
            SearchedStage(channels=28, kinds=("7x7", "3x3", "5x5")),
            SearchedStage(channels=36, kinds=("xception", "7x7", "xception"), middles=(9, 20, 13)),
        ),
        head_channels=40,
        classes=7,
    ),
}


# What is special of one network is the order of its channels, whatever the length of vectors; of
# another, that groups are shorter than the longest of them.
NARROW_ONLY, WIDE_ONLY = "grouped at once", "a channel a group"


@pytest.mark.parametrize("name", OTHERS)
def test_it_computes_v1_and_searched_networks(name: str, tmp_path: Path) -> None:
    path = export(OTHERS[name], tmp_path / "other.onnx")
    if name != NARROW_ONLY:
        assert_same(LlvmClassifier(path, threads=1), path, images(2, 3, 41, 30))
    if name != WIDE_ONLY:
        narrow = LlvmClassifier(path, threads=1, target=NARROW)
        assert_same(narrow, path, images(2, 3, 64, 64))


@pytest.mark.parametrize("size", [(33, 70), (1, 1)])
def test_it_computes_what_onnxruntime_does(thin: Path, size: tuple[int, int]) -> None:
    assert_same(LlvmClassifier(thin, threads=1), thin, images(2, 3, *size))


@pytest.mark.parametrize(
    ("lanes", "registers", "size"),
    [(4, 16, (7, 224)), (4, 32, (50, 64)), (16, 32, (33, 70))],  # the last may be this processor
)
def test_it_does_with_vectors_of_other_processors(
    thin: Path, lanes: int, registers: int, size: tuple[int, int]
) -> None:
    target = replace(host_target(int8=False), vector_bytes=4 * lanes, registers=registers)
    assert_same(LlvmClassifier(thin, threads=1, target=target), thin, images(2, 3, *size))


def test_large_maps_are_made_in_strips(thin: Path) -> None:
    classifier = LlvmClassifier(thin, threads=1)
    assert_same(classifier, thin, images(1, 3, 512, 512))
    first, second = images(2, 3, 512, 512)
    before = classifier.logits(first[None])
    classifier.logits(second[None])  # what it left in the arena changes nothing
    assert np.array_equal(classifier.logits(first[None]), before)


def test_more_images_than_are_classified_at_once(thin: Path) -> None:
    classifier = LlvmClassifier(thin, threads=2, target=NARROW)
    assert_same(classifier, thin, images(PIXELS + 3, 3, 9, 9))


def test_what_is_no_number_stays_none(thin: Path) -> None:
    """Runtimes refuse such images; weights of such files must not be hidden by a ReLU."""
    image = np.full((3, 40, 40), np.nan, np.float32)
    network, _ = read_network(thin)
    compiled = jit(build(network, NARROW, (3, 40, 40)))
    assert np.isnan(compiled.logits([compiled.features(image)])).all()
