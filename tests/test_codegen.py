"""Networks as machine code: what ONNX Runtime computes, for any size, processor and thread."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import card_for, take_away, with_seeded_weights
from shufflenet import open_model
from shufflenet.errors import CheckpointError, MissingDependency, SpecError
from shufflenet.export import export_onnx
from shufflenet.networks import build
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import NetworkSpec, SearchedStage, Stage, V1Spec, V2PlusSpec, V2Spec
from shufflenet.zoo import SHIPPED
from tolerance import FLOAT32_RELATIVE

pytest.importorskip("llvmlite")
from llvmlite import binding, ir
from shufflenet.codegen._writer import PIXELS

from shufflenet.codegen import _compiled
from shufflenet.graph import Convolution, Network, read_network
from shufflenet.runtimes import LlvmClassifier

assert SHIPPED.onnx
pytestmark = pytest.mark.xdist_group("native")  # a worker makes the thin network once


def export(spec: NetworkSpec, path: Path) -> Path:
    export_onnx(with_seeded_weights(build(spec)).eval(), card_for(spec), path)
    return path


@pytest.fixture(scope="session")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose channels fill no vector, with two, three and one unit in its stages."""
    spec = V2Spec(
        name="thin",
        stages=tuple(Stage(channels=c, repeats=n) for c, n in ((26, 2), (60, 3), (84, 1))),
        stem_channels=10,
        head_channels=145,
        classes=11,
    )
    return export(spec, tmp_path_factory.mktemp("thin") / "thin.onnx")


def images(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def assert_same(classifier: LlvmClassifier, path: Path, batch: npt.NDArray[np.float32]) -> None:
    expected = OnnxClassifier(path).logits(batch)
    difference = np.abs(classifier.logits(batch) - expected).max()
    assert difference <= FLOAT32_RELATIVE * np.abs(expected).max()


OTHERS: dict[str, NetworkSpec] = {
    "groups": V1Spec(
        name="groups",
        groups=3,
        stages=(Stage(channels=60, repeats=3), Stage(channels=108, repeats=2)),
        stem_channels=9,
        classes=7,
    ),
    "grouped at once": V1Spec(
        name="grouped at once",
        groups=2,
        stages=(Stage(channels=40, repeats=2),),
        first_grouped=True,
        shuffle="inverse",
        classes=7,
    ),
    "a channel a group": V1Spec(
        name="a channel a group", groups=8, stages=(Stage(channels=32, repeats=2),), classes=7
    ),
    "searched": V2PlusSpec(
        name="searched",
        stages=(
            SearchedStage(channels=28, kinds=("7x7", "3x3", "5x5")),
            SearchedStage(channels=36, kinds=("xception", "7x7", "xception"), middles=(9, 20, 13)),
        ),
        head_channels=40,
        classes=7,
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_it_computes_v1_and_searched_networks(name: str, tmp_path: Path) -> None:
    path = export(OTHERS[name], tmp_path / "other.onnx")
    classifier = LlvmClassifier(path, threads=1)
    for size in ((64, 64), (41, 30)):
        assert_same(classifier, path, images(2, 3, *size))


@pytest.mark.parametrize("size", [(64, 64), (33, 70), (1, 1), (7, 224)])
def test_it_computes_what_onnxruntime_does(thin: Path, size: tuple[int, int]) -> None:
    assert_same(LlvmClassifier(thin, threads=1), thin, images(2, 3, *size))


def test_channels_that_only_fill_up_are_left_out(thin: Path) -> None:
    stored = {x.dims[0] for x in onnx.load(thin).graph.initializer if x.dims[1:2] == [1]}
    network, _ = read_network(thin)
    layers = [layer for layer in network.layers if isinstance(layer, Convolution)]
    assert {16, 32, 44} < stored
    assert {len(x.weight) for x in layers if x.depthwise} == stored - {16, 32, 44} | {13, 30, 42}


@pytest.mark.parametrize(("lanes", "registers"), [(4, 16), (4, 32), (16, 32)])
def test_it_does_with_vectors_of_other_processors(
    thin: Path, lanes: int, registers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_compiled, "_vectors", lambda: (lanes, registers))
    assert_same(LlvmClassifier(thin, threads=1), thin, images(1, 3, 50, 64))


def test_large_maps_are_made_in_strips(thin: Path) -> None:
    classifier = LlvmClassifier(thin, threads=1)
    assert_same(classifier, thin, images(1, 3, 512, 512))
    first, second = images(2, 3, 512, 512)
    before = classifier.logits(first[None])
    classifier.logits(second[None])  # what it left in the arena changes nothing
    assert np.array_equal(classifier.logits(first[None]), before)


def test_the_model_that_ships_is_computed_by_many_threads() -> None:
    classifier = LlvmClassifier(SHIPPED.onnx or "", threads=3)
    side = classifier.card.preprocess.crop_px
    batch = images(7, 3, side, side)
    assert_same(classifier, Path(SHIPPED.onnx or ""), batch)
    alone = LlvmClassifier(SHIPPED.onnx or "", threads=1).logits(batch)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(classifier.logits, [batch] * 8):
            assert np.array_equal(answer, alone)


def test_callers_in_several_threads_do_not_wait_for_each_other(
    thin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = LlvmClassifier(thin, threads=1)
    classifier.logits(images(1, 3, 16, 16))
    together = threading.Barrier(2, timeout=300)

    def features(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        together.wait()
        return np.zeros(40, np.float32)

    (compiled,) = classifier._of_shape.values()
    monkeypatch.setattr(compiled, "features", features)
    with ThreadPoolExecutor(2) as callers:
        assert len(list(callers.map(classifier.logits, [images(3, 3, 16, 16)] * 2))) == 2


def test_more_images_than_are_classified_at_once(thin: Path) -> None:
    assert_same(LlvmClassifier(thin, threads=2), thin, images(PIXELS + 3, 3, 9, 9))


def test_no_images_give_no_logits() -> None:
    assert LlvmClassifier(SHIPPED.onnx or "").logits(images(0, 3, 32, 32)).shape == (0, 200)


def test_what_is_no_number_stays_none(thin: Path) -> None:
    batch = np.full((1, 3, 40, 40), np.nan, np.float32)
    assert np.isnan(LlvmClassifier(thin).logits(batch)).all()


def test_code_of_the_shapes_used_last_is_kept(thin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = LlvmClassifier(thin)
    output = []

    def compiled(network: Network, *shape: int) -> _compiled.Compiled:
        output.append(shape[1])
        return one

    one = _compiled.Compiled(classifier._network, 3, 8, 8)
    monkeypatch.setattr(one, "features", lambda image: np.zeros(40, np.float32))
    monkeypatch.setattr(classifier, "_compile", compiled)
    for side in (8, 9, 10, 11, 8, 12, 8, 9):
        classifier.logits(images(1, 3, side, side))
    assert output == [8, 9, 10, 11, 12, 9]


FEW = (Stage(channels=48, repeats=1),)


@pytest.mark.parametrize(
    ("spec", "operation"),
    [
        (V1Spec(name="one", groups=2, stages=FEW, pool_counts_padding=False), "AveragePool"),
        (V2Spec(name="two", stages=FEW, head_channels=8, activation="swish"), "Sigmoid"),
    ],
)
def test_other_networks_are_refused_by_what_they_compute(
    spec: NetworkSpec, operation: str, tmp_path: Path
) -> None:
    path = export(spec, tmp_path / "other.onnx")
    with pytest.raises(CheckpointError, match=f"has a {operation} .*--runtime onnxruntime"):
        LlvmClassifier(path)


def changed(source: Path, path: Path, kind: str) -> Path:
    """Write a file of which one operation is of another kind than the runtime computes."""
    model = onnx.load(source)
    nodes = model.graph.node
    node = next(node for node in nodes if node.op_type == kind)
    if kind == "Conv":
        next(a for a in node.attribute if a.name == "dilations").ints[:] = [2, 2]
    elif kind == "MaxPool":
        next(a for a in node.attribute if a.name == "strides").ints[:] = [1, 1]
    elif kind == "ReduceMean":
        axes = next(t for t in model.graph.initializer if t.name == node.input[1])
        axes.CopyFrom(numpy_helper.from_array(np.array([1, 2]), axes.name))
    elif kind == "Gemm":
        next(a for a in node.attribute if a.name == "alpha").f = 2.0
    elif kind == "Split":
        sizes = next(t for t in model.graph.initializer if t.name == node.input[1])
        more = numpy_helper.to_array(sizes) + 1
        sizes.CopyFrom(numpy_helper.from_array(more, sizes.name))
    elif kind == "Concat":
        del node.input[-1]
    elif kind == "Relu":
        nodes.insert(0, helper.make_node("Relu", ["images"], ["positive"]))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        *((kind, kind) for kind in ("Conv", "MaxPool", "ReduceMean", "Gemm", "Relu", "Split")),
        ("Concat", "Conv"),
    ],
)
def test_what_it_does_not_know_is_refused(
    thin: Path, kind: str, named: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=f"has a {named} that the LLVM runtime"):
        LlvmClassifier(changed(thin, tmp_path / "changed.onnx", kind))


@pytest.mark.parametrize("kind", ["Conv", "MaxPool", "ReduceMean", "Gemm", "Split", "Concat"])
def test_a_setting_that_is_not_there_is_not_taken_for_the_usual_one(
    thin: Path, kind: str, tmp_path: Path
) -> None:
    model = onnx.load(thin)
    del next(node for node in model.graph.node if node.op_type == kind).attribute[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(CheckpointError, match=f"has a {kind} that the LLVM runtime"):
        LlvmClassifier(tmp_path / "bare.onnx")


def test_colours_in_another_order_are_refused(thin: Path, tmp_path: Path) -> None:
    model = onnx.load(thin)
    model.graph.node[0].input[0] = "turned"
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "order"))
    turn = helper.make_node("Gather", ["images", "order"], ["turned"], axis=1)
    model.graph.node.insert(0, turn)
    onnx.save(model, tmp_path / "turned.onnx")
    with pytest.raises(CheckpointError, match="layers in an order"):
        LlvmClassifier(tmp_path / "turned.onnx")


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 1, 8, 8), np.float32),
        np.zeros((1, 3, 8, 8), np.uint8),
        np.zeros((3, 8, 8), np.float32),
        np.zeros((1, 3, 0, 8), np.float32),
    ],
    ids=lambda batch: f"{batch.dtype} {batch.shape}",
)
def test_batches_of_another_shape_are_refused(thin: Path, batch: npt.NDArray[np.float32]) -> None:
    with pytest.raises(SpecError, match="float32 of shape"):
        LlvmClassifier(thin).logits(batch)


def test_an_output_in_the_middle_is_refused(thin: Path, tmp_path: Path) -> None:
    model = onnx.load(thin)
    depthwise = next(
        node
        for node in model.graph.node
        if node.op_type == "Conv" and next(a for a in node.attribute if a.name == "group").i > 1
    )
    del model.graph.node[list(model.graph.node).index(depthwise) + 1 :]
    model.graph.node.append(helper.make_node("Relu", [depthwise.output[0]], ["end"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("end", TensorProto.FLOAT, None))
    path = tmp_path / "cut.onnx"
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="--runtime onnxruntime"):
        LlvmClassifier(path)


def test_what_was_read_before_a_relu_is_not_read_after_it(thin: Path, tmp_path: Path) -> None:
    model = onnx.load(thin)
    nodes = list(model.graph.node)
    relu = next(n for n, node in enumerate(nodes) if node.op_type == "Relu")
    split = next(node for node in nodes if node.op_type == "Split")
    early = helper.make_node("Split", [nodes[relu].input[0], "sizes"], ["early", "rest"], axis=1)
    model.graph.initializer.append(numpy_helper.from_array(np.array([4, 6]), "sizes"))
    model.graph.node.insert(relu, early)
    inputs = next(node for node in model.graph.node if split.output[0] in node.input)
    inputs.input[0] = "early"
    onnx.save(model, tmp_path / "early.onnx")
    with pytest.raises(CheckpointError, match="has a Concat"):
        LlvmClassifier(tmp_path / "early.onnx")


def test_bad_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        LlvmClassifier(tmp_path / "none.onnx")
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="is no ONNX file"):
        LlvmClassifier(path)


@pytest.mark.parametrize("package", ["llvmlite", "onnx"])
def test_a_package_that_is_missing_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take_away(package, monkeypatch)
    with pytest.raises(MissingDependency, match=r"shufflenet\[llvm\]"):
        open_model(runtime="llvm")


@pytest.mark.parametrize(
    ("features", "permitted", "best"),
    [
        ("", True, ""),
        ("avx2", True, "AVX2"),
        ("avx2 avxvnni", True, "AVX-VNNI"),
        ("avx2 avx512vnni", True, "AVX2"),  # without the rest of AVX-512 that is used
        ("avx2 avx512vnni avx512bw avx512vl", True, "AVX-512 VNNI"),
        ("avx2 avxvnni avx512vnni avx512bw avx512vl amx-tile amx-int8", True, "AMX"),
        ("avx2 avxvnni avx512vnni avx512bw avx512vl amx-tile amx-int8", False, "AVX-512 VNNI"),
    ],
)
def test_the_fastest_instructions_are_found(
    features: str, permitted: bool, best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = dict.fromkeys(features.split(), True)
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: found)
    monkeypatch.setattr(_compiled, "tiles_permitted", lambda: permitted)
    assert _compiled._instructions() == best


@pytest.mark.parametrize(
    ("instructions", "processor"),
    [
        ("AVX2", "haswell"),
        ("AVX-VNNI", "alderlake"),
        ("AVX-512 VNNI", "icelake-client"),
        ("AMX", "sapphirerapids"),
    ],
)
def test_code_is_made_for_processors_that_are_not_at_hand(
    instructions: str, processor: str
) -> None:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    binding.initialize_native_asmparser()  # for what is written as instructions
    module = ir.Module()
    kernels = _compiled._INT8_KERNELS[instructions](module)
    f = kernels.function("all", [])
    kernels.begin(f)
    kernels.end(f)
    f.ret_void()
    for output in (kernels.product("adding"), kernels.depthwise(3), kernels.mean()):
        output.linkage = "external"
    code = binding.parse_assembly(str(module))
    target = binding.Target.from_triple("x86_64-unknown-linux-gnu")
    machine = target.create_target_machine(cpu=processor)
    multiplies = {"AVX2": "vpmaddubsw", "AMX": "tdpbusd"}.get(instructions, "vpdpbusd")
    assert multiplies in machine.emit_assembly(code)


def test_a_float_file_needs_none_of_these(thin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compiled, "_instructions", lambda: pytest.fail("it was asked for"))
    LlvmClassifier(thin)
