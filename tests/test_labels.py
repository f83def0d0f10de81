from pathlib import Path

import pytest

from shufflenet.errors import DataError
from shufflenet.labels import class_index, name_classes, read_names
from shufflenet.spec import Label


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
    with pytest.raises(DataError, match="has a line without one tab: 'n01 goldfish'"):
        read_names(path)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_names(tmp_path / "none.tsv")
    (tmp_path / "bytes.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_names(tmp_path / "bytes.tsv")


def test_identifiers_win_over_names() -> None:
    assert class_index([Label("a", "b"), Label("b", "c")]) == {"b": 1, "c": 1, "a": 0}


def test_a_name_that_two_classes_bear_finds_neither() -> None:
    assert class_index([Label("n1", "crane"), Label("n2", "crane")]) == {"n1": 0, "n2": 1}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("red\tscarlet\n", encoding="utf-8-sig")
    assert read_names(tmp_path / "a.tsv") == {"red": "scarlet"}
