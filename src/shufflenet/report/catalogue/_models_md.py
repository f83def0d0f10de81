"""The text of ``docs/models.md``: every network and every published checkpoint."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from shufflenet.report.catalogue._architecture import format_channels, list_differences
from shufflenet.report.catalogue._markdown import code, paragraph, table
from shufflenet.report.catalogue._rows import count_cost
from shufflenet.report.catalogue._source_md import source_section
from shufflenet.report.catalogue._words import (
    format_megabytes,
    format_millions,
    format_size,
    summarize_preprocess,
)
from shufflenet.spec import (
    Card,
    NetworkSpec,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
)
from shufflenet.zoo import Weights

__all__ = ["format_models_md"]

_INTRODUCTION = """\
<!-- `make models` writes this file from src/shufflenet/zoo: change that, not this. -->

# Models

A *network* is an architecture. A *checkpoint* is a file of weights for one, and is called
`NETWORK.TAG`: `shufflenet_v2_x1_0` is a network, `shufflenet_v2_x1_0.torchvision_in1k` is
torchvision's checkpoint of it, trained on the 1000 classes of ImageNet-1k.

There are {networks} networks, {weights} published checkpoints, and one checkpoint in the package.

| command | what it does |
|---|---|
| `shufflenet list` | lists all networks and checkpoints |
| `shufflenet list x1_0 megvii` | lists those with both words in the name, source or filename |
| `shufflenet show NAME` | prints all facts about one, without internet access |
| `shufflenet predict cat.jpg --model NAME` | downloads a checkpoint once, and classifies with it |
| `shufflenet convert FILE --to model.safetensors` | converts another project's file |
| `shufflenet train --model NETWORK --data photos/ --out RUN` | trains a network on your photos |

If a checkpoint must be downloaded by hand, `predict` prints which file to get and where to put it.

How to read the tables:

- **Accuracy** is on ImageNet-1k's validation images, in percent, with as many digits as the source
  states: the authors' figures, not our measurements. If a source states errors instead, they are
  in a column of their own.
- **Parameters, multiply-adds and memory access** are counted by this package for one image of
  224x224 px. Multiply-adds are those of convolutions and linear layers. Memory access is the
  float32 bytes of the input, output and weights of each of these layers, each counted once.
- **As published** is the source's figure, and its difference from our count. Sources count
  differently; the text under each table states how, and `tests/test_zoo_costs.py` counts our
  networks by those rules.
- **Input** is the shorter side after resizing / the side of the center crop, the library that
  resizes, and the order of colors. The text under the table has the details.
- **Used here** is how this package runs the file: *converted* to a safetensors file, which needs
  torch (`pip install 'shufflenet[torch]'`), or *unconverted* by ONNX Runtime."""

_GROUPS: tuple[tuple[str, tuple[type[NetworkSpec], ...], str], ...] = (
    (
        "ShuffleNet V1",
        (V1Spec,),
        "Grouped 1x1 convolutions with a shuffle between them: "
        "[Zhang et al. 2017](https://arxiv.org/abs/1707.01083). More groups allow more channels "
        "at the same cost. `_megvii` is the authors' code, `_onnx` the ONNX model zoo's network.",
    ),
    (
        "ShuffleNet V2",
        (V2Spec,),
        "Half of the channels pass a unit unchanged: "
        "[Ma et al. 2018](https://arxiv.org/abs/1807.11164). Unless the table says otherwise, the "
        "first half passes, a shuffle follows, and each branch of the unit that opens a stage has "
        "half of its output channels, as in torchvision. `_megvii` is the authors' code; "
        "`x2_0_224` is the width 2.0 of PaddlePaddle, whose first stage has 224 channels.",
    ),
    (
        "V2+, One-Shot and DetNAS",
        (V2PlusSpec,),
        "V2 with units found by architecture search. The table lists the kinds of each stage's "
        "units: `3`, `5` and `7` are depthwise convolutions of that size, `x` is three depthwise "
        "3x3, each followed by a 1x1. SE is squeeze and excitation.",
    ),
    (
        "Large and ExLarge",
        (V2LargeSpec, V2ExLargeSpec),
        "V2 as large as large residual networks, with squeeze and excitation.",
    ),
)


def format_models_md(
    networks: dict[str, NetworkSpec], weights: Iterable[Weights], shipped: Card, alias: str
) -> str:
    """Return the text of the document.

    Args:
        networks: All networks by name.
        weights: All published files, grouped by source.
        shipped: The card of the checkpoint in the package.
        alias: The short name of that checkpoint.
    """
    published = list(weights)
    parts = [_INTRODUCTION.format(networks=len(networks), weights=len(published))]
    parts += ["## The checkpoint in the package", *_shipped(shipped, alias)]
    parts += ["## Published checkpoints"]
    for _, group in groupby(published, key=lambda each: each.source):
        parts.append(source_section(list(group), networks))
    parts += ["## Networks", *_networks(list(networks.values()))]
    return "\n\n".join(parts) + "\n"


def _shipped(card: Card, alias: str) -> Iterator[str]:
    size = format_size(card.preprocess.crop_px)
    costs, accuracy = count_cost(card.network, *card.preprocess.size_px), card.accuracy
    row = {
        "name": f"{code(alias)}, {code(card.name)}",
        "network": f"{code(card.network.name)}, stem stride {card.network.stem_stride}",
        "parameters": f"{costs.parameters:,}",
        f"multiply-adds at {size}": format_millions(costs.multiply_adds),
        "top-1 %": f"{accuracy.top1_percent:.2f}" if accuracy else "",
        "top-5 %": f"{accuracy.top5_percent:.2f}" if accuracy else "",
        "input": summarize_preprocess(card.preprocess),
    }
    yield "Trained by this package. It is the default of `--model`, and needs no internet access."
    yield table([row], right=[name for name in row if name not in ("name", "network", "input")])
    counted = f" Accuracy is of {accuracy.images:,} validation images." if accuracy else ""
    yield paragraph(f"Trained on {card.origin.data}.{counted}")


def _networks(specs: Sequence[NetworkSpec]) -> Iterator[str]:
    yield paragraph(
        "Channels are those of the stem; of the stages, where `4x116` is four units of 116 "
        "channels; and of the last convolution, if there is one. Costs are for 1000 classes."
    )
    for title, kinds, text in _GROUPS:
        rows = [_network(spec) for spec in specs if isinstance(spec, kinds)]
        yield f"### {title}"
        yield paragraph(text)
        yield table(rows, right=("parameters", "multiply-adds", "memory access"))


def _network(spec: NetworkSpec) -> dict[str, str]:
    costs = count_cost(spec)
    return {
        "name": code(spec.name),
        "channels": format_channels(spec),
        "differences": list_differences(spec),
        "parameters": f"{costs.parameters:,}",
        "multiply-adds": format_millions(costs.multiply_adds),
        "memory access": format_megabytes(costs.memory_access_bytes),
    }
