"""What ``speed.py`` compares: a network as others would run it, and as it is deployed here.

Every runtime has the settings in which it was fastest: fixed sizes for ONNX Runtime and OpenVINO,
float32 rather than bfloat16, and for torch channels last, which it computes 20 to 30 % faster in.
"""

import copy
import logging
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

from shufflenet.benchmark import Precision
from shufflenet.data import open_images
from shufflenet.errors import CheckpointError, MissingDependency
from shufflenet.export import export_onnx
from shufflenet.labels import label_set
from shufflenet.models import create_model, load_model_and_card, start_from
from shufflenet.networks import ShuffleNet
from shufflenet.quantize import QuantizeOptions, quantize_onnx
from shufflenet.recipes import preprocess_for
from shufflenet.runtimes import LlvmClassifier, computes_int8_exactly
from shufflenet.spec import Card, Origin
from shufflenet.zoo import DEFAULT

__all__ = [
    "OURS",
    "QUANTISED",
    "SIDE",
    "STANDARD",
    "Entry",
    "Images",
    "LeftOut",
    "Networks",
    "Work",
    "by_onnxruntime",
    "by_openvino",
]

# The last is the shuffle-free graph as `shufflenet quantize` puts it in int8, where the others are
# put in int8 by ONNX Runtime, with the same settings.
OURS, STANDARD, QUANTISED = "shuffle-free", "standard", "quantize"
SIDE = 224
_CALIBRATION_IMAGES = 20

Images = npt.NDArray[np.float32]
Work = Callable[[], Images]


class LeftOut(Exception):
    """A contender that cannot be had on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A network in one graph, runtime and precision, ready to compute a batch."""

    graph: str
    runtime: str
    precision: Precision
    work: Work


class Networks:
    """Networks of 1,000 classes, and the files made of them in a folder.

    Weights are those of the model that ships, but for its classifier, in a network of its kind, and
    random in others. By AVX2, LLVM's int8 is faster the more products it may add in 16 bits, of
    which trained weights have more than random ones; all else computes all weights alike.

    ``without`` names runtimes that are not wanted.
    """

    def __init__(self, folder: Path, without: Collection[str] = ()) -> None:
        self._folder, self._without = folder, without
        self._trained = load_model_and_card(DEFAULT)[1].network.name
        self._nets: dict[str, ShuffleNet] = {}

    def entries(
        self, name: str, images: Images, threads: int, left_out: Callable[[str], None]
    ) -> list[Entry]:
        """Make a network's contenders ready, the reference first.

        Args:
            name: Of the network.
            images: The batch, ``(n, 3, 224, 224)``.
            threads: How many threads each computes on.
            left_out: Told of every contender that cannot be had, and why.
        """
        torch.set_num_threads(threads)
        found = []
        for graph, runtime, precision, ready in self._ways(name, images, threads):
            if runtime in self._without:
                continue
            try:
                found.append(Entry(graph, runtime, precision, ready()))
            except LeftOut as reason:
                left_out(f"{name}, {graph}, {runtime}, {precision}: {reason}")
        return found

    def _ways(
        self, name: str, images: Images, threads: int
    ) -> Iterator[tuple[str, str, Precision, Callable[[], Work]]]:
        net = self.net(name)
        yield STANDARD, "PyTorch", "float32", lambda: eager(net, images)
        yield STANDARD, "torch.compile", "float32", lambda: compiled(net, images)
        kinds: tuple[Precision, ...] = ("float32", "int8")
        for precision in kinds:
            for graph in (
                (STANDARD, OURS) if precision == "float32" else (STANDARD, OURS, QUANTISED)
            ):
                path = self.file(name, graph, precision)
                for runtime, open_ in (("ONNX Runtime", by_onnxruntime), ("OpenVINO", by_openvino)):
                    yield graph, runtime, precision, _deferred(open_, path, images, threads)
        by_us: tuple[tuple[str, Precision], ...] = ((OURS, "float32"), (QUANTISED, "int8"))
        for graph, precision in by_us:
            path = self.file(name, graph, precision)
            yield graph, "LLVM", precision, _deferred(by_llvm, path, images, threads)

    def net(self, name: str) -> ShuffleNet:
        """Give a network, the same at every call."""
        if name not in self._nets:
            torch.manual_seed(0)
            net = create_model(name)
            if name == self._trained:
                start_from(net, label_set("imagenet-1k"), *load_model_and_card(DEFAULT))
                self._nets[name] = net.eval()
            else:
                self._nets[name] = calm(net)
        return self._nets[name]

    def file(self, name: str, graph: str, precision: Precision) -> Path:
        """Give the ONNX file of a network; it is written when it is first asked for."""
        path = self._folder / f"{name}.{graph}.{precision}.onnx"
        if not path.exists() and precision == "float32":
            net = self.net(name)
            card = Card(
                name=name,
                network=net.spec,
                preprocess=preprocess_for(SIDE),
                labels=label_set("imagenet-1k"),
                origin=Origin(data="nothing: for benchmarks only", licence="none"),
            )
            export_onnx(net, card, path, shuffle="keep" if graph == STANDARD else "free")
        elif not path.exists() and graph == QUANTISED:
            quantise_as_ours(self.file(name, OURS, "float32"), path)
        elif not path.exists():
            quantise(self.file(name, graph, "float32"), path)
        return path


def _deferred(
    open_: Callable[[Path, Images, int], Work], path: Path, images: Images, threads: int
) -> Callable[[], Work]:
    return lambda: open_(path, images, threads)


def calm(net: ShuffleNet) -> ShuffleNet:
    """Give batch norms the statistics of what they see, so that values stay of ordinary size."""
    with torch.no_grad():
        for _ in range(10):
            net.train()(torch.randn(4, 3, SIDE, SIDE))
    return net.eval()


def channels_last(net: ShuffleNet, images: Images) -> tuple[ShuffleNet, torch.Tensor]:
    """Copy a network and a batch into the layout that torch computes fastest in."""
    layout = {"memory_format": torch.channels_last}
    return copy.deepcopy(net).to(**layout), torch.from_numpy(images).to(**layout)  # type: ignore[call-overload]  # its types know no layout of modules


def eager(net: ShuffleNet, images: Images) -> Work:
    """Compute by torch, as it comes."""
    last, batch = channels_last(net, images)

    def work() -> Images:
        with torch.inference_mode():
            result: Images = last(batch).numpy()
        return result

    return work


def compiled(net: ShuffleNet, images: Images) -> Work:
    """Compute by torch.compile, batch norms folded and weights laid out beforehand.

    Raises:
        LeftOut: it fails; it needs a C++ compiler.
    """
    import torch._inductor.config as inductor  # noqa: PLC0415  # a second that others save

    inductor.freezing = True
    torch._dynamo.reset()
    last, batch = channels_last(net, images)
    fast = torch.compile(last)

    def work() -> Images:
        with torch.no_grad():
            result: Images = fast(batch).numpy()
        return result

    try:
        work()
    except Exception as error:  # whatever a compiler or its absence causes
        raise LeftOut(f"it fails: {str(error).splitlines()[0][:120]}") from error
    return work


def by_onnxruntime(path: Path, images: Images, threads: int) -> Work:
    """Compute a file by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    for axis, size in (("batch", len(images)), ("height", SIDE), ("width", SIDE)):
        options.add_free_dimension_override_by_name(axis, size)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: images}
    return lambda: np.asarray(session.run(None, given)[0])


def by_openvino(path: Path, images: Images, threads: int) -> Work:
    """Compute a file by OpenVINO.

    Raises:
        LeftOut: it is not installed.
    """
    try:
        import openvino  # noqa: PLC0415  # may be absent
    except ModuleNotFoundError as error:
        raise LeftOut("openvino is not installed") from error
    core = openvino.Core()
    model = core.read_model(str(path))
    model.reshape(list(images.shape))
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda: np.array(request.infer([images])[0])


def by_llvm(path: Path, images: Images, threads: int) -> Work:
    """Compute a file by this package's own code.

    Raises:
        LeftOut: llvmlite is not installed, or the network has layers of another kind.
    """
    try:
        classifier = LlvmClassifier(path, threads=threads)
    except (CheckpointError, MissingDependency) as error:
        raise LeftOut(str(error)) from error
    return lambda: classifier.logits(images)


class _Random(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Random images, of which ONNX Runtime's quantisation takes ranges."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        shape = (1, 3, SIDE, SIDE)
        self._images = iter(
            [rng.standard_normal(shape, np.float32) for _ in range(_CALIBRATION_IMAGES)]
        )

    def get_next(self) -> dict[str, Any] | None:
        """Give the next, or nothing when there are no more."""
        image = next(self._images, None)
        return None if image is None else {"images": image}


def quantise(source: Path, target: Path) -> None:
    """Write a graph in int8, as ONNX Runtime's documentation says for this kind of processor.

    QDQ, activations u8, weights s8 with a scale for each channel, of 7 bits where a processor has
    no VNNI and would saturate.

    Source: onnxruntime.ai, Quantize ONNX models
    """
    logging.disable(logging.WARNING)  # it advises to do what the next line does
    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(target),
        _Random(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=not computes_int8_exactly(),
    )
    prepared.unlink()
    logging.disable(logging.NOTSET)


def quantise_as_ours(source: Path, target: Path) -> None:
    """Write a graph in int8 as ``shufflenet quantize`` does, whatever answers it changes.

    Networks see random photos here: for how long it takes that is as good.
    """
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(2 * _CALIBRATION_IMAGES):
            place = Path(folder) / "ab"[number % 2]
            place.mkdir(exist_ok=True)
            pixels = rng.integers(0, 256, (256, 256, 3), np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
        quantize_onnx(
            source,
            open_images(folder),
            target,
            QuantizeOptions(max_drop_percent=100, calibration_images=_CALIBRATION_IMAGES),
        )
