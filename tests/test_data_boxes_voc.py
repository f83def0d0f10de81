"""Boxes read in Pascal VOC's format, by a reader of XML that takes nothing else."""

from pathlib import Path

import pytest

from box_sets import check_usual, counted, voc_object, write_image, write_voc_set
from shufflenet import errors
from shufflenet.data.boxes import open_boxes
from shufflenet.data.boxes._xml import read_xml


def test_a_folder_is_a_set(tmp_path: Path) -> None:
    folder = write_voc_set(tmp_path / "cells")
    images = open_boxes(folder)
    check_usual(images)
    assert images.findings.format == "voc"


def test_files_beside_images_are_a_set(tmp_path: Path) -> None:
    folder = write_voc_set(tmp_path / "cells")
    for path in [*(folder / "JPEGImages").iterdir(), *(folder / "Annotations").iterdir()]:
        path.rename(folder / path.name)
    check_usual(open_boxes(folder))


def test_one_of_several_splits_is_chosen_and_classes_are_those_of_all(tmp_path: Path) -> None:
    sets = tmp_path / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    write_voc_set(tmp_path)
    (sets / "trainval.txt").write_text("0\n1\n2\n")
    (sets / "cat_train.txt").write_text("0 1\n1 -1\n")
    check_usual(open_boxes(tmp_path))
    (sets / "train.txt").write_text("0\r\n\r\n2\r\n")
    (sets / "val.txt").write_text("1\n")
    training, held_out = open_boxes(tmp_path, "train"), open_boxes(tmp_path, "val")
    assert (len(training), len(held_out)) == (2, 1)
    assert training.classes == held_out.classes == ("cat", "dog")
    assert held_out.findings.other_splits == ("train", "trainval")
    with pytest.raises(errors.BoxSplitsNotChosen):
        open_boxes(tmp_path)
    (sets / "val.txt").write_text("1\n7\n8\n")
    with pytest.raises(errors.BoxImagesMissing, match="names 2 images .* such as '7'"):
        open_boxes(tmp_path, "val")


def test_difficult_objects_and_files_without_a_partner_are_told(tmp_path: Path) -> None:
    folder = write_voc_set(tmp_path / "cells")
    content = f"<annotation>{voc_object('cat', (0, 0.5, '9.5', 10), difficult=1)}</annotation>"
    (folder / "Annotations" / "0.xml").write_text(content)
    (folder / "Annotations" / "7.xml").write_text(content)
    write_image(folder / "JPEGImages" / "8.png")
    images = open_boxes(folder)
    assert images.boxes[0].tolist() == [[0, 0, 9.5, 10]]
    assert images.ignored[0].tolist() == [True]
    assert counted(images) == {"orphans": 1, "unlisted": 1}


@pytest.mark.parametrize(
    ("content", "kind", "match"),
    [
        ("", errors.AnnotationsUnreadable, "no element found"),
        ("<a/>", errors.AnnotationsUnreadable, "outermost element is no annotation"),
        ("<annotation>", errors.AnnotationsUnreadable, "cannot be read as Pascal VOC's"),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
            errors.AnnotationsUnreadable,
            "it declares a document type",
        ),
        (f"{'<annotation>' * 99}", errors.AnnotationsUnreadable, "nested more than 16 deep"),
        ("<annotation>&b;</annotation>", errors.AnnotationsUnreadable, "undefined entity"),
        (
            '<?xml version="1.0" encoding="nothing"?><annotation/>',
            errors.AnnotationsUnreadable,
            "unknown encoding",
        ),
        (
            "<annotation><object><name> </name></object></annotation>",
            errors.BoxClassWithoutName,
            "annotation/object/name",
        ),
        (
            f"<annotation>{voc_object('cat', (1, 2, 3, 'x'))}</annotation>",
            errors.AnnotationInvalid,
            "has 'x' as annotation/object/bndbox/ymax, not a number",
        ),
        (
            f"<annotation>{voc_object('cat', (1, 2, 3, 'nan'))}</annotation>",
            errors.AnnotationInvalid,
            "'nan'",
        ),
        (
            f"<annotation>{voc_object('cat', (1, 2, 3, 4), 2)}</annotation>",
            errors.AnnotationInvalid,
            "difficult",
        ),
        (
            "<annotation><object><name>cat</name></object></annotation>",
            errors.AnnotationInvalid,
            "has None as annotation/object/bndbox/xmin",
        ),
    ],
)
def test_what_is_no_xml_of_vocs_is_told(
    content: str, kind: type[Exception], match: str, tmp_path: Path
) -> None:
    folder = write_voc_set(tmp_path / "cells")
    (folder / "Annotations" / "1.xml").write_text(content)
    with pytest.raises(kind, match=match):
        open_boxes(folder)


def test_two_files_of_one_image_are_told(tmp_path: Path) -> None:
    folder = write_voc_set(tmp_path / "cells")
    (folder / "Annotations" / "old").mkdir()
    (folder / "Annotations" / "old" / "1.xml").write_bytes(
        (folder / "Annotations" / "1.xml").read_bytes()
    )
    with pytest.raises(errors.BoxImageTwice, match="JPEGImages/1.png"):
        open_boxes(folder)


def test_xml_is_read_without_comments_and_with_text_in_pieces() -> None:
    root = read_xml(
        "<?xml version='1.0'?><a> <b>x&amp;<!-- y --><![CDATA[<z>]]></b><b/></a>".encode("utf-16")
    )
    assert (root.name, root.at("b"), root.at("c"), root.at("b/c")) == ("a", "x&<z>", None, None)
    assert len(root.all("b")) == 2
