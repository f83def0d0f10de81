"""Average precision and answers at one half, against references; what a model computes of a set."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colored_squares import write_squares
from conftest import card_for
from fakes import Reddest
from shufflenet.data import ImageSet, Sample, open_images
from shufflenet.errors import SeveralRightClasses, SpecError
from shufflenet.evaluate import (
    ClassPrecision,
    LabelMistake,
    average_precision,
    compute_logits,
    evaluate,
    measure_label_sets,
    precision_of_classes,
    right_classes,
)
from shufflenet.outside import typed
from shufflenet.spec import Accuracy, AnyAccuracy, Card, MultiLabelAccuracy
from test_runtimes_model import CARD

MULTI_LABEL = dataclasses.replace(CARD, task="multi-label")
FOUR = card_for(dataclasses.replace(CARD.network, classes=4))
SOME = MultiLabelAccuracy(images=8, map=0.75, classes=3, exact=2, found=5, answers=6, right=9)


def slow_average_precision(scores: list[int], right: list[bool]) -> float:
    """Compute the sum over thresholds of precision times the recall that each adds."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        kept = [r for s, r in zip(scores, right, strict=True) if s >= threshold]
        recall = sum(kept) / sum(right)
        total += (recall - before) * sum(kept) / len(kept)
        before = recall
    return total


@given(
    st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=30).filter(
        lambda pairs: any(right for _, right in pairs)
    )
)
def test_average_precision_is_that_of_its_definition(pairs: list[tuple[int, bool]]) -> None:
    scores, right = map(list, zip(*pairs, strict=True))
    found = average_precision(np.array(scores, np.float32), np.array(right))
    assert found == pytest.approx(slow_average_precision(scores, right), abs=1e-12)
    assert 0 < found <= 1


def test_average_precision_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for images in (1, 7, 500):
        logits = rng.normal(size=(images, 4)).round(1).astype(np.float32)
        right = rng.random((images, 4)) < 0.4
        right[0] = True
        each = [x.average_precision for x in precision_of_classes(logits, right, FOUR)]
        expected = [metrics.average_precision_score(right[:, k], logits[:, k]) for k in range(4)]
        assert each == pytest.approx(expected, abs=1e-12)
        whole = measure_label_sets(logits, right)
        assert whole.map == pytest.approx(np.mean(expected))
        f1 = metrics.f1_score(right, logits >= 0, average="micro")
        assert whole.f1 == pytest.approx(f1)
        assert whole.exact == round(images * metrics.accuracy_score(right, logits >= 0))


def test_perfect_and_hopeless_rankings() -> None:
    right = np.array([True, False, True, False])
    assert average_precision(np.array([4, 2, 3, 1], np.float32), right) == 1
    assert average_precision(np.zeros(4, np.float32), right) == 0.5  # equal: the share of right
    assert average_precision(np.array([-np.inf, 0, 1, 2], np.float32), right) == 0.5


def test_counts_are_of_answers_at_one_half() -> None:
    logits = np.array([[0, -1, 3], [-1, -1, -1], [1, 1, -1], [-np.inf] * 3], np.float32)
    right = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]], bool)
    found = measure_label_sets(logits, right)
    assert (found.images, found.exact, found.classes) == (4, 2, 2)  # the last cannot be read
    assert (found.found, found.answers, found.right) == (3, 4, 3)
    assert found.f1 == pytest.approx(6 / 7)
    assert precision_of_classes(logits, right, CARD)[1] == ClassPrecision(1, "green", None, 0)
    nothing = measure_label_sets(logits, np.zeros((4, 3), bool))
    assert (nothing.map, nothing.classes, nothing.f1) == (0, 0, 0)


def test_a_model_answers_a_set_and_an_unreadable_image_comes_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = open_images(write_squares(tmp_path, 9))
    (tmp_path / "004.png").write_bytes(b"no image")
    (tmp_path / "000.png").write_bytes((tmp_path / "001.png").read_bytes())
    mistakes: list[LabelMistake] = []
    counted: list[int] = []
    logits = compute_logits(
        Reddest(MULTI_LABEL),
        images,
        batch=4,
        on_progress=counted.append,
        on_mistake=mistakes.append,
    )
    assert (logits.shape, sum(counted)) == ((9, 3), 9)
    assert np.isneginf(logits[4]).all()
    assert np.isfinite(np.delete(logits, 4, 0)).all()
    assert np.array_equal(logits[0], logits[1])
    assert "It counts as wrong." in caplog.text
    wrong = (logits >= 0) != right_classes(images)
    expected = {s.name for s, w in zip(images.samples, wrong, strict=True) if w.any()}
    assert {each.sample.name for each in mistakes} == expected | {"004.png"}
    unread = [each for each in mistakes if each.error]
    assert [(each.sample.name, each.logits) for each in unread] == [("004.png", None)]


def test_a_classifier_of_one_class_is_not_measured_on_several(tmp_path: Path) -> None:
    images = open_images(write_squares(tmp_path, 3))
    with pytest.raises(SeveralRightClasses, match="answers with one class"):
        evaluate(Reddest(CARD), images)


def test_right_classes_of_any_set() -> None:
    samples = (Sample("a", 1, "a"), Sample("b", 0, "b"))
    alone = ImageSet("x", ("p", "q", "r"), samples)
    assert right_classes(alone).tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"map": 1.5}, "map is 1.5, but must be at most 1"),
        ({"exact": 9}, "exact is 9, but must be a count, of images at most"),
        ({"found": 7}, "found is 7, but must be a count, of answers and of right ones at most"),
        ({"answers": -1}, "answers is -1, but must be at least 0"),
        ({"classes": -1}, "classes is -1, but must be at least 0"),
    ],
)
def test_impossible_counts_are_refused(changes: dict[str, float], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        dataclasses.replace(SOME, **changes)  # type: ignore[arg-type]  # wrong on purpose


def test_a_card_keeps_the_accuracy() -> None:
    card = dataclasses.replace(MULTI_LABEL, multi_label=SOME)
    assert Card.from_json(card.to_json()) == card
    assert '"map": 0.75' in card.to_json()
    with pytest.raises(SpecError, match="multi_label is .* left out of a card of one class"):
        dataclasses.replace(CARD, multi_label=SOME)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"classes": 99}, "classes is 99, but must be at most {}, the network's"),
        (
            {"answers": 999},
            "answers is 999, but must be at most {} an image, the network's classes",
        ),
        ({"right": 999}, "right is 999, but must be at most {} an image, the network's classes"),
    ],
)
def test_a_card_counts_no_classes_that_its_network_lacks(
    changes: dict[str, int], sentence: str
) -> None:
    classes = MULTI_LABEL.network.classes
    counts = dataclasses.replace(SOME, **changes)
    with pytest.raises(SpecError, match=sentence.format(classes)):
        dataclasses.replace(MULTI_LABEL, multi_label=counts)


def test_either_kind_of_accuracy_is_read_from_json() -> None:
    def read(fields: object) -> object:
        return typed(fields, _Holder, "x").accuracy

    counts = Accuracy(images=3, top1=1, top5=2)
    assert read({"accuracy": dataclasses.asdict(counts)}) == counts
    assert read({"accuracy": dataclasses.asdict(SOME)}) == SOME
    assert read({"accuracy": None}) is None
    with pytest.raises(SpecError, match="x.accuracy.images is 'missing', but must be there"):
        read({"accuracy": {"top1": 1}})
    with pytest.raises(SpecError, match="x.accuracy is 3, but must be an object"):
        read({"accuracy": 3})


@dataclasses.dataclass
class _Holder:
    accuracy: AnyAccuracy | None


def test_the_logits_of_float32_rank_as_their_probabilities() -> None:
    logits: npt.NDArray[np.float32] = np.array([20, 30, -200, 40], np.float32)
    right = np.array([True, False, True, False])
    assert average_precision(logits, right) < 0.6  # as probabilities, three would be equal to 1
