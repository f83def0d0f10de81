"""The calibrator with the least noise, and the layers that must stay float."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnxruntime.quantization import TensorsData

from shufflenet.errors import ShuffleNetError
from shufflenet.quantize._calibrate import calibrate
from shufflenet.quantize._judge import judge
from shufflenet.quantize._layer_noise import LayerNoise, layer_name, measure_layer_noise
from shufflenet.quantize._options import Calibrator, QuantizeOptions
from shufflenet.quantize._prepare import Prepared, build_int8, run_int8
from shufflenet.quantize._session import Logits, Progress
from shufflenet.spec import Accuracy, AnyAccuracy

__all__ = ["Calibration", "Result", "choose_calibrator", "choose_float_layers"]

_COMPARED = 500  # images held out on which calibrators are compared


@dataclass(frozen=True)
class Calibration:
    """The ranges with the least noise.

    Attributes:
        calibrator: The calibrator that chose them.
        ranges: The ranges of the tensors.
        signal_to_noise_db: The ratio for every calibrator that was tried.
    """

    calibrator: Calibrator
    ranges: TensorsData
    signal_to_noise_db: Mapping[Calibrator, float]


@dataclass(frozen=True)
class Result:
    """An int8 model that loses no more correct predictions than allowed.

    Attributes:
        model: The model.
        in_float: The names of the layers that are float.
        logits: Its logits of the images held out, ``(n, classes)``.
        accuracy: The correct predictions among them.
        layers: The noise of each layer; empty unless it was measured.
    """

    model: onnx.ModelProto
    in_float: tuple[str, ...]
    logits: Logits
    accuracy: AnyAccuracy
    layers: list[LayerNoise]


def choose_calibrator(
    network: Prepared, calibrators: Sequence[Calibrator], on_progress: Progress
) -> Calibration:
    """Return the ranges whose int8 logits are closest to float's on the first 500 images."""
    images = network.hold_out.images[:_COMPARED]
    ranges: dict[Calibrator, TensorsData] = {}
    ratios: dict[Calibrator, float] = {}
    for name in calibrators:
        ranges[name] = calibrate(
            network.graph, network.calibration, network.feed, name, on_progress
        )
        logits = run_int8(network, build_int8(network, ranges[name]), images, on_progress)
        ratios[name] = network.hold_out.signal_to_noise_db(logits)
    best = max(ratios, key=ratios.__getitem__)
    return Calibration(best, ranges[best], ratios)


def choose_float_layers(
    network: Prepared, ranges: TensorsData, options: QuantizeOptions, on_progress: Progress
) -> Result:
    """Return the int8 model with as few layers in float as what is allowed requires.

    No layer is tried first, then the noisiest 1, 2, 4 and so on, up to half of all layers.

    Args:
        network: The network.
        ranges: The ranges of its tensors.
        options: The loss that is allowed, and whether to measure the layers in any case.
        on_progress: Called with the number of images computed since the last call.

    Raises:
        AccuracyLost: the loss is too large even with half of the layers in float.
        AnswersChanged: as few are lost as allowed, but too many answers change.
        PrecisionLost: a multi-label network loses too much mean average precision.
        LabelsChanged: a multi-label network loses little, but too many answers change.
    """
    hold_out = network.hold_out
    by_name = {layer_name(layer): layer for layer in network.graph.layers}
    layers = measure_layer_noise(network, ranges, on_progress) if options.report_layers else []
    count, failed = 0, list[tuple[tuple[float, int], ShuffleNetError]]()
    while count <= len(by_name) // 2:
        if count and not layers:
            layers = measure_layer_noise(network, ranges, on_progress)
        in_float = tuple(noise.layer for noise in layers[:count])
        model = build_int8(network, ranges, [by_name[name] for name in in_float])
        logits = run_int8(network, model, hold_out.images, on_progress)
        accuracy = hold_out.accuracy(logits)
        lost = judge(hold_out, logits, options.max_drop_percent)
        if lost is None:
            return Result(model, in_float, logits, accuracy, layers)
        right = accuracy.top1 if isinstance(accuracy, Accuracy) else accuracy.map
        failed.append(((right, hold_out.agreement(logits)), lost))
        count = 2 * count or 1
    raise max(failed, key=lambda each: each[0])[1]
