import dataclasses
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shufflenet.errors import NotJson, SpecError
from shufflenet.outside import IrregularFile, open_regular, read_json, read_regular, typed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_what_json_writes_is_read_as_it_was(value: object) -> None:
    for ascii_only in (False, True):
        text = json.dumps(value, ensure_ascii=ascii_only)
        assert read_json(text) == value == read_json(text.encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[1,]", "Expecting value"),
        ("{'a': 1}", "Expecting property name"),
        ("[" * 200_000, "it is nested more than 32 deep"),
        ('{"a":' * 33 + "1" + "}" * 33, "it is nested more than 32 deep"),
        ("9" * 65, "a number has more than 64 digits"),
        ("0." + "0" * 5000 + "1", "a number has more than 64 digits"),
        ("1e999", "the number 1e999 is too large"),
        ("[NaN]", "NaN is no number"),
        ("-Infinity", "-Infinity is no number"),
        ('{"a": 1, "b": {"c": 2, "c": 2}}', "the key 'c' comes twice"),
        ('{"a": 1, "\\u0061": 2}', "the key 'a' comes twice"),
        ('"\\ud800"', "it is not UTF-8"),
        ('["\ud800"]', "it is not UTF-8"),
        (b'"\xff"', "it is not UTF-8"),
        ("1" * (1 << 22) + "1", "it is larger than 4.19 MB"),
        ("\ufeff1", "Unexpected UTF-8 BOM"),
    ],
)
def test_json_that_is_damaged_ambiguous_or_endless_is_refused(
    text: str | bytes, reason: str
) -> None:
    with pytest.raises(NotJson) as error:
        read_json(text, "the card")
    assert str(error.value).startswith(f"the card is not JSON that can be read: {reason}")


def test_the_bounds_themselves_are_allowed() -> None:
    value: object = 1
    for _ in range(32):
        value = [value]
    assert read_json(json.dumps(value)) == value
    assert read_json("9" * 64) == int("9" * 64)
    assert read_json(b"\xef\xbb\xbf[]") == []
    assert read_json('"\\ud83d\\ude00 [[[["') == "\U0001f600 [[[["
    assert read_json("[1]", limit_bytes=3) == [1]


def test_quotes_that_never_close_take_linear_time() -> None:
    start = time.process_time()
    for text in ('"' + '\\"' * 1_000_000, '"\\' * 700_000, '"' * 2_000_000):
        with pytest.raises(NotJson):
            read_json(text)
    assert time.process_time() - start < 20  # a second; quadratic, it would be hours


@dataclasses.dataclass(frozen=True)
class Inner:
    mean: tuple[float, float]
    kind: Literal["a", 1] = "a"


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    count: int
    inner: Inner
    many: tuple[Inner, ...] = ()
    note: str | None = None
    flag: bool = False

    def __post_init__(self) -> None:
        if self.count > 9:
            raise SpecError("count", self.count, "at most 9")


GOOD = {"name": "n", "count": 3, "inner": {"mean": [1, 2.5]}}


def test_an_object_becomes_a_dataclass() -> None:
    more = GOOD | {"many": [{"mean": [0, 0], "kind": 1}], "note": None, "flag": True}
    assert typed(GOOD, Outer, "x") == Outer("n", 3, Inner((1.0, 2.5)))
    expected = Outer("n", 3, Inner((1.0, 2.5)), (Inner((0.0, 0.0), 1),), None, True)
    assert typed(more, Outer, "x") == expected
    assert isinstance(typed(GOOD, Outer, "x").inner.mean[0], float)
    assert typed({"a": 1}, dict[str, int], "x") == {"a": 1}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 5}, "x.name is 5, but must be text."),
        ({"count": True}, "x.count is True, but must be a whole number."),
        ({"count": 3.0}, "x.count is 3.0, but must be a whole number."),
        ({"count": 10}, "count is 10, but must be at most 9."),
        ({"flag": 1}, "x.flag is 1, but must be true or false."),
        ({"note": []}, "x.note is [], but must be text."),
        ({"inner": None}, "x.inner is None, but must be an object."),
        ({"inner": {"mean": [None, 0]}}, "x.inner.mean[0] is None, but must be a number."),
        ({"inner": {"mean": [0]}}, "x.inner.mean is [0], but must be a list of 2."),
        ({"inner": {"mean": "ab"}}, "x.inner.mean is 'ab', but must be a list."),
        ({"inner": {}}, "x.inner.mean is 'missing', but must be there."),
        (
            {"inner": {"mean": [0, 0], "kind": True}},
            "x.inner.kind is True, but must be 'a' or 1.",
        ),
        ({"new": [1]}, "x is {'new': [1]}, but must be without the field 'new'."),
    ],
)
def test_a_field_of_another_type_is_named(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError) as error:
        typed(GOOD | change, Outer, "x")
    assert str(error.value) == sentence


def test_fields_of_a_newer_version_can_be_passed_over() -> None:
    newer = GOOD | {"new": 1, "inner": {"mean": [1, 2.5], "newer": 2}}
    assert typed(newer, Outer, "x", ignore_unknown=True) == typed(GOOD, Outer, "x")


@given(VALUES, st.sampled_from(["name", "count", "inner", "many", "note", "flag"]))
def test_any_value_in_a_field_is_read_or_refused(value: object, field: str) -> None:
    try:
        read = typed(GOOD | {field: value}, Outer, "x")
    except SpecError:
        return
    assert isinstance(read, Outer)


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "a b"
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(file)
    with open_regular(tmp_path / "link") as opened:
        assert opened.read() == b"12345"
    assert read_regular(str(file), 5) == b"12345"
    with pytest.raises(OSError, match="it is larger than 4e-06 MB"):
        read_regular(file, 4)


def test_what_is_no_regular_file_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to pipe").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's name has at most 107 characters
        server.bind("socket")
    kinds = {"pipe": "a pipe", "to pipe": "a pipe", "folder": "a folder", "socket": "a socket"}
    for name, kind in (kinds | {"/dev/zero": "a device"}).items():
        with pytest.raises(IrregularFile) as error:
            open_regular(tmp_path / name)
        assert error.value.strerror == f"it is {kind}"
        assert not error.value.filename or name in error.value.filename


def test_a_pipe_that_took_a_file_s_place_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    regular, pipe = tmp_path / "file", tmp_path / "pipe"
    regular.write_bytes(b"")
    os.mkfifo(pipe)
    seen = os.stat(regular)
    monkeypatch.setattr(os, "stat", lambda path: seen)
    errors: list[OSError] = []

    def attempt() -> None:
        try:
            open_regular(pipe)
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(20)
    assert [type(error) for error in errors] == [IrregularFile]


@pytest.mark.parametrize("name", ["missing", "a\0b", "n" * 300, "\udc80\ud800", "broken"])
def test_a_name_that_no_file_has_is_an_error_of_the_system(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r".") as error:
        open_regular(tmp_path / name)
    assert error.value.strerror
    if name != "n" * 300:
        assert isinstance(error.value, FileNotFoundError)
