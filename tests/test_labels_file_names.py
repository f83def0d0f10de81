"""Labels as names of files: whatever a label holds, its file lies in the folder it is for."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shufflenet.errors import UnknownClass
from shufflenet.labels import file_name, find_class, make_distinct
from shufflenet.spec import Label

HOSTILE = (
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/../b",
    "a\\b",
    "C:",
    "nul.txt",
    "COM1",
    "a\0b",
    "\ud800",
)


@given(st.one_of(st.text(), st.sampled_from(HOSTILE)))
def test_a_name_is_one_name_and_hides_nothing(text: str) -> None:
    name = file_name(text)
    assert Path(name).name == name
    assert os.path.normpath(f"/folder/{name}") == f"/folder/{name}"
    assert 0 < len(name.encode()) <= 121
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert not set(name) & set('<>:"/\\|?*')
    assert name.isprintable() or any(ord(c) > 127 for c in name)
    assert file_name(name) == name


def test_usual_names_stay_as_they_are(tmp_path: Path) -> None:
    for name in ("golden retriever", "Señal de tráfico", "猫", "a.b-c_d", "it's"):
        assert file_name(name) == name
    for text in HOSTILE:
        (tmp_path / file_name(text)).touch()
    assert len(list(tmp_path.iterdir())) >= 7
    assert file_name("nul.txt") == "_nul.txt"
    assert file_name("x" * 500) == "x" * 120
    assert file_name("é" * 500) == "é" * 60


@given(st.lists(st.sampled_from(["a", "A", "a-2", "b", "B-2"])))
def test_no_two_names_are_equal_in_any_case(names: list[str]) -> None:
    result = make_distinct(names, taken=["b"])
    assert len({name.casefold() for name in (*result, "b")}) == len(names) + 1
    assert all(new.startswith(old) for new, old in zip(result, names, strict=True))


LABELS = (
    Label("n01443537", "goldfish, Carassius auratus"),
    Label("n02123045", "tabby, cat"),
    Label("n02123597", "Siamese, cat"),
    Label("3", "5"),
)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("n02123045", 1),
        ("goldfish, Carassius auratus", 0),
        ("Goldfish", 0),
        ("SIAMESE", 2),
        ("0", 0),
        ("3", 3),  # an identifier
        ("5", 3),  # a name, and no index
        ("2", 2),
    ],
)
def test_a_class_is_found_by_identifier_name_word_or_index(text: str, index: int) -> None:
    assert find_class(text, LABELS) == index


@pytest.mark.parametrize("text", ["cat", "dog", "4", "-1", "", "1.0", "²", "9" * 5000])
def test_what_names_no_class_or_several_is_refused(text: str) -> None:
    with pytest.raises(UnknownClass, match="an index from 0 to 3"):
        find_class(text, LABELS)


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(UnknownClass, match="Did you mean 'goldfish'?"):
        find_class("goldfsh", LABELS)


def test_a_name_that_holds_the_word_is_suggested_and_nothing_that_is_only_a_little_alike() -> None:
    cats = [Label("a", "Egyptian cat"), Label("b", "tabby, tabby cat"), Label("c", "coast")]
    with pytest.raises(UnknownClass, match="Did you mean 'tabby cat'?"):
        find_class("cat", cats)
    with pytest.raises(UnknownClass, match=r"no class 'costume'\. Give a name"):
        find_class("costume", cats)
