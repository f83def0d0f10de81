"""The table of layers that ``shufflenet show`` prints: costs and, if measured, times."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._output import print_line, print_table
from shufflenet.zoo import NETWORKS, WEIGHTS

if TYPE_CHECKING:
    from shufflenet.benchmark import LayerTimes
    from shufflenet.layers import Layer
    from shufflenet.spec import NetworkSpec

__all__ = ["add_layers", "layer_fields", "print_layers", "time_named"]


def add_layers(parser: argparse.ArgumentParser) -> None:
    """Add the options that print layers."""
    parser.add_argument("--layers", action="store_true", help="print the cost of each layer too")
    parser.add_argument(
        "--time",
        action="store_true",
        help="also measure how long each layer of the deployed network takes on this machine, by "
        "ONNX Runtime's profiler on one thread; a network without weights gets random ones, which "
        "needs torch",
    )


def time_named(name: str, network: "NetworkSpec", layers: "Sequence[Layer]") -> "LayerTimes":
    """Measure the layers of the model or network of a name; nothing is downloaded.

    A published checkpoint takes the time of its network, so that is measured with random weights.

    Raises:
        CheckpointError: ONNX Runtime cannot run the file.
        MissingDependency: a file must be exported, and torch is not installed.
    """
    from shufflenet.benchmark import time_layers
    from shufflenet.hub import ONNX, resolve, write_untrained

    at_hand = WEIGHTS[name].network if name in WEIGHTS else name
    shape = (1, network.in_channels, *layers[0].in_size)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model = write_untrained(at_hand, place) if at_hand in NETWORKS else at_hand
        return time_layers(resolve(model, (ONNX,), folder=place), layers, shape)


def layer_fields(
    layers: "Sequence[Layer]", times: "LayerTimes | None"
) -> dict[str, list[dict[str, object]] | dict[str, object]]:
    """Return the layers as fields of a JSON object, with times if they were measured."""
    rows: list[dict[str, object]] = [
        {
            "name": layer.name,
            "in_channels": layer.in_channels,
            "out_channels": layer.out_channels,
            "kernel": layer.kernel,
            "groups": layer.groups,
            "in_size": layer.in_size,
            "out_size": layer.out_size,
            "parameters": layer.parameters,
            "multiply_adds": layer.multiply_adds,
            "memory_access_bytes": layer.memory_access_bytes,
            "ms": times.layers_ms[number] if times else None,
        }
        for number, layer in enumerate(layers)
    ]
    if times is None:
        return {"layers": rows}
    whole: dict[str, object] = {
        "runtime": "onnxruntime",
        "threads": 1,
        "call_ms": times.call_ms,
        "total_ms": times.total_ms,
        "others_ms": times.others_ms,
    }
    return {"layers": rows, "time": whole}


def print_layers(layers: "Sequence[Layer]", times: "LayerTimes | None") -> None:
    """Print a table of layers; with times, also other operations and the total."""
    print_table(list(_rows(layers, times)))
    if times:
        print_line()
        print_line(
            f"A call without the profiler takes {times.call_ms:.4f} ms; the profiler adds a few "
            "microseconds to each operation."
        )


def _rows(layers: "Sequence[Layer]", times: "LayerTimes | None") -> Iterator[dict[str, str]]:
    for number, layer in enumerate(layers):
        cells = {
            "layer": layer.name,
            "kernel": _kernel(layer),
            "channels": f"{layer.in_channels} to {layer.out_channels}",
            "output": "x".join(map(str, layer.out_size)),
            "parameters": f"{layer.parameters:,}",
            "mult-adds": f"{layer.multiply_adds:,}",
            "memory access, bytes": f"{layer.memory_access_bytes:,}",
        }
        if times:
            cells |= _time_cells(layer.multiply_adds, times.layers_ms[number])
        yield cells
    if times:
        blank = dict.fromkeys(("kernel", "channels", "output"), "")
        nothing = dict.fromkeys(("parameters", "mult-adds", "memory access, bytes"), "-")
        for kind, milliseconds in times.others_ms.items():
            yield {"layer": kind, **blank, **nothing, **_time_cells(0, milliseconds)}
        sums = {
            "parameters": f"{sum(layer.parameters for layer in layers):,}",
            "mult-adds": f"{sum(layer.multiply_adds for layer in layers):,}",
            "memory access, bytes": f"{sum(layer.memory_access_bytes for layer in layers):,}",
        }
        multiply_adds = sum(layer.multiply_adds for layer in layers)
        yield {"layer": "total", **blank, **sums, **_time_cells(multiply_adds, times.total_ms)}


def _kernel(layer: "Layer") -> str:
    side = f"{layer.kernel}x{layer.kernel}"
    if layer.groups == 1:
        return side
    if layer.groups == layer.in_channels:
        return f"{side} depthwise"
    return f"{side} in {layer.groups} groups"


def _time_cells(multiply_adds: int, milliseconds: float | None) -> dict[str, str]:
    if milliseconds is None:
        return {"ms": "-", "Gop/s": "-"}
    rate = f"{2e-6 * multiply_adds / milliseconds:.1f}" if multiply_adds and milliseconds else "-"
    return {"ms": f"{milliseconds:.4f}", "Gop/s": rate}
