"""Measure how long ONNX Runtime takes for each layer of an exported file."""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from shufflenet.benchmark._interleave import Clock
from shufflenet.errors import NotRunnable
from shufflenet.layers import Layer

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["LayerTimes", "time_layers"]

_CALLS = 100
_WARM_UP = 10
_PADDING = 16  # channels are padded to a multiple of what a vector register holds, at most this

_Event: TypeAlias = dict[str, Any]  # an entry of ONNX Runtime's profile
_Shape: TypeAlias = list[int]


@dataclass(frozen=True, slots=True)
class LayerTimes:
    """How the time of one call is spent.

    Attributes:
        layers_ms: The milliseconds of each layer, in order; None for a layer that the file
            computes by operations of other shapes.
        others_ms: The milliseconds of everything else by operator: splits, concatenations,
            pooling, and the layout changes that the runtime adds.
        call_ms: The milliseconds of a call without profiling. Profiling adds a few microseconds
            to every operation, so the times above sum to more.
    """

    layers_ms: tuple[float | None, ...]
    others_ms: dict[str, float]
    call_ms: float

    @property
    def total_ms(self) -> float:
        """The sum of ``layers_ms`` and ``others_ms``."""
        return sum(filter(None, self.layers_ms)) + sum(self.others_ms.values())


def time_layers(
    path: Path,
    layers: Sequence[Layer],
    shape: tuple[int, int, int, int],
    *,
    threads: int = 1,
    clock: Clock = time.perf_counter,
) -> LayerTimes:
    """Measure the layers of an exported file by ONNX Runtime's own profiler.

    An operation is assigned to the first layer without a time that has its sizes. Two layers of
    the same sizes in the two branches of a unit may be exchanged; they do the same work. A ReLU is
    part of the convolution before it, because the runtime fuses them.

    Args:
        path: An ONNX file.
        layers: The layers of its network, in order.
        shape: Of the images, ``(n, c, h, w)``.
        threads: How many threads compute.
        clock: Returns the time in seconds; it times the calls without profiling.

    Raises:
        CheckpointError: ONNX Runtime cannot run the file.
    """
    events, calls = _profile(path, shape, threads, clock)
    times: list[float | None] = [None] * len(layers)
    others: defaultdict[str, float] = defaultdict(float)
    for event, durations in _by_node(events):
        milliseconds = _middle_mean(durations) / 1e3
        index = _layer_index(event, layers, times)
        if index is None:
            others[event["args"]["op_name"]] += milliseconds
        else:
            times[index] = milliseconds
    ordered = dict(sorted(others.items(), key=lambda item: -item[1]))
    return LayerTimes(tuple(times), ordered, 1e3 * float(np.median(calls)))


def _profile(
    path: Path, shape: tuple[int, ...], threads: int, clock: Clock
) -> tuple[list[_Event], list[float]]:
    """Run a file with and without profiling, alternately.

    Returns:
        The profile's entry of every operation of every call, and the seconds of each call
        without profiling.

    Raises:
        NotRunnable: ONNX Runtime cannot parse or run the file.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as ort  # noqa: PLC0415  # see _session

    with tempfile.TemporaryDirectory() as folder:
        calls = []
        try:
            plain = _session(path, threads)
            profiled = _session(path, threads, Path(folder) / "layers")
            feed = _random_feed(plain, shape)
            for _ in range(_WARM_UP + _CALLS):
                profiled.run(None, feed)
                start = clock()
                plain.run(None, feed)
                calls.append(clock() - start)
        except (ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf) as error:
            raise NotRunnable(path, "ONNX Runtime") from error
        entries = json.loads(Path(profiled.end_profiling()).read_text())
    events = [e for e in entries if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    return events, calls[_WARM_UP:]


def _session(
    path: Path, threads: int, profile: Path | None = None
) -> "onnxruntime.InferenceSession":
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `shufflenet show` saves

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _random_feed(
    session: "onnxruntime.InferenceSession", shape: tuple[int, ...]
) -> dict[str, object]:
    """Return random images of the type that a file takes, by the name of its input."""
    rng = np.random.default_rng(0)
    (taken,) = session.get_inputs()
    if taken.type == "tensor(uint8)":
        return {taken.name: rng.integers(0, 256, shape, np.uint8)}
    return {taken.name: rng.standard_normal(shape, np.float32)}


def _by_node(events: Iterable[_Event]) -> list[tuple[_Event, list[float]]]:
    """Group a profile by operation, in the order of computation.

    Returns:
        The first event of each operation, and its microseconds in every call after the warm-up.
    """
    grouped: defaultdict[str, list[_Event]] = defaultdict(list)
    for event in events:
        grouped[event["name"]].append(event)
    return [(group[0], [e["dur"] for e in group[_WARM_UP:]]) for group in grouped.values()]


def _middle_mean(durations: list[float]) -> float:
    """Return the mean of the middle half of durations.

    The profiler counts whole microseconds, so a median would be a whole number too.

    >>> _middle_mean([6, 7, 900, 7, 6, 6, 7, 6])
    6.5
    """
    quarter = len(durations) // 4
    return float(np.mean(sorted(durations)[quarter : len(durations) - quarter]))


def _layer_index(
    event: _Event, layers: Sequence[Layer], times: Sequence[float | None]
) -> int | None:
    """Return the index of the layer without a time that fits an operation best, if any fits."""
    operator, inputs, output = _shapes(event["args"])
    surplus = {}
    for index, layer in enumerate(layers):
        if times[index] is None:
            channels = None
            if "Conv" in operator:
                channels = _conv_surplus(layer, inputs, output)
            elif "Gemm" in operator or "MatMul" in operator:
                channels = _linear_surplus(layer, inputs, output)
            if channels is not None:
                surplus[index] = channels
    return min(surplus, key=lambda index: surplus[index], default=None)


def _shapes(args: dict[str, Any]) -> tuple[str, list[_Shape], _Shape]:
    """Return an operation's operator, the shapes of its inputs and that of its first output."""
    inputs, outputs = (
        [shape for entry in args[key] for shape in entry.values()]
        for key in ("input_type_shape", "output_type_shape")
    )
    return args["op_name"], inputs, outputs[0] if outputs else []


def _conv_surplus(layer: Layer, inputs: list[_Shape], output: _Shape) -> int | None:
    """Count how many channels more than a layer a convolution has; None if it is not that layer.

    In float32 channels are the second axis and the kernel has four axes; in int8 channels are the
    last axis and the kernel's shape is not reported.
    """
    images, kernel = inputs[0], inputs[1]
    sizes = [list(layer.in_size), list(layer.out_size)]
    if [images[2:], output[2:]] == sizes:
        channels = images[1], output[1]
    elif [images[1:3], output[1:3]] == sizes:
        channels = images[3], output[3]
    else:
        return None
    surplus = channels[0] - layer.in_channels, channels[1] - layer.out_channels
    if not all(0 <= extra < _PADDING for extra in surplus):
        return None
    if len(kernel) == 4 and (
        kernel[2:] != [layer.kernel] * 2
        or not 0 <= kernel[1] - layer.in_channels // layer.groups < _PADDING
    ):
        return None
    return sum(surplus)


def _linear_surplus(layer: Layer, inputs: list[_Shape], output: _Shape) -> int | None:
    """Return 0 if a matrix product is a layer, None if not."""
    sizes = (layer.in_channels, layer.out_channels)
    return 0 if layer.in_size == (1, 1) and (inputs[0][-1], output[-1]) == sizes else None
