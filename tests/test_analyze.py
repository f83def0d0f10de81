"""What answers say, against references that are written out slowly."""

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from answering import answers_of
from fakes import Reddest
from shufflenet.analyze import (
    Answers,
    Unread,
    answer,
    by_brightness,
    by_size,
    calibration,
    class_rows,
    compare,
    confident_mistakes,
    confused_pairs,
    count_confusion,
    duplicates,
    mcnemar,
    share_of,
    suspects,
)
from shufflenet.analyze._answers import row_blocks  # no other room needs it
from shufflenet.data import ImageSet, Sample, open_images, relabel
from shufflenet.errors import ImageError
from shufflenet.evaluate import evaluate
from shufflenet.labels import class_index
from shufflenet.preprocess import Pixels
from shufflenet.runtimes import Answering, answering
from test_runtimes_model import CARD

MANY = settings(max_examples=40)


@st.composite
def some_answers(draw: st.DrawFn) -> Answers:
    """Answers with ties, classes without images, and probabilities near 0 and 1."""
    classes, count = draw(st.integers(1, 6)), draw(st.integers(0, 30))
    seed, spread = draw(st.integers(0, 999)), draw(st.sampled_from([0.5, 3.0, 40.0]))
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(size=(count, classes)) * spread)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    labels = rng.integers(0, classes, count).tolist()
    return answers_of(labels, shares / shares.sum(axis=1, keepdims=True))


def confident_fixture() -> Answers:
    shares = np.array([[0.15, 0.8, 0.05], [0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.0, 0.0, 1.0]])
    return answers_of([0, 0, 1, 2], shares)


# --- shares ---


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_of_a_published_table(
    count: int, total: int, low: float, high: float
) -> None:
    share = share_of(count, total)
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5)
    mirrored = share_of(total - count, total)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - share.high, 1 - share.low))


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_the_ends_of_an_interval_are_where_the_score_test_is_just_rejected(
    total: int, part: float
) -> None:
    count = round(part * total)
    share = share_of(count, total)
    assert 0 <= share.low <= count / total <= share.high <= 1
    for end in (share.low, share.high):
        if 0 < end < 1:
            score = abs(count / total - end) / math.sqrt(end * (1 - end) / total)
            assert score == pytest.approx(1.959963984540054, rel=1e-6)


def test_of_nothing_a_share_says_nothing() -> None:
    share = share_of(0, 0)
    assert (share.value, share.low, share.high) == (None, 0, 1)


# --- answers ---


@MANY
@given(some_answers())
def test_ranks_predictions_and_probabilities_are_those_of_each_row(answers: Answers) -> None:
    for at, label in enumerate(answers.labels):
        logits = answers.logits[at].astype(float)
        rank = sum(each >= logits[label] for each in logits)
        assert answers.rank[at] == rank
        assert answers.correct[at] == (rank == 1)
        assert logits[answers.predicted[at]] == logits.max()
        powers = [math.exp(each - logits.max()) for each in logits]
        for of, found in (
            (label, answers.own_probability),
            (answers.predicted[at], answers.confidence),
        ):
            assert found[at] == pytest.approx(powers[of] / sum(powers), rel=1e-9)


def test_rows_are_cut_into_blocks_without_a_rest() -> None:
    blocks = list(row_blocks(5000, 1000))
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(5000))
    assert {block.stop - block.start for block in blocks[:-1]} == {(1 << 24) // 8000}
    assert list(row_blocks(0, 5)) == []


def test_one_pass_counts_as_evaluate_does_and_tells_of_each_photo(class_folders: Path) -> None:
    (class_folders / "red" / "3.png").write_bytes(b"")
    (class_folders / "blue" / "5.png").replace(class_folders / "green" / "5.png")
    Image.new("RGB", (90, 30), (0, 0, 255)).save(class_folders / "blue" / "0.png")
    images = relabel(open_images(class_folders), ["red", "green", "blue"], class_index(CARD.labels))
    done: list[int] = []
    answers = answer(answering(Reddest(CARD)), images, batch=5, on_progress=done.append)
    counts = evaluate(Reddest(CARD), images)
    assert (len(answers) + len(answers.unread), sum(done)) == (counts.images, counts.images)
    assert int(answers.correct.sum()) == counts.top1 == 21
    (broken,) = answers.unread
    assert (images.samples[broken.place], broken.sample.name) == (broken.sample, "red/3.png")
    assert [s for s in images.samples if s != broken.sample] == list(answers.samples)
    assert answers.labels.tolist() == [sample.label for sample in answers.samples]
    at = [sample.name for sample in answers.samples].index("blue/0.png")
    assert (answers.widths[at], answers.heights[at], answers.brightness[at]) == (90, 30, 85)
    assert (answers.small[at] == (0, 0, 255)).all()
    assert {tuple(size) for size in zip(answers.widths, answers.heights, strict=True)} == {
        (90, 30),
        (48, 40),
    }
    assert (answers.embeddings, duplicates(answers)) == (None, None)


def test_photos_of_one_channel_and_16_bits_are_answered_in_a_rectangle(tmp_path: Path) -> None:
    gray = replace(CARD.preprocess, channels="gray", mean=(0.5,), std=(0.5,))
    how = replace(gray, bits=16, crop_px=(24, 40))
    card = replace(CARD, network=replace(CARD.network, in_channels=1), preprocess=how)
    levels = np.random.default_rng(0).integers(0, 1 << 16, (50, 60)).astype(np.uint16)
    samples = []
    for name in ("a.png", "b.png"):
        Image.fromarray(levels).save(tmp_path / name)
        samples.append(Sample(name, 1, str(tmp_path / name)))
    shapes: list[tuple[object, ...]] = []

    def rows(pixels: Pixels) -> np.ndarray:
        shapes.append((pixels.shape, pixels.dtype))
        return np.ones((len(pixels), 3 + 4), np.float32)

    images = ImageSet("two", ("r", "g", "b"), tuple(samples))
    answers = answer(Answering(card, 4, rows), images)
    assert shapes == [((2, 24, 40, 1), np.uint16)]
    assert answers.small.shape == (2, 8, 8, 1)
    assert answers.brightness[0] == pytest.approx(127, abs=8)
    (pair,) = duplicates(answers) or ()
    assert (pair.sample.name, pair.other.name) == ("b.png", "a.png")


# --- classes ---


@MANY
@given(some_answers())
def test_confusions_and_classes_are_counted_one_by_one(answers: Answers) -> None:
    pairs = Counter(zip(answers.labels.tolist(), answers.predicted.tolist(), strict=True))
    confusion = count_confusion(answers)
    classes = answers.card.network.classes
    for label in range(classes):
        for other in range(classes):
            assert confusion.counts[label, other] == pairs[label, other]
    wrong = {pair: count for pair, count in pairs.items() if pair[0] != pair[1]}
    found = confused_pairs(confusion, 100)
    assert {(each.label, each.predicted): each.images for each in found} == wrong
    assert [each.images for each in found] == sorted(wrong.values(), reverse=True)
    for each in found:
        of_class = [at for at, label in enumerate(answers.labels) if label == each.label]
        assert each.of == len(of_class)
    for row in class_rows(answers, confusion):
        images = sum(pairs[row.index, other] for other in range(classes))
        named = sum(pairs[other, row.index] for other in range(classes))
        assert (row.accuracy.count, row.accuracy.total) == (pairs[row.index, row.index], images)
        assert (row.precision.count, row.precision.total) == (pairs[row.index, row.index], named)
        assert row.named == named
        most = max((wrong.get((row.index, other), 0) for other in range(classes)), default=0)
        assert row.confused == most
        if row.confused_with is not None:
            assert wrong[row.index, row.confused_with] == most > 0
        else:
            assert most == 0


def test_an_image_that_was_not_read_counts_as_wrong_in_its_class() -> None:
    sample = Sample("x.jpg", 2, "x.jpg")
    answers = replace(
        confident_fixture(), unread=(Unread(4, sample, ImageError("x.jpg", "it is empty")),)
    )
    row = class_rows(answers, count_confusion(answers))[2]
    assert (row.accuracy.count, row.accuracy.total, row.unread) == (1, 2, 1)
    assert (row.id, row.name, row.precision.total) == ("id2", "c", 1)


# --- mistakes and labels ---


def test_the_most_confident_mistakes_come_first() -> None:
    answers = confident_fixture()
    first, second = confident_mistakes(answers, 10)
    assert (first.place, first.label, first.predicted, first.rank) == (0, 0, 1, 2)
    assert (first.probability, first.own_probability) == pytest.approx((0.8, 0.15))
    assert (second.place, second.predicted, second.rank) == (2, 0, 2)  # a tie: the other class
    assert confident_mistakes(answers, 1) == (first,)


@MANY
@given(some_answers())
def test_suspects_are_those_of_confident_learning(answers: Answers) -> None:
    """Northcutt et al. 2021, section 3: thresholds and the confident joint, image by image."""
    classes = answers.card.network.classes
    shares = answers.probabilities(slice(0, len(answers)))
    thresholds = {}
    for label in range(classes):
        own = [shares[at, label] for at in range(len(answers)) if answers.labels[at] == label]
        if own:
            thresholds[label] = math.fsum(own) / len(own)
    found = suspects(answers, 1000)
    doubted = {
        at
        for at, label in enumerate(answers.labels.tolist())
        if not answers.correct[at] and shares[at, label] < thresholds[label] * (1 - 1e-12)
    }
    assert doubted <= {each.place for each in found}
    ranked = [each.label_probability for each in found]
    assert ranked == sorted(ranked)
    for each in found:
        assert (each.label, each.suggested) == (
            answers.labels[each.place],
            answers.predicted[each.place],
        )
        row = shares[each.place]
        above = [j for j, least in thresholds.items() if row[j] >= least]
        near = [j for j, least in thresholds.items() if math.isclose(row[j], least, rel_tol=1e-9)]
        if not near:
            best = max(above, key=lambda j: row[j], default=None)
            assert each.confident == (best is not None and best != each.label)


def test_swapped_labels_are_named_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 500)
    logits = rng.normal(size=(500, 10)) + 6 * np.eye(10)[truth]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = truth.copy()
    swapped = rng.choice(500, 20, replace=False)
    labels[swapped] = (labels[swapped] + 1 + rng.integers(0, 9, 20)) % 10
    found = suspects(answers_of(labels.tolist(), shares), 20)
    assert len({each.place for each in found} & set(swapped.tolist())) >= 19
    assert sum(each.suggested == truth[each.place] for each in found) >= 19
    assert sum(each.confident for each in found) >= 10  # about half are as sure as the mean


# --- calibration and groups ---


@MANY
@given(some_answers(), st.integers(1, 20))
def test_calibration_is_the_sum_over_bins_of_the_paper(answers: Answers, bins: int) -> None:
    found = calibration(answers, bins)
    assert [(each.low, each.high) for each in found.bins] == [
        (m / bins, (m + 1) / bins) for m in range(bins)
    ]
    error = 0.0
    for each in found.bins:
        inside = [
            at
            for at in range(len(answers))
            if each.low * bins < answers.confidence[at] * bins <= each.high * bins
            or (math.isclose(answers.confidence[at] * bins, round(each.high * bins), abs_tol=0))
        ]
        assert each.accuracy.total == len(inside)
        if not inside:
            assert each.confidence is None
            continue
        right = sum(bool(answers.correct[at]) for at in inside)
        mean = math.fsum(answers.confidence[at] for at in inside) / len(inside)
        assert each.accuracy.count == right
        assert each.confidence == pytest.approx(mean)
        error += len(inside) / len(answers) * abs(right / len(inside) - mean)
    if len(answers):
        assert found.expected_error == pytest.approx(error, abs=1e-12)
    else:
        assert (found.expected_error, found.confidence) == (None, None)


def test_a_model_that_is_sure_and_right_half_the_time_is_off_by_a_half() -> None:
    answers = answers_of([0, 1, 0, 1], [[1, 0], [1, 0], [1, 0], [1, 0]])
    found = calibration(answers)
    assert found.expected_error == pytest.approx(0.5)
    assert [each.accuracy.total for each in found.bins] == [0] * 14 + [4]


def test_groups_are_of_like_values_and_of_like_number() -> None:
    answers = answers_of(
        [0] * 10,
        [[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 5,
        widths=range(100, 200, 10),
        heights=[300] * 10,
        brightness=[7, 7, 7, 7, 7, 7, 7, 7, 7, 250],
    )
    assert [(g.low, g.high, g.accuracy.count, g.accuracy.total) for g in by_size(answers)] == [
        (100, 110, 2, 2),
        (120, 130, 2, 2),
        (140, 150, 1, 2),
        (160, 170, 0, 2),
        (180, 190, 0, 2),
    ]
    found = by_brightness(answers)
    assert [(g.low, g.high, g.accuracy.count, g.accuracy.total) for g in found] == [
        (7, 7, 5, 9),
        (250, 250, 0, 1),
    ]


@given(st.lists(st.integers(0, 20), max_size=40))
def test_each_image_is_in_one_group(values: list[int]) -> None:
    answers = (
        answers_of([0] * len(values), [[1.0, 0.0]] * len(values), brightness=values)
        if values
        else answers_of([], np.zeros((0, 2)))
    )
    found = by_brightness(answers)
    assert sum(group.accuracy.total for group in found) == len(values)
    assert len(found) <= 5
    for before, after in pairwise(found):
        assert before.high < after.low


# --- two models ---


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    total, least = first + second, min(first, second)
    chances = [Fraction(math.comb(total, k), 2**total) for k in range(total + 1)]
    exact = min(Fraction(1), 2 * sum(chances[: least + 1], Fraction(0)))
    assert mcnemar(first, second) == float(exact)
    assert mcnemar(second, first) == mcnemar(first, second)


def test_mcnemar_of_many_images_is_computed_exactly() -> None:
    p_value = mcnemar(20_000, 20_500)
    normal = math.erfc((500 - 1) / math.sqrt(40_500) / math.sqrt(2))
    assert p_value == pytest.approx(normal, rel=1e-3)


def test_two_models_are_compared_on_the_images_that_both_answered() -> None:
    first = answers_of([0, 0, 1, 1, 0], [[1, 0], [0, 1], [0, 1], [0, 1], [1, 0]])
    second = answers_of([0, 0, 1, 1, 0], [[1, 0], [1, 0], [1, 0], [0, 1], [1, 0]])
    found = compare(first, second)
    assert (found.images, found.both, found.first_only, found.second_only, found.neither) == (
        *(5, 3, 1, 1),
        0,
    )
    assert (found.first_wins, found.second_wins) == ((2,), (1,))
    assert found.p_value == 1
    fewer = replace(
        second, samples=second.samples[:2], labels=second.labels[:2], logits=second.logits[:2]
    )
    assert compare(first, fewer).images == compare(fewer, first).images == 2
    strangers = replace(
        second, samples=tuple(replace(s, path="/b/" + s.path) for s in second.samples)
    )
    none = compare(first, strangers)
    assert (none.images, none.p_value) == (0, 1)


# --- nothing to say ---


@pytest.mark.parametrize("classes", [1, 3])
def test_of_no_image_that_could_be_read_everything_says_so(classes: int) -> None:
    answers = answers_of([], np.zeros((0, classes)), embeddings=np.zeros((0, 4), np.float32))
    sample = Sample("x.jpg", 0, "x.jpg")
    answers = replace(answers, unread=(Unread(0, sample, ImageError("x.jpg", "it is empty")),))
    confusion = count_confusion(answers)
    assert confusion.counts.tolist() == np.zeros((classes, classes), int).tolist()
    assert [row.accuracy.total for row in class_rows(answers, confusion)] == [1] + [0] * (
        classes - 1
    )
    assert confused_pairs(confusion, 5) == ()
    assert (confident_mistakes(answers, 5), suspects(answers, 5), duplicates(answers)) == (
        (),
        (),
        (),
    )
    assert (by_size(answers), by_brightness(answers)) == ((), ())
    assert calibration(answers).expected_error is None
    assert compare(answers, answers).images == 0


def test_of_one_class_every_answer_is_right() -> None:
    answers = answers_of([0, 0], [[1.0], [1.0]])
    (row,) = class_rows(answers, count_confusion(answers))
    assert (row.accuracy.value, row.confused_with) == (1, None)
    assert (suspects(answers, 5), calibration(answers).expected_error) == ((), 0)
