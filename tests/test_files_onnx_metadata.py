"""The metadata of ONNX files, read without ``onnx``: compared with what ``onnx`` reads."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from conftest import card_for
from shufflenet.errors import CheckpointError
from shufflenet.files import computes_int8, read_onnx_card, read_onnx_metadata
from shufflenet.spec import CARD_KEY
from shufflenet.zoo import NETWORKS, SHIPPED


def model_with(metadata: dict[str, str]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Add", ["images", "weights"], ["logits"])],
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [None])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None])],
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


def test_of_entries_with_one_key_the_last_counts(tmp_path: Path) -> None:
    model = model_with({"a": "first"})
    model.metadata_props.add(key="a", value="last")
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert read_onnx_metadata(tmp_path / "a.onnx") == {"a": "last"}


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
        (b"\x72\xff\xff\xff\xff\x0f", "field 14 ends after the file does"),
        (b"\x3a\x05ab", "field 7 ends after the file does"),
        (b"\x70\x01\x73", "field 14 is of the unknown type 3"),
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
