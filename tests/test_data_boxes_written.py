"""Boxes written in each format and read back; matched to a model's classes; told from classes."""

import itertools
import tarfile
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from box_sets import (
    check_usual,
    coco_json,
    write_coco_set,
    write_image,
    write_voc_set,
    write_yolo_set,
)
from shufflenet import errors
from shufflenet.data import Sample, open_images
from shufflenet.data.boxes import BoxFormat, BoxSet, label_boxes_as, open_boxes, write_boxes
from shufflenet.spec import Label

FORMATS: tuple[BoxFormat, ...] = ("coco", "yolo", "voc")
# What reading back moves an edge of a box by, px: half of the last digit that is written.
EXACT, ROUNDED = 0.0, 0.001
WIDTH, HEIGHT = 64, 48

NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)
    .map(str.strip)
    .filter(lambda name: name and not set(name) & {"\ufffe", "\uffff"}),
    min_size=1,
    max_size=4,
    unique_by=lambda name: unicodedata.normalize("NFC", name),
)  # fmt: skip


@st.composite
def box_sets(draw: st.DrawFn) -> BoxSet:
    """Draw sets of two images with boxes that differ by a tenth of a pixel, of every class one."""
    classes = [unicodedata.normalize("NFC", name) for name in draw(NAMES)]
    at = st.tuples(
        st.integers(0, 300), st.integers(0, 200), st.integers(5, 330), st.integers(5, 270)
    )
    tenths = draw(st.lists(at, min_size=len(classes), max_size=len(classes) + 5, unique=True))
    fine = draw(st.integers(0, 40)) / 1000
    boxes = np.array(tenths, np.float32) / 10 + np.float32(fine)
    labels = np.arange(len(boxes)) % len(classes)
    ignored = np.array(draw(st.lists(st.booleans(), min_size=len(boxes), max_size=len(boxes))))
    ignored[0] = False  # a set of ignored boxes alone is refused
    second = np.array(draw(st.lists(st.booleans(), min_size=len(boxes), max_size=len(boxes))))
    parts = (~second, second)
    return BoxSet(
        samples=(),
        classes=tuple(classes),
        boxes=[boxes[part] for part in parts],
        labels=[labels[part] for part in parts],
        ignored=[ignored[part] for part in parts],
        source="drawn",
    )


def rows(images: BoxSet) -> list[list[tuple[str, list[float], bool]]]:
    """The boxes of each image by the names of their classes, in order of these and of place."""
    found = []
    for boxes, labels, ignored in zip(images.boxes, images.labels, images.ignored, strict=True):
        names = [images.classes[label] for label in labels]
        each = zip(names, boxes.tolist(), ignored.tolist(), strict=True)
        found.append(sorted(each, key=lambda row: (row[0], [round(v, 1) for v in row[1]])))
    return found


def check_equal(found: BoxSet, expected: BoxSet, within: float) -> None:
    for ours, theirs in zip(rows(found), rows(expected), strict=True):
        assert [(name, ignored) for name, _, ignored in ours] == [
            (name, ignored) for name, _, ignored in theirs
        ]
        for (_, box, _), (_, other, _) in zip(ours, theirs, strict=True):
            assert np.abs(np.subtract(box, other)).max() <= within


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("images")
    for i in range(2):
        write_image(folder / f"{i}.png", WIDTH, HEIGHT, seed=i)
    return [Sample(f"{i}.png", -1, str(folder / f"{i}.png")) for i in range(2)]


@settings(max_examples=12)
@given(drawn=box_sets(), order=st.permutations(FORMATS))
def test_boxes_are_the_same_after_every_format(
    samples: list[Sample], drawn: BoxSet, order: list[BoxFormat]
) -> None:
    images = replace(drawn, samples=samples)
    plain = replace(images, ignored=[np.zeros_like(each) for each in images.ignored])
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMATS:
            given_set = plain if form == "yolo" else images
            write_boxes(given_set, Path(folder, form), form)
            found = open_boxes(Path(folder, form))
            check_equal(found, given_set, EXACT if form == "coco" else ROUNDED)
            assert list(found.sizes) == [(WIDTH, HEIGHT)] * 2
            assert found.findings.sentences("") == []
            if form != "voc":
                assert found.classes == images.classes
        through = plain
        for number, form in enumerate(order):
            write_boxes(through, Path(folder, str(number)), form)
            through = open_boxes(Path(folder, str(number)))
        check_equal(through, plain, 2 * ROUNDED)


def test_what_yolo_cannot_say_is_left_out_and_counted(tmp_path: Path) -> None:
    content = coco_json([(1, 1, (2, 3, 10, 20)), (2, 2, (5, 6, 7, 8))])
    content["annotations"][1]["iscrowd"] = 1
    images = open_boxes(write_coco_set(tmp_path / "cells", content))
    written = write_boxes(images, tmp_path / "yolo", "yolo")
    assert (written.images, written.boxes, written.left_out) == (3, 1, 1)
    assert write_boxes(images, tmp_path / "voc", "voc").left_out == 0
    assert [len(each) for each in open_boxes(tmp_path / "yolo").boxes] == [1, 0, 0]


def test_pycocotools_reads_what_is_written(tmp_path: Path) -> None:
    images = open_boxes(write_voc_set(tmp_path / "voc"))
    write_boxes(images, tmp_path / "coco", "coco")
    coco = pytest.importorskip("pycocotools.coco").COCO(tmp_path / "coco" / "annotations.json")
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["cat", "dog"]
    assert [each["area"] for each in coco.loadAnns(coco.getAnnIds(imgIds=[2]))] == [56, 3072]


def test_images_of_an_archive_and_of_one_name_are_written_whole(tmp_path: Path) -> None:
    folder = write_coco_set(tmp_path / "cells")
    content = (folder / "images" / "1.png").read_bytes()
    names = ["a/0.png", "b/0.PNG", "\x01.png"]
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(folder, ".")
    images = open_boxes(tmp_path / "a.tar")
    renamed = [replace(s, name=n) for s, n in zip(images.samples, names, strict=True)]
    write_boxes(replace(images, samples=renamed), tmp_path / "yolo", "yolo")
    written = sorted(path.name for path in (tmp_path / "yolo" / "images").iterdir())
    assert written == ["0.png", "0_2.PNG", "image.png"]
    assert (tmp_path / "yolo" / "images" / "0_2.PNG").read_bytes() == content


def test_nothing_is_written_over_or_left_half(tmp_path: Path) -> None:
    images = open_boxes(write_yolo_set(tmp_path / "cells"))
    with pytest.raises(errors.WriteError, match="it exists already"):
        write_boxes(images, tmp_path / "cells", "voc")
    (tmp_path / "cells" / "images" / "1.png").unlink()
    with pytest.raises(errors.ImageError):
        write_boxes(images, tmp_path / "voc", "voc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells"]


def test_classes_are_matched_by_identifier_or_name(tmp_path: Path) -> None:
    images = open_boxes(write_coco_set(tmp_path / "cells"))
    labels = [Label("cow", "cow"), Label("d", "dog"), Label("cat", "a cat")]
    matched = label_boxes_as(images, labels)
    assert matched.classes == ("cow", "d", "cat")
    assert [each.tolist() for each in matched.labels] == [[2], [1, 2], []]
    with pytest.raises(errors.UnknownBoxClasses, match="1 class .* such as 'dog'"):
        label_boxes_as(images, [labels[2]])
    part = label_boxes_as(images, [labels[2]], partial=True)
    assert [each.tolist() for each in part.labels] == [[0], [0], []]
    assert [len(each) for each in (*part.boxes, *part.ignored)] == [1, 1, 0] * 2
    assert part.findings.other_classes == {"dog": 1}
    assert "of classes that the model does not know: 1, of 'dog'." in " ".join(
        part.findings.sentences("")
    )
    with pytest.raises(errors.UnknownBoxClasses):
        label_boxes_as(images, [labels[0]], partial=True)
    with pytest.raises(errors.AmbiguousClass):
        label_boxes_as(images, [Label("a", "cat"), Label("b", "cat"), labels[1]])


@pytest.mark.parametrize(
    ("write", "title"),
    [(write_coco_set, "COCO"), (write_yolo_set, "YOLO"), (write_voc_set, "Pascal VOC")],
)
def test_a_classifier_is_told_that_data_hold_boxes(
    write: Callable[[Path], Path], title: str, tmp_path: Path
) -> None:
    for place in ("cells", "both/train", "both/val"):
        folder = write(tmp_path / place)
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(folder, "cells")
    folder = write(tmp_path / "frames")
    if title == "COCO":  # whose JSON finds images in any folder
        (folder / "images").rename(folder / "march")
    for data in ("cells", "both", "a.tar", "frames"):
        with pytest.raises(errors.HoldsBoxes, match=f"holds boxes in {title}'s format"):
            open_images(tmp_path / data, "train")


def test_class_folders_with_annotations_beside_them_are_classes(tmp_path: Path) -> None:
    for split, name in itertools.product(("train", "val"), ("cat", "dog")):
        write_image(tmp_path / split / name / "0.png")
        (tmp_path / split / "annotations.json").write_text("{}")
        (tmp_path / split / name / "0.xml").write_text("<annotation/>")
    assert open_images(tmp_path, "train").classes == ("cat", "dog")
    (tmp_path / "flat").mkdir()
    write_coco_set(tmp_path / "flat")
    (tmp_path / "flat" / "labels.csv").write_text("path,label\nimages/0.png,a\nimages/1.png,b\n")
    assert open_images(tmp_path / "flat").classes == ("a", "b")
    check_usual(open_boxes(tmp_path / "flat"))


def test_photos_of_blood_are_the_same_in_every_format(real_data: Path, tmp_path: Path) -> None:
    images = open_boxes(real_data / "bccd.val.tar.gz")
    assert (len(images), sum(map(len, images.boxes))) == (87, 1137)
    assert images.classes == ("RBC", "WBC", "Platelets")
    assert images.findings.sentences(images.source) == []
    for form in FORMATS:
        write_boxes(images, tmp_path / form, form)
        check_equal(open_boxes(tmp_path / form), images, EXACT if form == "coco" else ROUNDED)
