"""Boxes read in COCO's format: checked, counted, refused in a sentence."""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from box_sets import check_usual, coco_json, counted, write_coco_set, write_image
from shufflenet import errors
from shufflenet.data.boxes import label_boxes_as, open_boxes
from shufflenet.spec import Label


def test_a_folder_an_archive_and_the_json_itself_are_one_set(tmp_path: Path) -> None:
    folder = write_coco_set(tmp_path / "cells")
    check_usual(open_boxes(folder))
    check_usual(open_boxes(folder / "annotations.json"))
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        with tarfile.open(tmp_path / name, mode) as file:  # type: ignore[call-overload]
            file.add(folder, "cells" if mode == "w" else ".")
        images = open_boxes(tmp_path / name)
        check_usual(images)
        assert images.samples[0].read() == (folder / "images" / "0.png").read_bytes()


@pytest.mark.parametrize(
    ("json_name", "image_folder"),
    [
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/instances_default.json", "images"),
        ("_annotations.coco.json", ""),
        ("labels.json", "data"),
        ("result.json", "images"),
    ],
)
def test_the_layouts_of_other_programs_are_known(
    json_name: str, image_folder: str, tmp_path: Path
) -> None:
    folder = write_coco_set(tmp_path / "cells")
    (folder / json_name).parent.mkdir(exist_ok=True)
    (folder / "annotations.json").rename(folder / json_name)
    for path in sorted((folder / "images").iterdir()):
        (folder / image_folder).mkdir(exist_ok=True)
        path.rename(folder / image_folder / path.name)
    check_usual(open_boxes(folder))


@pytest.mark.parametrize("nested", [True, False])
def test_one_of_several_splits_is_chosen(nested: bool, tmp_path: Path) -> None:
    data = tmp_path / "cells"
    if nested:
        write_coco_set(data / "train")
        write_coco_set(data / "valid", coco_json([(1, 1, (0, 0, 5, 5))]))
    else:
        write_coco_set(data, coco_json([(1, 1, (0, 0, 5, 5))]))
        (data / "annotations.json").rename(data / "instances_valid.json")
        write_coco_set(data)
        (data / "annotations.json").rename(data / "instances_train.json")
    training = open_boxes(data, "train")
    assert sum(map(len, training.boxes)) == 3
    held_out = open_boxes(data, "val")
    assert sum(map(len, held_out.boxes)) == 1
    assert "valid" in held_out.findings.split
    assert "train" in held_out.findings.sentences(held_out.source)[0]
    assert held_out.source.endswith(held_out.findings.split)
    with pytest.raises(errors.BoxSplitsNotChosen, match="train"):
        open_boxes(data)


def test_what_is_wrong_with_boxes_is_counted_and_mended(tmp_path: Path) -> None:
    content = coco_json([
        (1, 1, (-10, -10, 30, 30)),  # cut at the edge
        (1, 1, (0, 0, 20, 20)),  # what is left of the first
        (1, 2, (0, 0, 20, 20)),  # of another class
        (2, 1, (-0.5, 0, 10, 48.5)),  # a rounding, which is not told
        (2, 1, (70, 10, 10, 10)),  # outside
        (2, 1, (10, 10, 0, 10)),
        (2, 1, (10, 10, -5, 10)),
        (2, 3, (1, 1, 2, 2)),  # of no category
        (9, 1, (1, 1, 2, 2)),  # of no image
    ])  # fmt: skip
    content["annotations"].append(
        {"image_id": 3, "category_id": 1, "bbox": [1, 1, 2, 2], "iscrowd": 1}
    )
    content["annotations"].append({"image_id": 3, "category_id": 1, "bbox": []})
    folder = write_coco_set(tmp_path / "cells", content)
    write_image(folder / "images" / "other.png")
    images = open_boxes(folder)
    assert [each.tolist() for each in images.boxes] == [
        [[0, 0, 20, 20], [0, 0, 20, 20]], [[0, 0, 9.5, 48]], [[1, 1, 2, 2]],
    ]  # fmt: skip
    assert [each.tolist() for each in images.ignored] == [[False] * 2, [False], [True]]
    assert counted(images) == {
        "clipped": 1, "empty": 4, "doubled": 1, "unknown_images": 1, "unlisted": 1,
    }  # fmt: skip
    assert images.findings.empty.first == "images/1.png"
    assert images.findings.ignored == 1
    assert images.findings.unknown_classes == {"3": 1}
    sentences = " ".join(images.findings.sentences("cells"))
    assert "Boxes left out, of no area in their images: 4, such as 'images/1.png'." in sentences
    assert "Boxes left out, of classes that are not listed: 1, of '3'." in sentences


def test_images_that_cannot_be_read_are_left_out_with_their_boxes(tmp_path: Path) -> None:
    folder = write_coco_set(tmp_path / "cells")
    (folder / "images" / "1.png").write_bytes(b"no image")
    write_image(folder / "images" / "2.png", 20, 48)
    images = open_boxes(folder)
    assert len(images) == 2
    assert counted(images) == {"unreadable": 1, "other_sizes": 1, "small": 1}
    assert images.findings.unused_classes == ("dog",)


def test_an_image_that_is_turned_upright_has_its_upright_size(tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415

    folder = write_coco_set(tmp_path / "cells")
    image = Image.open(folder / "images" / "0.png")
    image.load()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(folder / "images" / "0.png", exif=exif)
    images = open_boxes(folder)
    assert images.sizes[0] == (48, 64)
    assert counted(images) == {"other_sizes": 1}


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        (lambda c: c.pop("images"), errors.AnnotationsUnreadable, "it has no list 'images'"),
        (lambda c: c["categories"].clear(), errors.BoxClassWithoutName, r"categories\[0\].name"),
        (lambda c: c["categories"][1].pop("name"), errors.BoxClassWithoutName, r"categories\[1\]"),
        (lambda c: c["categories"][1].update(name="a\n"), errors.BoxClassWithoutName, r"\[1\]"),
        (lambda c: c["categories"][1].update(name="cat"), errors.BoxClassTwice, "'cat' twice"),
        (lambda c: c["categories"][1].update(id=1), errors.BoxClassTwice, "class 1 twice"),
        (lambda c: c["categories"].append("dog"), errors.AnnotationInvalid, "an object"),
        (lambda c: c["images"][0].update(id=[1]), errors.AnnotationInvalid, r"images\[0\].id"),
        (lambda c: c["images"][0].update(id=True), errors.AnnotationInvalid, r"images\[0\].id"),
        (lambda c: c["images"][0].update(id=2), errors.BoxImageTwice, "image 2 twice"),
        (lambda c: c["images"][0].update(file_name="1.png"), errors.BoxImageTwice, "'1.png' twice"),
        (lambda c: c["images"][0].update(file_name="9.png"), errors.BoxImagesMissing, "1 image"),
        (lambda c: c["images"][0].update(file_name=3), errors.AnnotationInvalid, "not text"),
        (
            lambda c: c["annotations"][0].update(bbox=[1, 2, 3]),
            errors.AnnotationInvalid,
            r"has \[1, 2, 3\] as annotations\[0\].bbox",
        ),
        (
            lambda c: c["annotations"][0].update(bbox=[1, 2, 3, "4"]),
            errors.AnnotationInvalid,
            "bbox",
        ),
        (
            lambda c: c["annotations"][0].update(bbox=[1, 2, 3, 10**20]),
            errors.AnnotationInvalid,
            "b",
        ),
        (lambda c: c["annotations"][0].pop("bbox"), errors.AnnotationInvalid, "the field 'bbox'"),
        (lambda c: c["annotations"][0].update(iscrowd="x"), errors.AnnotationInvalid, "iscrowd"),
        (lambda c: c["annotations"][0].update(image_id=None), errors.AnnotationInvalid, "image_id"),
        (lambda c: c["images"].clear(), errors.NoBoxes, "name no image"),
        (lambda c: c["annotations"].clear(), errors.NoBoxes, "annotations are empty"),
        (
            lambda c: [each.update(category_id=7) for each in c["annotations"]],
            errors.NoBoxes,
            "used. Boxes left out, of classes that are not listed: 3, of '7'.",
        ),
        (
            lambda c: [each.update(width=640) for each in c["images"]],
            errors.OtherImageSizes,
            "all of them, such as 'images/0.png'",
        ),
    ],
)
def test_what_makes_annotations_useless_is_told_in_a_sentence(
    change: Change, kind: type[Exception], match: str, tmp_path: Path
) -> None:
    content = coco_json([(1, 1, (2, 3, 10, 20)), (2, 2, (5, 6, 7, 8)), (2, 1, (0, 0, 64, 48))])
    change(content)
    with pytest.raises(kind, match=match):
        open_boxes(write_coco_set(tmp_path / "cells", content))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 1, "a": 2}', "\xff", "[NaN]", "[" * 99])
def test_what_is_no_json_of_cocos_is_told(text: str, tmp_path: Path) -> None:
    folder = write_coco_set(tmp_path / "cells")
    (folder / "annotations.json").write_text(text, encoding="latin-1")
    with pytest.raises(errors.AnnotationsUnreadable):
        open_boxes(folder)


def test_images_elsewhere_on_the_machine_are_not_opened(tmp_path: Path) -> None:
    write_image(tmp_path / "secret.png")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "images/../../secret.png"):
        content = coco_json([(1, 1, (2, 3, 10, 20))])
        content["images"][0]["file_name"] = name
        with pytest.raises(errors.BoxImagesMissing):
            open_boxes(write_coco_set(tmp_path / "cells", content))


def test_data_without_boxes_and_small_images_are_told(tmp_path: Path) -> None:
    for place in ("cat/0.png", "dog/1.png"):
        write_image(tmp_path / "photos" / place)
    with pytest.raises(errors.HoldsNoBoxes, match="holds no boxes"):
        open_boxes(tmp_path / "photos")
    with pytest.raises(errors.DataMissing):
        open_boxes(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(errors.DataNotAFile):
        open_boxes(tmp_path / "pipe.json")
    folder = write_coco_set(tmp_path / "cells")
    for i in range(3):
        write_image(folder / "images" / f"{i}.png", 31, 31)
    content = json.loads((folder / "annotations.json").read_text())
    for each in content["images"]:
        each.update(width=31, height=31)
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(errors.TinyImages, match="less than 32 px"):
        open_boxes(folder)


def test_boxes_that_are_all_ignored_are_none(tmp_path: Path) -> None:
    content = coco_json([(1, 1, (2, 3, 10, 20)), (2, 2, (5, 6, 7, 8))])
    content["annotations"][0]["iscrowd"] = 1
    folder = write_coco_set(tmp_path / "set", content)
    images = open_boxes(folder)
    with pytest.raises(errors.NoBoxes, match="Boxes that are ignored: 1, all there are"):
        label_boxes_as(images, [Label("cat", "cat")], partial=True)
    content["annotations"][1]["iscrowd"] = 1
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(errors.NoBoxes, match="Boxes that are ignored: 2, all there are"):
        open_boxes(folder)


@pytest.mark.parametrize(("stored", "named"), [("e\u0301", "\u00e9"), ("\u00e9", "e\u0301")])
def test_names_of_images_with_accents_are_found(stored: str, named: str, tmp_path: Path) -> None:
    folder = write_coco_set(tmp_path / "set")
    (folder / "images" / "0.png").rename(folder / "images" / f"{stored}.png")
    content = json.loads((folder / "annotations.json").read_text())
    content["images"][0]["file_name"] = f"{named}.png"
    (folder / "annotations.json").write_text(json.dumps(content))
    images = open_boxes(folder)
    boxes = {
        each.name: boxes.tolist() for each, boxes in zip(images.samples, images.boxes, strict=True)
    }
    assert boxes[f"images/{stored}.png"] == [[2, 3, 10, 20]]


def test_two_sets_that_are_no_splits_are_told(tmp_path: Path) -> None:
    write_coco_set(tmp_path / "old")
    write_coco_set(tmp_path / "new")
    with pytest.raises(errors.SeveralBoxSets, match="'new' and 'old'"):
        open_boxes(tmp_path)


def test_archives_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no archive")
    with pytest.raises(errors.BoxesUnreadable, match="as an archive .* annotations.json of COCO"):
        open_boxes(tmp_path / "a.tar")
