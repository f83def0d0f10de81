"""The classes of a set, fitted to those of a model."""

import json
from pathlib import Path

import pytest

from conftest import Run
from shufflenet.data import ImageSet, Sample, label_as
from shufflenet.errors import DataError
from shufflenet.spec import Label

BIRDS = (Label("n1", "crow"), Label("n2", "crane"), Label("n3", "heron"), Label("n4", "crane"))


def labeled(*classes: str) -> ImageSet:
    """A set of one image a class."""
    samples = tuple(Sample(name, number, name) for number, name in enumerate(classes))
    return ImageSet("val", classes, samples)


def numbers(images: ImageSet) -> list[int]:
    return [sample.label for sample in images.samples]


def test_classes_are_found_by_identifier_and_by_name_in_any_order() -> None:
    images = label_as(labeled("n4", "heron", "n1"), BIRDS)
    assert numbers(images) == [3, 2, 0]
    assert images.classes == ("n1", "n2", "n3", "n4")
    assert images.findings.sentences("val") == []


def test_a_name_of_two_classes_is_refused() -> None:
    with pytest.raises(DataError, match="'crane', which the model's classes 1 and 3 are both"):
        label_as(labeled("crane", "crow"), BIRDS)
    same = (Label("crane", "crane"), Label("crow", "crow"), Label("crane", "crane"))
    with pytest.raises(DataError, match="'crane', which the model's classes 0 and 2 are both"):
        label_as(labeled("crane"), same)
    assert numbers(label_as(labeled("crow"), same)) == [1]


def test_an_identifier_goes_before_a_name() -> None:
    turned = (Label("a", "b"), Label("b", "a"))
    assert numbers(label_as(labeled("a", "b"), turned)) == [0, 1]


def test_accents_are_compared_as_they_look_and_capitals_count() -> None:
    model = (Label("Ka\u0308fer", "beetle"), Label("caf\u00e9", "caf\u00e9"), Label("Cat", "x"))
    assert numbers(label_as(labeled("K\u00e4fer", "cafe\u0301 "), model)) == [0, 1]
    with pytest.raises(DataError, match="1 class folder that the model does not know"):
        label_as(labeled("cat"), model)


def test_classes_that_the_model_lacks_are_refused_or_left_out_and_counted() -> None:
    images = labeled("crow", "owl", "owls")
    with pytest.raises(DataError, match="2 class folders that the model does not know"):
        label_as(images, BIRDS)
    known = label_as(images, BIRDS, partial=True)
    assert numbers(known) == [0]
    assert known.findings.unknown_classes == {"owl": 1, "owls": 1}
    assert known.findings.sentences("val") == [
        "2 images of 2 classes left out, for no class of the model is called 'owl', 'owls'."
    ]
    with pytest.raises(DataError, match="that the model does not know, such as 'owl'"):
        label_as(labeled("owl"), BIRDS, partial=True)


def test_classes_without_images_play_no_part() -> None:
    images = ImageSet("val", ("owl", "crow"), (Sample("a", 1, "a"),))
    assert numbers(label_as(images, BIRDS)) == [0]


def test_numbers_are_the_models_where_no_class_is_called_so() -> None:
    images = label_as(labeled("3", "0"), BIRDS)
    assert numbers(images) == [3, 0]
    assert images.findings.by_number
    named = (Label("1", "1"), Label("0", "0"))
    assert numbers(label_as(labeled("0", "1"), named)) == [1, 0]
    with pytest.raises(DataError, match="by numbers up to 4, and the model's 4 classes have"):
        label_as(labeled("1", "4"), BIRDS)
    with pytest.raises(DataError, match="does not know"):
        label_as(labeled("1", "x"), BIRDS)


def test_evaluate_reads_validation_and_numbers(
    class_folders: Path, checkpoint: Path, tmp_path: Path, run: Run
) -> None:
    for name in ("train", "Val"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for place, folder in enumerate(sorted(class_folders.iterdir())):
            if name == "Val":
                folder.rename(tmp_path / "data" / name / str(place))
            else:
                (tmp_path / "data" / name / str(place)).mkdir()
                (tmp_path / "data" / name / str(place) / "0.png").write_bytes(
                    (folder / "0.png").read_bytes()
                )
    code, out, err = run("evaluate", "--data", tmp_path / "data", "--model", checkpoint, "--json")
    assert code == 0
    assert json.loads(out)["images"] == 24
    assert f"'{tmp_path}/data' holds splits: 'Val' is used here, beside it are 'train'." in err
    assert "Labels are numbers: taken as the numbers of the model's classes, from 0." in err


@pytest.mark.parametrize(
    ("identifiers", "classes", "expected"),
    [
        ("001 002 003 010", "1 2 10", [0, 1, 3]),  # a spreadsheet drops zeros in front
        ("1 2 3 10", "001 002 010", [0, 1, 3]),
        ("8 9 10", "08 09 10", [0, 1, 2]),
        ("2 1 0", "0 1 2", [2, 1, 0]),
        ("1 01 2", "01 2 1", [1, 2, 0]),
    ],
)
def test_numbers_of_a_model_whose_classes_are_numbers_are_their_values(
    identifiers: str, classes: str, expected: list[int]
) -> None:
    model = tuple(Label(text, text) for text in identifiers.split())
    images = label_as(labeled(*classes.split()), model)
    assert numbers(images) == expected
    assert not images.findings.by_number


def test_a_number_that_no_class_is_called_is_not_taken_for_a_place() -> None:
    model = tuple(Label(text, text) for text in ("1", "2", "3"))
    with pytest.raises(DataError, match="1 class folder that the model does not know, such as '0'"):
        label_as(labeled("0"), model)
    assert label_as(labeled("0", "1"), model, partial=True).findings.unknown_classes == {"0": 1}
    with pytest.raises(DataError, match="'001', which the model's classes 0 and 1 are both called"):
        label_as(labeled("001"), (Label("1", "1"), Label("01", "01")))
