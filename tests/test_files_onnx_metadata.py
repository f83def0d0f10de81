"""The metadata of ONNX files, read without ``onnx``: compared with what ``onnx`` reads."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from conftest import Run, card_for
from resealed import save_resealed
from shufflenet.errors import CardMismatch, CheckpointError, DamagedOnnx
from shufflenet.files import computes_int8, read_onnx_card, read_onnx_metadata
from shufflenet.spec import CARD_KEY, Card
from shufflenet.zoo import NETWORKS, SHIPPED


def model_with(metadata: dict[str, str]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Add", ["images", "weights"], ["logits"])],
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, None, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, None])],
        [numpy_helper.from_array(np.arange(300, dtype=np.float32), "weights")],
    )
    model = helper.make_model(graph, producer_name="test", model_version=2**40)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model


def test_the_shipped_file_is_read_as_onnx_reads_it() -> None:
    assert SHIPPED.onnx
    entries = {entry.key: entry.value for entry in onnx.load(SHIPPED.onnx).metadata_props}
    assert read_onnx_metadata(SHIPPED.onnx) == entries
    assert read_onnx_card(SHIPPED.onnx).to_json() == entries[CARD_KEY]
    assert not computes_int8(SHIPPED.onnx)


@given(metadata=st.dictionaries(st.text(), st.text(max_size=400), max_size=4))
def test_any_metadata_is_read(
    metadata: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.onnx"
    path.write_bytes(model_with(metadata).SerializeToString())
    assert read_onnx_metadata(path) == metadata


def test_metadata_that_comes_twice_is_refused_since_readers_differ(tmp_path: Path) -> None:
    model = model_with({"a": "first"})
    model.metadata_props.add(key="a", value="last")
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=r"\(its metadata has 'a' twice\)"):
        read_onnx_metadata(tmp_path / "a.onnx")


def test_a_file_that_is_cut_short_anywhere_has_no_card(tmp_path: Path) -> None:
    card = card_for(NETWORKS["shufflenet_v2_x0_25"])
    whole = model_with({CARD_KEY: card.to_json()}).SerializeToString()
    path = tmp_path / "a.onnx"
    path.write_bytes(whole)
    assert read_onnx_card(path) == card
    opset = len(whole) - len(model_with({}).SerializeToString())
    for end in (*range(40), *range(len(whole) - opset - 20, len(whole) - 20, 997)):
        path.write_bytes(whole[:end])
        with pytest.raises(CheckpointError):
            read_onnx_card(path)


@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_in_a_sentence(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.onnx"
    path.write_bytes(content)
    with suppress(CheckpointError):  # any other error fails the test
        assert isinstance(read_onnx_metadata(path), dict)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x72\xff\xff\xff\xff\x0f", "field 14 ends after its message does"),
        (b"\x3a\x05ab", "field 7 ends after its message does"),
        (b"\x08\x01\x73", "field 14 is of the unknown type 3"),
        (b"\x75abcd", "field 14 is no text"),
        (b"\x08" + b"\xff" * 11, "a number has more than 64 bits"),
        (b"\x08\x80", "it ends within a number"),
        (b"\x02\x00", "a field has the number 0"),
        (b"\x72\x03\x0a\x01\xff", "invalid start byte"),
    ],
)
def test_what_is_no_message_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=reason):
        read_onnx_metadata(path)


def test_a_file_that_is_not_there_and_one_without_a_card_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        read_onnx_card(tmp_path / "none.onnx")
    (tmp_path / "bare.onnx").write_bytes(model_with({}).SerializeToString())
    with pytest.raises(CheckpointError, match="has no card"):
        read_onnx_card(tmp_path / "bare.onnx")


SPEC = replace(NETWORKS["shufflenet_v2_x0_25"], classes=5)


@pytest.mark.parametrize(
    ("images", "logits", "problem"),
    [
        ([None, 3, None, None], [None, 5], ""),
        (["n", 3, "h", "w"], ["n", 5], ""),
        ([1, 3, 32, 32], [1, 5], ""),
        (None, None, ""),
        ([1, 3, 32, 32], [1, 4], "its output has shape (1, 4), not (any, 5)"),
        ([1, 3, 32, 32], [1, 5, 1, 1], "its output has shape (1, 5, 1, 1), not (any, 5)"),
        ([1, 3, 32, 32], [5], "its output has shape (5), not (any, 5)"),
        (["n", 1, None, None], ["n", 5], "its input has shape (any, 1, any, any), not (any, 3, 32"),
        ([1, 3, 64, 64], ["n", 5], "its input has shape (1, 3, 64, 64), not (any, 3, 32, 32)"),
        ([1, 32, 32, 3], ["n", 5], "its input has shape (1, 32, 32, 3), not (any, 3, 32, 32)"),
        ([-1, 3, 2**40, 32], ["n", 5], "its input has shape"),
    ],
)
def test_a_card_is_compared_with_what_the_file_takes_and_gives(
    images: list[str | int | None] | None,
    logits: list[str | int | None] | None,
    problem: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.onnx"
    model = model_with({CARD_KEY: card_for(SPEC).to_json()})
    for value, shape in ((model.graph.input[0], images), (model.graph.output[0], logits)):
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape))
    # as files of old versions do: weights are inputs too, and may come first
    weights = helper.make_tensor_value_info("weights", TensorProto.FLOAT, [300])
    model.graph.input.insert(0, weights)
    path.write_bytes(model.SerializeToString())
    if not problem:
        assert read_onnx_card(path) == card_for(SPEC)
        return
    with pytest.raises(CardMismatch) as error:
        read_onnx_card(path)
    assert problem in str(error.value)


def test_a_graph_that_comes_twice_is_refused(tmp_path: Path) -> None:
    whole = model_with({CARD_KEY: card_for(SPEC).to_json()}).SerializeToString()
    second = onnx.ModelProto(graph=onnx.GraphProto(name="other")).SerializeToString()
    (tmp_path / "a.onnx").write_bytes(whole + second)
    with pytest.raises(DamagedOnnx, match="field 7 is there 2 times"):
        read_onnx_card(tmp_path / "a.onnx")


@pytest.mark.parametrize("size", [0, 2**31])
def test_a_size_that_no_message_has_is_refused_unread(size: int, tmp_path: Path) -> None:
    with (tmp_path / "a.onnx").open("wb") as file:
        file.truncate(size)  # of a hole: it takes no room
    with pytest.raises(CheckpointError, match=f"it has {size} bytes" if size else "is empty"):
        read_onnx_card(tmp_path / "a.onnx")


def test_a_message_of_millions_of_fields_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x08\x01" * 1_000_001)
    with pytest.raises(DamagedOnnx, match="a message has more than 1000000 fields"):
        read_onnx_card(tmp_path / "a.onnx")


@given(
    places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4),
    byte=st.integers(0, 255),
)
def test_any_changed_bytes_are_read_or_refused(
    places: list[float], byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("changed") / "a.onnx"
    whole = bytearray(WHOLE)
    for place in places:
        whole[int(place * len(whole))] = byte
    path.write_bytes(whole)
    with suppress(CheckpointError):  # any other error fails the test
        assert isinstance(read_onnx_card(path), Card)


WHOLE = model_with({CARD_KEY: card_for(SPEC).to_json()}).SerializeToString()


def test_a_changed_weight_of_a_float_file_is_found_by_whatever_opens_it(
    tmp_path: Path, run: Run
) -> None:
    path, photo = tmp_path / "changed.onnx", tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(photo)
    model = onnx.load(SHIPPED.onnx or "")
    weight = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    weight.raw_data = bytes([weight.raw_data[0] ^ 1]) + weight.raw_data[1:]  # the lowest bit
    onnx.save(model, path)
    told = f"The file {str(path)!r} was damaged or changed after it was exported."
    for command in (
        ("predict", photo, "--model", path),
        ("show", path),
        ("embed", photo, "--to", tmp_path / "a.npy", "--model", path),
        ("export", path, "--to", tmp_path / "b.onnx"),
        ("verify", path),
    ):
        code, out, err = run(*command)
        assert (code, out) == (1, ""), command
        assert err.startswith(told), command
    save_resealed(model, path)
    assert run("predict", photo, "--model", path)[0] == 0
