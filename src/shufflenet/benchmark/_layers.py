"""How long each layer takes on this machine, as ONNX Runtime computes an exported file."""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shufflenet.errors import CheckpointError
from shufflenet.layers import Layer

__all__ = ["LayerTimes", "time_layers"]

_CALLS = 100
_WARM_UP = 10
_PADDING = 16  # channels are filled up to a multiple of what a vector register holds, at most this


@dataclass(frozen=True, slots=True)
class LayerTimes:
    """Where the time of one call goes.

    Attributes:
        layers: Milliseconds for each layer, in order; nothing for one that the file computes by
            operations of other shapes.
        others: Milliseconds for everything else, by the kind of operation: splits, concatenations,
            pooling, and the changes of layout that the runtime adds.
        call: Milliseconds for a call that is not looked into. The runtime's clock costs a few
            microseconds an operation, which are in the times above, so they sum to more.
    """

    layers: tuple[float | None, ...]
    others: dict[str, float]
    call: float

    @property
    def total(self) -> float:
        """The sum of layers and others."""
        return sum(filter(None, self.layers)) + sum(self.others.values())


def time_layers(
    path: Path, layers: Sequence[Layer], shape: tuple[int, int, int, int], *, threads: int = 1
) -> LayerTimes:
    """Measure an exported file as the runtime has optimised it, by the runtime's own clock.

    An operation belongs to the layer whose sizes it has, the first of several. Two layers of the
    same sizes in the two branches of one unit may so be taken for each other; they do the same
    work. A ReLU is part of the convolution before it.

    Args:
        path: An ONNX file.
        layers: What it computes, in order.
        shape: Of the images: batch, channels, height, width.
        threads: How many threads compute.

    Raises:
        CheckpointError: ONNX Runtime cannot run the file.
    """
    events, calls = _events(path, shape, threads)
    times: list[float | None] = [None] * len(layers)
    others: defaultdict[str, float] = defaultdict(float)
    for name, durations in _by_node(events).items():
        event = next(e for e in events if e["name"] == name)
        milliseconds = _middle(durations) / 1e3
        found = _layer_of(event, layers, times)
        if found is None:
            others[event["args"]["op_name"]] += milliseconds
        else:
            times[found] = milliseconds
    ordered = dict(sorted(others.items(), key=lambda item: -item[1]))
    return LayerTimes(tuple(times), ordered, 1e3 * float(np.median(calls)))


def _events(
    path: Path, shape: tuple[int, ...], threads: int
) -> tuple[list[dict[str, Any]], list[float]]:
    """Run the file, looked into and not, in turns.

    Returns:
        What the runtime noted of every operation of every call, and the seconds of the others.

    Raises:
        CheckpointError: ONNX Runtime cannot run the file.
    """
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `shufflenet show` saves
    from onnxruntime.capi import onnxruntime_pybind11_state as ort  # noqa: PLC0415  # likewise

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        options.profile_file_prefix = str(Path(folder) / "layers")
        providers = ["CPUExecutionProvider"]
        calls = []
        try:
            plain = onnxruntime.InferenceSession(str(path), options, providers=providers)
            options.enable_profiling = True
            session = onnxruntime.InferenceSession(str(path), options, providers=providers)
            (read,) = session.get_inputs()
            takes_bytes = read.type == "tensor(uint8)"
            given = {
                read.name: rng.integers(0, 256, shape, np.uint8)
                if takes_bytes
                else rng.standard_normal(shape, np.float32)
            }
            for _ in range(_WARM_UP + _CALLS):
                session.run(None, given)
                start = time.perf_counter()
                plain.run(None, given)
                calls.append(time.perf_counter() - start)
        except (ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf) as error:
            raise CheckpointError(path, "cannot be run", "Export it again.") from error
        noted = json.loads(Path(session.end_profiling()).read_text())
    events = [e for e in noted if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    return events, calls[_WARM_UP:]


def _by_node(events: Iterable[dict[str, Any]]) -> dict[str, list[float]]:
    """Gather the microseconds of each operation, in the order of computation, warm calls only."""
    durations: defaultdict[str, list[float]] = defaultdict(list)
    for event in events:
        durations[event["name"]].append(event["dur"])
    return {name: taken[_WARM_UP:] for name, taken in durations.items()}


def _middle(durations: list[float]) -> float:
    """Give the mean of the middle half: the clock counts whole microseconds, a median would too.

    >>> _middle([6, 7, 900, 7, 6, 6, 7, 6])
    6.5
    """
    quarter = len(durations) // 4
    return float(np.mean(sorted(durations)[quarter : len(durations) - quarter]))


def _layer_of(
    event: dict[str, Any], layers: Sequence[Layer], taken: Sequence[float | None]
) -> int | None:
    """Find the layer without a time that an operation fits best, the first of several."""
    kind, read, made = _shapes(event["args"])
    fits = {}
    for index, layer in enumerate(layers):
        if taken[index] is None:
            fit = None
            if "Conv" in kind:
                fit = _convolves(layer, read, made)
            elif "Gemm" in kind or "MatMul" in kind:
                fit = _multiplies(layer, read, made)
            if fit is not None:
                fits[index] = fit
    return min(fits, key=lambda index: fits[index], default=None)


def _shapes(args: dict[str, Any]) -> tuple[str, list[list[int]], list[int]]:
    """Give the kind of an operation, the shapes it read, and that of what it made first."""
    read, made = (
        [shape for entry in args[key] for shape in entry.values()]
        for key in ("input_type_shape", "output_type_shape")
    )
    return args["op_name"], read, made[0] if made else []


def _convolves(layer: Layer, read: list[list[int]], made: list[int]) -> int | None:
    """Say how many channels more than a layer a convolution of its sizes has; else nothing.

    In float32 channels come second and the kernel is told; in int8 they come last and it is not.
    """
    images, kernel = read[0], read[1]
    sizes = [list(layer.in_size), list(layer.out_size)]
    if [images[2:], made[2:]] == sizes:
        channels = images[1], made[1]
    elif [images[1:3], made[1:3]] == sizes:
        channels = images[3], made[3]
    else:
        return None
    more = channels[0] - layer.in_channels, channels[1] - layer.out_channels
    if not all(0 <= extra < _PADDING for extra in more):
        return None
    if len(kernel) == 4 and (
        kernel[2:] != [layer.kernel] * 2
        or not 0 <= kernel[1] - layer.in_channels // layer.groups < _PADDING
    ):
        return None
    return sum(more)


def _multiplies(layer: Layer, read: list[list[int]], made: list[int]) -> int | None:
    sizes = (layer.in_channels, layer.out_channels)
    return 0 if layer.in_size == (1, 1) and (read[0][-1], made[-1]) == sizes else None
