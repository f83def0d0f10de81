"""An int8 file from a float ONNX file: draw images, prepare, calibrate, compare, write."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx

from shufflenet.data import ImageSet
from shufflenet.data.boxes import BoxSet
from shufflenet.errors import SpecError, WriteError
from shufflenet.files import read_onnx_card, write_atomic
from shufflenet.graph import load_onnx
from shufflenet.quantize._box_split import BoxSplit, draw_box_split
from shufflenet.quantize._float_graph import read_float_graph
from shufflenet.quantize._layer_noise import LayerNoise
from shufflenet.quantize._options import QuantizeOptions
from shufflenet.quantize._prepare import Prepared, prepare
from shufflenet.quantize._search import choose_calibrator, choose_float_layers
from shufflenet.quantize._session import Progress, compute_logits
from shufflenet.quantize._split import CalibrationSplit, draw_split
from shufflenet.runtimes import (
    CHECK_KEY,
    HASH_KEY,
    SCALE_KEY,
    check_image,
    proof_of,
    rounded_logits,
)
from shufflenet.spec import CARD_KEY, Card, Int8

__all__ = ["Quantized", "quantize_onnx"]

_DEFAULTS = QuantizeOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """An int8 file that was written, and its figures.

    Attributes:
        path: The file.
        bytes: Its size.
        float_bytes: The size of the float file.
        facts: What its card records: correct predictions before and after, and the calibration.
        agreement: The number of images held out for which int8 and float predict the same class, or
            find the same boxes.
        signal_to_noise_db: The ratio of float logits to the int8 error on these images, in dB.
        calibrators: The same for each calibrator that was tried, on the first 500 images.
        layers: The noise of each layer; empty unless it was asked for or needed.
    """

    path: str
    bytes: int
    float_bytes: int
    facts: Int8
    agreement: int
    signal_to_noise_db: float
    calibrators: dict[str, float]
    layers: list[LayerNoise] = field(default_factory=list)


def quantize_onnx(
    source: str | Path,
    images: ImageSet | BoxSet,
    path: str | Path,
    options: QuantizeOptions = _DEFAULTS,
    on_progress: Progress = lambda done: None,
) -> Quantized:
    """Quantize a float ONNX file to int8.

    Channels are equalized, which changes nothing; weights are rounded with the covariances seen on
    calibration images; and the ranges of activations are chosen by three calibrators, of which the
    one with logits closest to float's on other images is kept. If more correct predictions are lost
    than allowed, the noisiest layers stay float: 1, 2, 4 and so on, up to half of them.

    Of a detector what computes its outputs is quantized, and what makes boxes of these stays float;
    it is judged by COCO's mean average precision.

    Args:
        source: A file that ``shufflenet export`` wrote.
        images: Real images; the network is calibrated on some and compared on others. If their
            class folders are not the model's classes, the float network's predictions count as
            correct. For a detector images with boxes.
        path: Where to write.
        options: What may be lost, and how the file is to be.
        on_progress: Called with the number of images processed since the last call.

    Raises:
        LogitsNotNumbers: the float network's logits are infinite or NaN.
        NumbersTooFarApart: values or weights of a layer have no scale in int8.
        CheckpointError: the file cannot be read, is quantized, or has weights that are not finite.
        SpecError: the network takes other channels than its card's preprocessing gives, or cannot
            take bytes, or ``path`` is ``source``; or the images have boxes and the network finds
            none, or conversely.
        DataError: there are too few images, or they are all of one color.
        AccuracyLost: more correct predictions are lost than allowed; nothing is written.
        AnswersChanged: more predictions change than allowed; nothing is written.
        PrecisionLost: more mean average precision is lost than allowed; nothing is written.
        WriteError: the file cannot be written; an existing file is left as it was.
    """
    _check_target(Path(path), Path(source))
    card = read_onnx_card(source)
    channels = card.preprocess.in_channels
    if card.network.in_channels != channels:
        expected = f"{channels}, as many as its card's preprocessing gives it of an image"
        raise SpecError("in_channels", card.network.in_channels, expected)
    graph = read_float_graph(load_onnx(source), source)
    split = _split(images, card, options, on_progress)
    network = prepare(graph, card.preprocess, split, options, on_progress)
    hold_out = network.hold_out
    calibration = choose_calibrator(network, options.calibrators, on_progress)
    result = choose_float_layers(network, calibration.ranges, options, on_progress)
    facts = Int8(
        weight_range=options.weight_range,
        calibrator=calibration.calibrator,
        calibration_images=len(split.calibration),
        kept_in_float=result.in_float,
        judged_by="labels" if split.is_labeled else "float",
        float_accuracy=hold_out.accuracy(hold_out.reference),
        int8_accuracy=result.accuracy,
    )
    card = replace(card, accuracy=None, multi_label=None, detection=None, int8=facts)
    content = _with_metadata(result.model, network, card)
    write_atomic(path, content)
    return Quantized(
        path=str(path),
        bytes=len(content),
        float_bytes=Path(source).stat().st_size,
        facts=facts,
        agreement=hold_out.agreement(result.logits),
        signal_to_noise_db=round(hold_out.signal_to_noise_db(result.logits), 2),
        calibrators={str(k): round(v, 2) for k, v in calibration.signal_to_noise_db.items()},
        layers=result.layers,
    )


def _split(
    images: ImageSet | BoxSet, card: Card, options: QuantizeOptions, on_progress: Progress
) -> CalibrationSplit | BoxSplit:
    """Draw images of the kind that a network answers.

    Raises:
        SpecError: they have boxes and the network finds none, or conversely.
        DataError: there are too few images, or they are all of one color.
    """
    finds_boxes, has_boxes = card.task == "detection", isinstance(images, BoxSet)
    if finds_boxes != has_boxes:
        given = f"{'with' if has_boxes else 'without'} boxes"
        raise SpecError(
            "images", given, f"those {'with' if finds_boxes else 'without'}: {card.name}"
        )
    if isinstance(images, BoxSet):
        return draw_box_split(images, card, options, on_progress)
    return draw_split(images, card, options, on_progress)


def _check_target(path: Path, source: Path) -> None:
    """Check what can be known of the file to write before minutes are spent on it.

    Raises:
        SpecError: it is the file that is read.
        WriteError: it is a folder.
    """
    if path.is_dir():
        raise WriteError(path, "it is a folder")
    if path.exists() and source.exists() and path.samefile(source):
        raise SpecError("the file to write", str(path), "another than the model that is read")


def _with_metadata(model: onnx.ModelProto, network: Prepared, card: Card) -> bytes:
    """Return a model's file with its card, exact logits to check processors against, and a hash."""
    image = check_image(card.preprocess)
    exact = compute_logits(model, image, network.feed_int8, exact=True)
    scale = [float(f"{value:.7g}") for value in network.embedding_scale]
    entries = {
        CARD_KEY: card.to_json(),
        CHECK_KEY: json.dumps(rounded_logits(proof_of(exact, card))),
        **({} if card.detector else {SCALE_KEY: json.dumps(scale)}),
        HASH_KEY: hashlib.sha256(model.graph.SerializeToString()).hexdigest(),
    }
    del model.metadata_props[:]
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    model.producer_name, model.producer_version = "shufflenet", ""
    content: bytes = model.SerializeToString()
    return content
