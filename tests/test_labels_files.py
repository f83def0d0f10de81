"""Files of labels, in the forms that people have them in, and what is refused of them."""

import json
from pathlib import Path

import pytest

from shufflenet.errors import DataError
from shufflenet.labels import read_labels, read_names
from shufflenet.spec import Label

PLAIN = (Label("cat", "cat"), Label("dog", "dog"))
NAMED = (Label("n01440764", "tench, Tinca tinca"), Label("n01443537", "goldfish"))
PAIRS = [["n01440764", "tench, Tinca tinca"], ["n01443537", "goldfish"]]

READ = {
    "lines": ("cat\ndog\n", PLAIN),
    "no end": ("cat\ndog", PLAIN),
    "Windows": ("\ufeffcat\r\ndog\r\n", PLAIN),
    "old Macintosh": ("cat\rdog\r", PLAIN),
    "empty lines": ("\ncat\n  \n\t\ndog\n\n\n", PLAIN),
    "spaces": ("  cat \ndog  \n", PLAIN),
    "pairs": ("n01440764\ttench, Tinca tinca\nn01443537\tgoldfish\n", NAMED),
    "ImageNet's": ("n01440764 tench, Tinca tinca\nn01443537 goldfish\n", NAMED),
    "two of a name": ("a\tcrane\nb\tcrane\n", (Label("a", "crane"), Label("b", "crane"))),
    "quotes": ('"a"\ndog\'s\n', (Label('"a"', '"a"'), Label("dog's", "dog's"))),
    "a list": (json.dumps(["cat", "dog"]), PLAIN),
    "a list of pairs": (json.dumps(PAIRS), NAMED),
    "an object": (json.dumps({"1": "dog", "0": "cat"}), PLAIN),
    "Keras's": (json.dumps(dict(zip("01", PAIRS, strict=True))), NAMED),
    "class_to_idx": (json.dumps({"dog": 1, "cat": 0}), PLAIN),
    "indented, with a mark": ("\ufeff" + json.dumps(PAIRS, indent=2), NAMED),
}  # fmt: skip


@pytest.mark.parametrize(("text", "labels"), READ.values(), ids=READ)
def test_labels_are_read(text: str, labels: tuple[Label, ...], tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(text.encode())
    assert read_labels(path) == labels


REFUSED = {
    "two of one name": ("crow\ncrane\nheron\ncrane\n", "'crane' names classes 1 and 3"),
    "two of one identifier": ("a\tx\na\ty\n", "'a' names classes 0 and 1"),
    "three fields": ("a\tb\tc\n", "a line with two tabs"),
    "no name": ("cat\ta\ndog\t\n", "an empty field or a control character"),
    "a control character": ("cat\nd\x1b[2Jog\n", r"control character: 'd\x1b[2Jog"),
    "a NUL": ("cat\nd\0og\n", "control character"),
    "text that turns around": ("cat\nd\u202eog\n", "control character"),
    "nothing": ("\n \n", "it names no class"),
    "an empty list": ("[]", "it names no class"),
    "no JSON": ("{0: 'tench', 1: 'goldfish'}", "is not JSON that can be read"),
    "cut JSON": ('["cat", "do', "is not JSON that can be read"),
    "deep JSON": ("[" * 100_000, "nested more than"),
    "a number missing": ('{"0": "cat", "2": "dog"}', "do not have the numbers 0 to 1"),
    "numbers from 1": ('{"1": "cat", "2": "dog"}', "do not have the numbers 0 to 1"),
    "one number twice": ('{"cat": 0, "dog": 0}', "do not have the numbers 0 to"),
    "a key twice": ('{"0": "cat", "0": "dog"}', "comes twice"),
    "numbers": ("[1, 2]", "not of names"),
    "objects": ('[{"a": 1}]', "not of names"),
    "empty names": ('["", "dog"]', "an empty field"),
    "triples": ('[["a", "b", "c"]]', "a line with two tabs"),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_other_files_are_refused(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(text.encode())
    with pytest.raises(DataError) as caught:
        read_labels(path)
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "problem"),
    [("cat".encode("utf-16"), "it is not UTF-8"), (b"a" * 5_000_000, "larger than 4.19 MB")],
)
def test_bytes_that_are_no_text_are_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem):
        read_labels(path)


def test_names_are_read_from_json_too(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text('{"n1": "cat", "0": "dog"}')
    assert read_names(path) == {"n1": "cat", "0": "dog"}
    path.write_text("a\tcat\na\tdog\n")
    with pytest.raises(DataError, match="'a' names classes 0 and 1"):
        read_names(path)
