"""Checkpoints that a stranger may have made: every header is read, or refused in a sentence."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import card_for, with_seeded_weights
from exported import THIN
from shufflenet.errors import CardMismatch, CheckpointError, DamagedFile, FileMissing, NotAFile
from shufflenet.files import Checkpoint, read_card, read_checkpoint, write_checkpoint
from shufflenet.networks import build, state_arrays
from shufflenet.spec import Card

ARRAYS = state_arrays(with_seeded_weights(build(THIN)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "a.safetensors"
    write_checkpoint(path, Checkpoint(card_for(THIN), ARRAYS))
    return path.read_bytes()


def changed(whole: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    end = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:end])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + whole[end:]


def overlap(header: dict[str, Any]) -> None:
    first, second = (header[f"conv1.1.running_{what}"] for what in ("mean", "var"))
    second["data_offsets"] = first["data_offsets"]


def set_in(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda header: header["fc.bias"].update({key: value})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (overlap, "is not where its header says, or of another size"),
        (set_in("data_offsets", [0, 2**70]), "is not where its header says"),
        (set_in("data_offsets", [-44, 0]), "is not where its header says"),
        (set_in("data_offsets", [0]), "must be a list of 2"),
        (set_in("shape", [2**63, 2**63, 2**63]), "is not where its header says"),
        (set_in("shape", [0]), "is not where its header says"),
        (set_in("shape", [-11]), "has an impossible shape"),
        (set_in("shape", [1] * 40), "has an impossible shape"),
        (set_in("shape", "11"), "must be a list"),
        (set_in("dtype", "BF16"), "its tensor 'fc.bias' is of the type 'BF16'"),
        (set_in("dtype", 5), "must be text"),
        (lambda header: header.update(more=None), "must be an object"),
        (lambda header: header.pop("fc.bias"), "is not where its header says"),
        (lambda header: header.update(__metadata__=[]), "__metadata__ is [], but must be an obj"),
        (lambda header: header["__metadata__"].update(a=1), "must be text"),
    ],
)
def test_a_header_that_does_not_fit_its_file_is_refused(
    change: Callable[[dict[str, Any]], object], reason: str, whole: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.safetensors").write_bytes(changed(whole, change))
    for read in (read_card, read_checkpoint):
        with pytest.raises(DamagedFile) as error:
            read(tmp_path / "a.safetensors")
        assert reason in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "a.safetensors' is empty"),
        (b"\x02", "it ends within its header, after 1 bytes"),
        (b"\xff" * 8 + b"{}", "it ends within its header, after 10 bytes"),
        (b"\x02" + bytes(7) + b"[]", "its header is [], but must be an object"),
        (b"\x02" + bytes(7) + b"{}" + b"more", "it holds 4 bytes of numbers and describes 0"),
        (
            (200_000).to_bytes(8, "little") + b"[" * 200_000,
            "its header is not JSON that can be read: it is nested more than 32 deep",
        ),
        (
            (64).to_bytes(8, "little") + b'{"a":{},"a":{}}'.ljust(64),
            "its header is not JSON that can be read: the key 'a' comes twice",
        ),
    ],
)
def test_bytes_that_are_no_checkpoint_are_refused(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        read_card(tmp_path / "a.safetensors")
    assert reason in str(error.value)


def test_a_header_that_no_checkpoint_has_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.safetensors").open("wb") as file:
        file.write((10**8).to_bytes(8, "little") + b"{}")
        file.truncate(2 * 10**8)  # of a hole: it takes no room
    with pytest.raises(DamagedFile, match="its header has 100000000 bytes"):
        read_card(tmp_path / "a.safetensors")


def network_with(**fields: object) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        card = json.loads(header["__metadata__"]["shufflenet"])
        card["network"].update(fields)
        header["__metadata__"]["shufflenet"] = json.dumps(card)

    return change


STAGES = [{"channels": 26, "repeats": 2, "stride": 2}]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stages": [{"channels": 116, "repeats": 10**9, "stride": 2}]}, "repeats is 1000000000"),
        ({"stages": STAGES * 6000}, "the number of units is 12000, but must be at most 10000"),
        ({"stages": STAGES}, "conv5.0.weight has shape (145, 84, 1, 1), not (145, 26, 1, 1)"),
        ({"head_channels": 30_000}, "conv5.0.weight has shape (145, 84, 1, 1), not (30000, 84,"),
        ({"head_channels": 10**9}, "head_channels is 1000000000, but must be at most 32768"),
        ({"stem_channels": 12}, "conv1.0.weight has shape (10, 3, 3, 3), not (12, 3, 3, 3)"),
        ({"generation": "v1", "groups": 3}, "network is {'head_channels': 145}, but must be witho"),
    ],
)
def test_a_card_of_another_network_is_refused_before_a_network_is_built(
    fields: dict[str, object], reason: str, whole: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.safetensors").write_bytes(changed(whole, network_with(**fields)))
    for read in (read_card, read_checkpoint):
        with pytest.raises(CheckpointError) as error:
            read(tmp_path / "a.safetensors")
        assert reason in str(error.value)


def test_a_weight_that_is_missing_is_named(tmp_path: Path) -> None:
    arrays = {name: array for name, array in ARRAYS.items() if name != "fc.weight"}
    write_checkpoint(tmp_path / "a.safetensors", Checkpoint(card_for(THIN), arrays))
    with pytest.raises(CardMismatch, match=r"which it does not hold: fc.weight is missing\. Write"):
        read_card(tmp_path / "a.safetensors")


def test_a_file_that_takes_the_place_of_another_is_read_whole_or_not_at_all(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(whole)
    (tmp_path / "b").write_bytes(changed(whole, lambda header: header["__metadata__"].clear()))
    parse = Card.from_json

    def replace_then_parse(text: str) -> Card:
        os.replace(tmp_path / "b", path)
        return parse(text)

    monkeypatch.setattr(Card, "from_json", replace_then_parse)
    checkpoint = read_checkpoint(path)
    assert checkpoint.card == card_for(THIN)
    assert np.array_equal(checkpoint.tensors["fc.bias"], ARRAYS["fc.bias"])


@pytest.mark.parametrize("reader", [read_card, read_checkpoint])
def test_a_path_that_leads_to_no_regular_file_is_refused(
    reader: Callable[[str], object], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    (tmp_path / "broken.safetensors").symlink_to("nowhere")
    for name, problem in (("pipe", "is a pipe"), ("zero", "is not a regular file")):
        with pytest.raises(NotAFile, match=problem):
            reader(str(tmp_path / f"{name}.safetensors"))
    for name in ("broken.safetensors", "a\0b.safetensors", "\udc80.safetensors"):
        with pytest.raises(FileMissing):
            reader(f"{tmp_path}/{name}")
    with pytest.raises(CheckpointError, match=r"cannot be read \(File name too long\)"):
        reader(str(tmp_path / ("n" * 300)))


@given(
    places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4),
    byte=st.integers(0, 255),
)
def test_any_changed_bytes_of_a_header_are_read_or_refused(
    places: list[float], byte: int, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("changed") / "a.safetensors"
    end = 8 + int.from_bytes(whole[:8], "little")
    content = bytearray(whole)
    for place in places:
        content[int(place * end)] = byte
    path.write_bytes(content)
    with suppress(CheckpointError):  # any other error fails the test
        assert isinstance(read_checkpoint(path), Checkpoint)
