"""Files as they come: of old and new writers, with what scripts leave in them, and as attacks."""

import argparse
import collections
import datetime
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from safetensors.torch import save_file

from foreign import as_torch, onnx_zoo_v1, torch_bytes, write
from originals import ORIGINALS, weights
from shufflenet import zoo
from shufflenet.convert import convert_checkpoint
from shufflenet.convert._pickle import read_pickle
from shufflenet.convert._pickled_values import Unsafe
from shufflenet.convert._read import read_foreign
from shufflenet.errors import CheckpointError, ShuffleNetError

MEGVII = next(o for o in ORIGINALS if str(o) == "megvii-v2 0.5x")
PADDLE = next(o for o in ORIGINALS if str(o) == "paddleclas x0_25")
ZOO = next(o for o in ORIGINALS if o.source == "onnxzoo")


def test_every_way_torch_has_saved_is_read(tmp_path: Path) -> None:
    tensors = as_torch(weights(MEGVII))
    tensors["module.strided"] = torch.arange(12.0).reshape(3, 4).T[1:]
    path = tmp_path / "a.pth"
    for zipped in (True, False):
        for protocol in (2, 3, 4, 5):
            torch.save(
                {"state_dict": tensors},
                path,
                pickle_protocol=protocol,
                _use_new_zipfile_serialization=zipped,
            )
            file = read_foreign(path)
            assert file.prefix == "module."
            arrays = {file.prefix + name: array for name, array in file.arrays.items()}
            assert arrays.keys() == tensors.keys()
            for name, tensor in tensors.items():
                assert arrays[name].dtype == tensor.numpy().dtype
                assert np.array_equal(arrays[name], tensor.numpy()), name


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_other_float_types_are_read(kind: torch.dtype, tmp_path: Path) -> None:
    tensor = torch.randn(3, 4).to(kind)
    torch.save({"a": tensor}, tmp_path / "a.pth")
    save_file({"a": tensor}, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        assert np.array_equal(read_foreign(tmp_path / name).arrays["a"], tensor.double().numpy())


def test_what_training_scripts_store_beside_weights_is_ignored(tmp_path: Path) -> None:
    meta = {
        "time": datetime.datetime(2020, 8, 12, tzinfo=datetime.UTC),
        "best": np.float64(69.55),
        "history": np.arange(3),
        "path": Path("work_dirs"),
        "arguments": argparse.Namespace(epochs=300),
        "counts": collections.defaultdict(int, a=1),
        ("a", "tuple"): {1, 2},
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}},
    }
    path = tmp_path / "a.pth"
    for zipped in (True, False):
        saved = {"state_dict": as_torch(weights(MEGVII)), "meta": meta}
        torch.save(saved, path, _use_new_zipfile_serialization=zipped)
        assert convert_checkpoint(path).checkpoint.card.network.name == "shufflenet_v2_x0_5_megvii"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_paddle_is_read(protocol: int, tmp_path: Path) -> None:
    arrays = weights(PADDLE)
    arrays["fortran"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps(collections.OrderedDict(arrays), protocol=protocol))
    back = read_foreign(path).arrays
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], array) for name, array in arrays.items())


def test_paddles_bfloat16_is_widened(tmp_path: Path) -> None:
    """It comes as the upper halves of float32 numbers, in unsigned integers."""
    upper = (np.array([1.5, -2, 0.1], np.float32).view(np.uint32) >> 16).astype(np.uint16)
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps({"a": upper}))
    assert np.allclose(read_foreign(tmp_path / "a.pdparams").arrays["a"], [1.5, -2, 0.1], rtol=1e-2)


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(ShuffleNetError) as caught:
        convert_checkpoint(path)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_no_float_type_are_refused(tmp_path: Path) -> None:
    tensors = as_torch(weights(MEGVII))
    name = "module.classifier.0.weight"
    for kind, told in ((torch.int32, "int32"), (torch.bool, "bool")):
        torch.save({**tensors, name: tensors[name].to(kind)}, tmp_path / "a.pth")
        refused(tmp_path / "a.pth", f"classifier.0.weight holds {told} numbers")
    torch.save({**tensors, name: tensors[name].to(torch.complex64)}, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", "ComplexFloatStorage")
    variance = "module.first_conv.1.running_var"
    torch.save({**tensors, variance: -tensors[variance]}, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", "negative variances in 'conv1.1.running_var'")


def test_a_checkpoint_of_ours_is_not_taken_for_torchvisions(tmp_path: Path) -> None:

    ours = Path(zoo.__file__).parent / "default.safetensors"
    refused(ours, "is already a checkpoint of this package")


def older(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Say the same in an older set of operators, as Caffe2's exporter did."""
    model.opset_import[0].version = opset
    shapes = {
        t.name: onnx.numpy_helper.to_array(t).tolist()
        for t in model.graph.initializer
        if t.data_type == onnx.TensorProto.INT64
    }
    for node in model.graph.node:
        if opset < 5 and node.op_type == "Reshape":
            node.attribute.append(helper.make_attribute("shape", shapes[node.input[1]]))
            del node.input[1]
        if opset < 7 and node.op_type == "BatchNormalization":
            node.attribute.append(helper.make_attribute("is_test", 1))
        if opset < 6 and node.op_type in ("BatchNormalization", "Relu", "Sum"):
            node.attribute.append(helper.make_attribute("consumed_inputs", [0] * len(node.input)))
        if opset < 7 and node.op_type in ("Gemm", "Sum"):
            broadcast = node.op_type == "Gemm"
            node.attribute.extend([helper.make_attribute("broadcast", 1)] if broadcast else [])
    if opset < 5:
        kept = [t for t in model.graph.initializer if t.name not in shapes]
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
        inputs = [i for i in model.graph.input if i.name not in shapes]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
    return model


@pytest.mark.parametrize("opset", [3, 6, 7, 8, 9])
def test_every_opset_of_the_onnx_zoo_is_converted(opset: int, tmp_path: Path) -> None:
    """The network must compute what the file does, or converting it fails."""
    path = tmp_path / f"shufflenet-{opset}.onnx"
    path.write_bytes(older(onnx_zoo_v1(weights(ZOO)), opset).SerializeToString())
    converted = convert_checkpoint(path)
    assert converted.checkpoint.card.network.name == "shufflenet_v1_g4_x0_5_onnx"
    assert converted.max_abs_difference < 1e-2  # of 2,913


def instructions(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


NUMPY = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
ATTACKS = {
    "memo": instructions(b"}r", struct.pack("<I", 0x7FFFFFFF)),
    "hex": instructions(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR"),
    "ndarray": instructions(b"cnumpy\nndarray\n(K\x05tR"),
    "huge": instructions(NUMPY, b"(\x8a\x05\x00\x00\x00\xc0\x00ttR"),
    "eval": instructions(b"cbuiltins\neval\n(X\x04\x00\x00\x001+1 tR"),
    "getattr": instructions(b"cbuiltins\ngetattr\n(NNtR"),
    "open": instructions(b"cio\nopen\n(X\x01\x00\x00\x00atR"),
    "import": instructions(b"cimportlib\nimport_module\n(X\x02\x00\x00\x00ostR"),
    "ext": instructions(b"\x82\x01"),
    "instance": instructions(b"(ios\nsystem\n"),
}


@pytest.mark.parametrize("content", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("suffix", [".pth", ".pdparams"])
def test_attacks_are_refused_at_once(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    refused(path)


def test_keys_that_never_finish_hashing_are_skipped() -> None:
    nest: object = ()
    for _ in range(60):
        nest = (nest, nest)
    parts = [b"\x80\x02}(", b")"]  # a dictionary, a mark, an empty tuple
    parts += [b"2\x86" for _ in range(60)]  # doubled and paired, sixty times
    parts += [b"K\x01u."]
    assert read_pickle(io.BytesIO(b"".join(parts))) == {}


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(1 << 40)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="larger than its storage"):
        read_foreign(tmp_path / "a.pth")


def test_nothing_that_is_named_is_called() -> None:
    class Caller:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return print, ("called",)

    with pytest.raises(Unsafe, match=r"builtins\.print"):
        read_pickle(io.BytesIO(pickle.dumps({"a": Caller()})))


def test_onnx_files_that_cannot_be_computed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    whole = onnx_zoo_v1(weights(ZOO))
    for spoil, part in (
        (lambda m: m.graph.ClearField("node"), "cannot be computed"),
        (lambda m: m.ClearField("opset_import"), "cannot be computed"),
        (lambda m: setattr(m.graph.node[0], "op_type", "Loop"), "no ShuffleNet needs Loop"),
        (lambda m: setattr(m.graph.node[0], "op_type", "Relu"), "cannot be computed"),
        (lambda m: m.graph.output.append(m.graph.output[0]), "cannot be computed"),
    ):
        model = onnx.ModelProto()
        model.CopyFrom(whole)
        spoil(model)
        path.write_bytes(model.SerializeToString())
        refused(path, part)


@pytest.mark.parametrize("kind", [".pth", ".legacy.pth", ".pdparams", ".onnx", ".safetensors"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_flipped_byte_leads_to_a_sentence_or_falls_on_a_weight(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("flipped") / f"a{kind}"
    content = bytearray(_whole(kind))
    at = data.draw(st.integers(0, min(len(content), 20_000) - 1))
    content[at if data.draw(st.booleans()) else -1 - at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with suppress(CheckpointError):  # and no other error
        read_foreign(path)


def _whole(kind: str) -> bytes:
    arrays: dict[str, npt.NDArray[Any]] = {
        "a.weight": np.ones((3, 4), np.float32),
        "a.bias": np.zeros(3, np.float64),
    }
    buffer = io.BytesIO()
    if kind == ".pth":
        return torch_bytes({"state_dict": as_torch(arrays)})
    if kind == ".legacy.pth":
        torch.save(as_torch(arrays), buffer, _use_new_zipfile_serialization=False)
        return buffer.getvalue()
    if kind == ".pdparams":
        return pickle.dumps(arrays, protocol=4)
    if kind == ".onnx":
        tensors = [onnx.numpy_helper.from_array(a, n) for n, a in arrays.items()]
        nodes = [helper.make_node("Identity", ["a.bias"], ["b"])]
        graph = helper.make_graph(nodes, "g", [], [], tensors)
        return bytes(helper.make_model(graph).SerializeToString())
    from safetensors.numpy import save  # noqa: PLC0415  # one of two that are called so

    return save(arrays)


def test_zip_files_that_are_not_torchs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights")
    refused(path, "is a zip archive of other files")


def test_the_files_of_tests_are_themselves_read(tmp_path: Path) -> None:
    for original in (MEGVII, PADDLE):
        assert len(read_foreign(write(original, tmp_path)).arrays) == len(original.entries)
