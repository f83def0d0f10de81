"""The way from a float file to an int8 one: prepare, calibrate, judge, write."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization.calibrate import TensorsData

from shufflenet.data import ImageSet
from shufflenet.errors import AccuracyLost, CheckpointError, SpecError
from shufflenet.files import write_atomic
from shufflenet.quantize._graph import read_graph
from shufflenet.quantize._images import draw
from shufflenet.quantize._judge import Judge, logits_of
from shufflenet.quantize._layers import LayerNoise, layer_noise, name_of
from shufflenet.quantize._observe import Progress
from shufflenet.quantize._prepare import Prepared, attempt, calibrated, prepare
from shufflenet.quantize._ranges import CALIBRATORS, Calibrator
from shufflenet.quantize._round import WeightRange
from shufflenet.runtimes import CHECK_KEY, OnnxClassifier, check_image
from shufflenet.spec import CARD_KEY, Accuracy, Card, Int8

__all__ = ["Quantized", "quantize_onnx"]

_COMPARED = 500  # judging images that choose between calibrators


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """An int8 file that was written, and what is known of it.

    Attributes:
        path: The file.
        bytes: Its size.
        float_bytes: That of the float file.
        facts: What its card says of int8: counts before and after, how it was calibrated.
        agreement: On how many of the judging images int8 and float answer the same.
        signal_to_noise_db: Of its logits on these images, against those of float.
        calibrators: The same for each calibrator that was tried, on the first 500.
        layers: What each layer loses; empty unless that was asked for or needed.
    """

    path: str
    bytes: int
    float_bytes: int
    facts: Int8
    agreement: int
    signal_to_noise_db: float
    calibrators: dict[str, float]
    layers: list[LayerNoise] = field(default_factory=list)


@dataclass(frozen=True)
class _Result:
    """An int8 model and its logits of the judging images."""

    model: onnx.ModelProto
    kept: tuple[str, ...]
    logits: npt.NDArray[np.float32]
    accuracy: Accuracy


def quantize_onnx(
    source: str | Path,
    images: ImageSet,
    path: str | Path,
    *,
    max_drop_percent: float = 1.0,
    calibration_images: int | None = None,
    weight_range: WeightRange = "portable",
    pixels: bool = False,
    report_layers: bool = False,
    seed: int = 0,
    on_progress: Progress = lambda done: None,
) -> Quantized:
    """Put a float ONNX file in int8.

    Channels are equalised (exactly), weights rounded by what calibration images show, and the
    ranges of activations chosen by three calibrators, of which that one is taken whose logits come
    closest to float's on images that were not calibrated on. If more right answers are lost than
    is allowed, the layers that lose most are kept in float: 1, 2, 4 ... up to half of them.

    Args:
        source: A file that ``shufflenet export`` wrote.
        images: Real ones; part is calibrated on, part judges. Where their folders are not the
            model's classes, an answer is right that the float network gives too.
        path: Where to write.
        max_drop_percent: How many of the float network's right answers may be lost, in percent.
        calibration_images: How many; see ``draw``.
        weight_range: See ``rounded``.
        pixels: Whether the file takes bytes, ``(n, 3, h, w)`` in RGB, and not prepared images.
        report_layers: Whether to find what each layer loses, which takes longer.
        seed: Of the drawing of images.
        on_progress: Called with the number of images handled since the last call.

    Raises:
        CheckpointError: the file cannot be read, is quantised, or holds no usable weights.
        SpecError: the network does not take images of three channels, or cannot take bytes.
        DataError: there are too few images, or they show nothing.
        AccuracyLost: more answers are lost than allowed; nothing is written.
        WriteError: the file cannot be written; what stood there before still does.
    """
    card = OnnxClassifier(source, threads=1).card
    if card.network.in_channels != 3:
        raise SpecError("in_channels", card.network.in_channels, "3 to calibrate on image files")
    content = Path(source).read_bytes()
    graph = read_graph(content, source)
    drawn = draw(images, card, calibration=calibration_images, seed=seed, on_progress=on_progress)
    network = prepare(
        graph, card.preprocess, drawn,
        weight_range=weight_range, pixels=pixels, on_progress=on_progress,
    )  # fmt: skip
    if not np.isfinite(network.judge.reference).all():
        raise CheckpointError(source, "computes logits that are no numbers", "Train it anew.")
    calibrators, ranges = _compare(network, on_progress)
    chosen = max(calibrators, key=calibrators.__getitem__)
    result, layers = _search(network, ranges[chosen], max_drop_percent, report_layers, on_progress)
    facts = Int8(
        weight_range=weight_range,
        calibrator=chosen,
        calibration_images=len(drawn.calibration),
        kept_in_float=result.kept,
        judged_by="float" if drawn.labels is None else "labels",
        float_accuracy=network.judge.accuracy(network.judge.reference),
        int8_accuracy=result.accuracy,
    )
    written = _with_metadata(result.model, network, replace(card, accuracy=None, int8=facts))
    write_atomic(path, written)
    return Quantized(
        path=str(path),
        bytes=len(written),
        float_bytes=len(content),
        facts=facts,
        agreement=int((result.logits.argmax(1) == network.judge.reference.argmax(1)).sum()),
        signal_to_noise_db=round(network.judge.signal_to_noise_db(result.logits), 2),
        calibrators={str(name): round(noise, 2) for name, noise in calibrators.items()},
        layers=layers,
    )


def _compare(
    network: Prepared, on_progress: Progress
) -> tuple[dict[Calibrator, float], dict[Calibrator, TensorsData]]:
    """Let every calibrator choose ranges; give the signal-to-noise ratio of each, in dB."""
    judge = network.judge
    some = Judge(judge.images[:_COMPARED], judge.labels[:_COMPARED], judge.reference[:_COMPARED])
    ranges = {name: calibrated(network, name, on_progress) for name in CALIBRATORS}
    noise: dict[Calibrator, float] = {}
    for name, found in ranges.items():
        logits = _logits(network, attempt(network, found), some, on_progress)
        noise[name] = judge.signal_to_noise_db(logits)
    return noise, ranges


def _search(
    network: Prepared,
    ranges: TensorsData,
    max_drop_percent: float,
    report_layers: bool,
    on_progress: Progress,
) -> tuple[_Result, list[LayerNoise]]:
    """Keep as few layers in float as the allowed loss demands.

    Raises:
        AccuracyLost: half of the layers in float do not suffice.
    """
    before = network.judge.accuracy(network.judge.reference)
    layers: list[LayerNoise] = []
    by_name = {name_of(layer): layer for layer in network.graph.layers}
    count = 0
    best: _Result | None = None
    while True:
        if report_layers or count:
            layers = layers or layer_noise(
                network.graph, ranges, network.weights, network.rounded,
                network.judge, network.feed, on_progress,
            )  # fmt: skip
        kept = tuple(noise.layer for noise in layers[:count])
        model = attempt(network, ranges, [by_name[name] for name in kept])
        logits = _logits(network, model, network.judge, on_progress)
        result = _Result(model, kept, logits, network.judge.accuracy(logits))
        if before.top1 - result.accuracy.top1 <= max_drop_percent / 100 * before.top1:
            return result, layers
        best = max(best or result, result, key=lambda each: each.accuracy.top1)
        count = 2 * count or 1
        if count > len(by_name) // 2:
            top1 = best.accuracy.top1
            raise AccuracyLost(top1, before.top1, before.images, max_drop_percent)


def _logits(
    network: Prepared, model: onnx.ModelProto, judge: Judge, on_progress: Progress
) -> npt.NDArray[np.float32]:
    return logits_of(
        model, judge.images, network.feed_int8, exactly=network.exactly, on_progress=on_progress
    )


def _with_metadata(model: onnx.ModelProto, network: Prepared, card: Card) -> bytes:
    """Put in the card, and the exact logits that a processor's own are held against."""
    image = check_image(card.preprocess)
    meant = logits_of(model, image, network.feed_int8, exactly=True)[0]
    entries = {
        CARD_KEY: card.to_json(),
        CHECK_KEY: json.dumps([float(f"{value:.6g}") for value in meant]),
    }
    del model.metadata_props[:]
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    model.producer_name, model.producer_version = "shufflenet", ""
    content: bytes = model.SerializeToString()
    return content
