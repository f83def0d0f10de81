"""Hashes inside files, and cards beside them."""

import json
from pathlib import Path

import pytest

from conftest import card_for
from shufflenet.errors import CardUnreadable, ChangedExport, NoCard, NoSidecar, SidecarUnreadable
from shufflenet.files import (
    SEAL_KEY,
    UNSEALED,
    check_seal,
    read_sidecar,
    seal,
    sidecar_content,
    sidecar_of,
)
from shufflenet.runtimes import open_card
from shufflenet.spec import CARD_KEY
from shufflenet.zoo import NETWORKS

PARTS = {"a.bin": bytes(range(256)), "a.param": f"7767517 {UNSEALED} end".encode()}


def metadata_of(sealed: dict[str, bytes]) -> dict[str, str]:
    return {SEAL_KEY: sealed["a.param"].split()[1].decode()}


def test_sealed_files_are_known_under_another_name() -> None:
    sealed = seal(PARTS)
    assert sealed["a.bin"] == PARTS["a.bin"]
    assert UNSEALED.encode() not in sealed["a.param"]
    renamed = {name.replace("a.", "other."): content for name, content in sealed.items()}
    check_seal("other.param", metadata_of(sealed), renamed)
    capitals = {name.replace(".param", ".PARAM"): content for name, content in sealed.items()}
    check_seal("a.PARAM", metadata_of(sealed), capitals)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("place", [0, 5, -1])
def test_a_changed_byte_is_noticed(name: str, place: int) -> None:
    sealed = seal(PARTS)
    changed = bytearray(sealed[name])
    changed[place] ^= 1
    with pytest.raises(ChangedExport):
        check_seal("a.param", metadata_of(sealed), {**sealed, name: bytes(changed)})


def test_a_part_of_another_file_is_noticed() -> None:
    sealed = seal(PARTS)
    other = seal({**PARTS, "a.bin": b"other"})
    with pytest.raises(ChangedExport):
        check_seal("a.param", metadata_of(sealed), {**sealed, "a.bin": other["a.bin"]})
    for stated in ("", "0", sealed["a.param"].split()[1].decode() + "0"):
        with pytest.raises(ChangedExport):
            check_seal("a.param", {SEAL_KEY: stated}, sealed)


def test_a_file_holds_the_place_of_its_hash_once() -> None:
    for contents in ({"a": b"none"}, {"a": 2 * UNSEALED.encode()}):
        with pytest.raises(ValueError, match="once"):
            seal(contents)


def test_a_card_beside_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.param"
    card = card_for(NETWORKS["shufflenet_v2_x0_5"])
    metadata = {CARD_KEY: card.to_json(), "check": "[0.5, -1e-07]", SEAL_KEY: UNSEALED}
    contents = seal({"a.param": b"text", "a.param.json": sidecar_content(metadata)})
    assert json.loads(contents["a.param.json"])[CARD_KEY]["name"] == "test"
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    read, content = read_sidecar(path)
    assert json.loads(read["check"]) == [0.5, -1e-07]
    assert open_card(path, read, {"a.param": b"text", "a.param.json": content}) == card
    with pytest.raises(ChangedExport):
        open_card(path, read, {"a.param": b"other", "a.param.json": content})
    with pytest.raises(NoCard):
        open_card(path, {SEAL_KEY: read[SEAL_KEY]}, contents)
    with pytest.raises(CardUnreadable):
        open_card(path, {**read, CARD_KEY: "{}"}, contents)


def test_a_missing_or_damaged_card_beside_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.param"
    with pytest.raises(NoSidecar, match=r"no card beside it, 'a.param.json'"):
        read_sidecar(path)
    for content in (b"", b"[]", b'{"a": 1', b"\xff", b'{"a": NaN}'):
        sidecar_of(path).write_bytes(content)
        with pytest.raises(SidecarUnreadable):
            read_sidecar(path)
