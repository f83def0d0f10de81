import re
import tarfile
from pathlib import Path

import pytest

import shufflenet.labels
from shufflenet.errors import DataError, UnknownName
from shufflenet.labels import class_index, label_set, name_classes, read_names
from shufflenet.spec import Label

IMAGENET = label_set("imagenet-1k")


def test_names_are_read_from_lines_of_two_fields(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text('n01\tgoldfish, Carassius\n\nn02\tdog\'s "best" friend\n', encoding="utf-8")
    names = read_names(path)
    assert name_classes(["n02", "n03"], names) == (
        Label("n02", 'dog\'s "best" friend'),
        Label("n03", "n03"),
    )


def test_a_line_without_a_tab_is_named(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text("n01 goldfish\n")
    with pytest.raises(DataError, match="has a line without exactly one tab: 'n01 goldfish'"):
        read_names(path)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_names(tmp_path / "none.tsv")
    (tmp_path / "bytes.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_names(tmp_path / "bytes.tsv")


def test_identifiers_win_over_names() -> None:
    assert class_index([Label("a", "b"), Label("b", "c")]) == {"b": 1, "c": 1, "a": 0}


def test_a_name_that_two_classes_have_finds_neither() -> None:
    assert class_index([Label("n1", "crane"), Label("n2", "crane")]) == {"n1": 0, "n2": 1}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("red\tscarlet\n", encoding="utf-8-sig")
    assert read_names(tmp_path / "a.tsv") == {"red": "scarlet"}


def test_imagenet_has_a_thousand_classes_in_the_order_of_their_identifiers() -> None:
    identifiers = [label.id for label in IMAGENET]
    assert len(identifiers) == 1000
    assert all(re.fullmatch(r"n\d{8}", identifier) for identifier in identifiers)
    assert identifiers == sorted(set(identifiers))


def test_no_two_classes_of_imagenet_have_one_name() -> None:
    assert len({label.name.casefold() for label in IMAGENET}) == 1000
    assert all(label.name == label.name.strip() != "" for label in IMAGENET)


@pytest.mark.parametrize(
    ("index", "identifier", "name"),
    [
        (0, "n01440764", "tench"),
        (1, "n01443537", "goldfish"),
        (2, "n01484850", "great white shark"),
        (134, "n02012849", "crane (wading bird)"),
        (264, "n02113186", "Cardigan (corgi)"),
        (474, "n02963159", "cardigan (jacket)"),
        (517, "n03126707", "crane (lifting device)"),
        (638, "n03710637", "maillot (tights)"),
        (639, "n03710721", "maillot (bathing suit)"),
        (999, "n15075141", "toilet tissue"),
    ],
)
def test_classes_of_imagenet_lie_at_known_indices(index: int, identifier: str, name: str) -> None:
    assert IMAGENET[index] == Label(identifier, name)
    assert class_index(IMAGENET)[identifier] == class_index(IMAGENET)[name] == index


def test_a_label_set_is_read_once() -> None:
    assert label_set("imagenet-1k") is IMAGENET


def test_an_unknown_label_set_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'imagenet-1k'"):
        label_set("imagenet1k")


def test_the_terms_of_wordnet_go_with_its_words() -> None:
    terms = Path(shufflenet.labels.__file__).parent / "imagenet_1k.LICENSE.txt"
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in terms.read_text()


def test_the_classes_of_tiny_imagenet_are_among_those_of_imagenet(real_data: Path) -> None:
    with tarfile.open(real_data / "tiny-imagenet-200.val.tar.gz") as archive:
        found = {part for name in archive.getnames() for part in re.findall(r"n\d{8}", name)}
    assert len(found) == 200
    assert found <= {label.id for label in IMAGENET}
