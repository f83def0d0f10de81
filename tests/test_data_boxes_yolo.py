"""Boxes read in YOLO's format, and the names of its classes."""

import os
import tarfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from box_sets import check_usual, counted, write_yolo_set
from shufflenet import errors
from shufflenet.data.boxes import open_boxes
from shufflenet.data.boxes._names import read_names


def test_a_folder_and_an_archive_are_one_set(tmp_path: Path) -> None:
    folder = write_yolo_set(tmp_path / "cells")
    check_usual(open_boxes(folder))
    assert open_boxes(folder).findings.format == "yolo"
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        file.add(folder, ".")
    check_usual(open_boxes(tmp_path / "a.tar.gz"))


@pytest.mark.parametrize("names", ["classes.txt", "obj.names"])
def test_texts_beside_images_are_boxes_where_a_file_names_classes(
    names: str, tmp_path: Path
) -> None:
    folder = write_yolo_set(tmp_path / "cells")
    for path in [*(folder / "images").iterdir(), *(folder / "labels").iterdir()]:
        path.rename(folder / path.name)
    (folder / "data.yaml").unlink()
    (folder / names).write_text("cat\r\ndog\r\n\r\n")
    check_usual(open_boxes(folder))


@pytest.mark.parametrize("inner", [True, False])
def test_one_of_several_splits_is_chosen(inner: bool, tmp_path: Path) -> None:
    for split in ("train", "valid"):
        folder = write_yolo_set(tmp_path / split)
        (folder / "data.yaml").rename(tmp_path / "data.yaml")
        for kind in ("images", "labels"):
            to = tmp_path / kind / split if not inner else tmp_path / split / kind
            to.parent.mkdir(exist_ok=True)
            (folder / kind).rename(to)
    (tmp_path / ("valid/labels/0.txt" if inner else "labels/valid/0.txt")).unlink()
    check = open_boxes(tmp_path, "train")
    assert len(check) == 3
    assert sum(map(len, check.boxes)) == 3
    assert check.findings.validation == "valid"
    held_out = open_boxes(tmp_path, "val")
    assert sum(map(len, held_out.boxes)) == 2
    with pytest.raises(errors.BoxSplitsNotChosen):
        open_boxes(tmp_path)
    if inner:  # the names are in the folder above
        assert open_boxes(tmp_path / "valid").classes == ("cat", "dog")


def test_outlines_unknown_classes_and_texts_without_an_image_are_counted(tmp_path: Path) -> None:
    folder = write_yolo_set(tmp_path / "cells")
    (folder / "labels" / "2.txt").write_text(
        "1 0.25 0.5 0.5 0.5 0.75 1 \n\n7 0.5 0.5 0.1 0.1\n0 1.4 0.5 0.1 0.1\n0 0.0 0.5 0.5 0.5\n"
    )
    (folder / "labels" / "9.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    images = open_boxes(folder)
    assert images.boxes[2].tolist() == [[16, 24, 32, 24], [0, 12, 16, 24]]
    assert images.labels[2].tolist() == [1, 0]
    assert counted(images) == {"clipped": 1, "empty": 1, "orphans": 1}
    assert images.findings.outlined.count == 1
    assert images.findings.unknown_classes == {"7": 1}
    assert "Outlines taken as the boxes around them: 1" in " ".join(
        images.findings.sentences("cells")
    )


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 0.1", "0 0.5 0.5 0.1 0.1 0.9", "cat 0.5 0.5 0.1 0.1", "0 nan 0.5 0.1 0.1",
        "0 0.5 inf 0.1 0.1", "-1 0.5 0.5 0.1 0.1", "0 320 240 20 10", "0 1_0 0.5 0.1 0.1",
        "0 0.5 0.5 0.1 1e999", "1.0 0.5 0.5 0.1 0.1", "9999999 0.5 0.5 0.1 0.1", "0,0.5,0.5,1,1",
    ],
)  # fmt: skip
def test_a_line_that_is_none_of_a_box_is_named(line: str, tmp_path: Path) -> None:
    folder = write_yolo_set(tmp_path / "cells")
    (folder / "labels" / "1.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(errors.AnnotationInvalid, match=r"labels/1.txt' has '.*' as line 2, not"):
        open_boxes(folder)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ("", errors.AnnotationsUnreadable),
        ("names: cat", errors.AnnotationsUnreadable),
        ("names: []", errors.BoxClassWithoutName),
        ("names: ['', dog]", errors.BoxClassWithoutName),
        ("names: [cat, cat]", errors.BoxClassTwice),
        ("names: [cat, dog]\nnames: [dog, cat]", errors.AnnotationsUnreadable),
    ],
)
def test_names_that_are_none_are_told(names: str, kind: type[Exception], tmp_path: Path) -> None:
    folder = write_yolo_set(tmp_path / "cells", names=names)
    with pytest.raises(kind):
        open_boxes(folder)
    os.remove(folder / "data.yaml")
    with pytest.raises(errors.ClassesOfBoxesMissing):
        open_boxes(folder)


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1
)


@given(
    st.lists(TEXTS.filter(lambda name: "\ufeff" not in name and name.strip() == name), max_size=5),
    st.sampled_from(["list", "mapping"]),
    st.booleans(),
    st.booleans(),
)
def test_names_are_read_as_pyyaml_wrote_them(
    names: list[str], kind: str, flow: bool, unicode: bool
) -> None:
    names = [*names, "cat"]
    value = names if kind == "list" else dict(enumerate(names))
    content = {"train": "images", "nc": len(names), "names": value, "val": {"names": ["no"]}}
    text = yaml.safe_dump(
        content, default_flow_style=None if flow else False, allow_unicode=unicode
    )
    assert read_names(text) == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("names: [cat,dog]  # two", ["cat", "dog"]),
        ("names: [a 'b', it's # one\n]", ["a 'b'", "it's"]),
        ("names: [\n  'cat',\n  'a # b',\n]\nnc: 2", ["cat", "a # b"]),
        ("names:\n- cat\n- small dog # one\nnc: 2\n", ["cat", "small dog"]),
        ("names: {0: 'it''s', 1: \"a\\tb\\u00e4\"}", ["it's", "a\tbä"]),
        ('names:\n  "0": cat\n  1: dog\n', ["cat", "dog"]),
    ],
)
def test_names_that_people_write_are_read(text: str, expected: list[str]) -> None:
    assert read_names(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "nc: 2", "  names: [a]", "names:", "names: {0: a, 0: b}", "names: {0: a, 2: b}",
        "names: [a", "names: [a b] c", "names: [a,, b]", "names: [[a], b]", "names: *a",
        "names: [&a b]",
        "names:\n- !!str a", "names:\n- {a: b}", 'names: ["\\ud800"]', 'names: ["\\q"]',
        "names: {a: b}", "names:\n  a\n", "names: |\n  a",
    ],
)  # fmt: skip
def test_other_yaml_is_refused_and_not_guessed(text: str) -> None:
    with pytest.raises(ValueError, match="names"):
        read_names(text)
