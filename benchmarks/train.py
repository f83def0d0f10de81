"""How fast a step of training is, beside the same network in plain PyTorch.

    python benchmarks/train.py > benchmarks/train.json

needs the extra ``train``, and a C++ compiler for torch.compile. V2 1.0, batches of 128 images of
64 px, all cores: forward, backward and the step of SGD. Contenders take turns (see
``shufflenet.benchmark``); the ratios are of the same rounds.
"""

import json
import os
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from shufflenet.benchmark import ROUNDS, take_turns, times_as_fast
from shufflenet.deploy import Routed
from shufflenet.models import create_model
from shufflenet.recipes import find_recipe
from shufflenet.train._groups import parameter_groups
from shufflenet.train._small_maps import pad_small_maps

NETWORK, CLASSES, BATCH, SIDE, SECONDS = "shufflenet_v2_x1_0", 200, 128, 64, 30.0
PLAIN = "channels first, as it comes"


def step_of(
    layout: torch.memory_format, *, routed: bool = False, compiled: bool = False
) -> Callable[[], None]:
    """Make ready a step of training in a layout of memory, with or without the shuffle."""
    torch.manual_seed(0)
    net = create_model(NETWORK, num_classes=CLASSES)
    if routed:
        net = Routed(net).net
        pad_small_maps(net)
    net = net.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's stub
    recipe = find_recipe("small-images")
    optimizer = torch.optim.SGD(parameter_groups(net, recipe), lr=1e-3, momentum=recipe.momentum)
    images = torch.randn(BATCH, 3, SIDE, SIDE).to(memory_format=layout)
    labels = torch.randint(CLASSES, (BATCH,))
    model: Any = torch.compile(net, dynamic=False) if compiled else net

    def step() -> None:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own has no types
        optimizer.step()

    return step


def main() -> None:
    """Measure and print JSON."""
    contenders = {
        PLAIN: step_of(torch.contiguous_format),
        "channels last": step_of(torch.channels_last),
        "channels last, no shuffle: as train does": step_of(torch.channels_last, routed=True),
        "the same, compiled: as train --compile does": step_of(
            torch.channels_last, routed=True, compiled=True
        ),
    }
    turns = take_turns([*contenders.values()], seconds=[SECONDS] * len(contenders))
    plain = turns[0].rounds
    rows = []
    for name, found in zip(contenders, turns, strict=True):
        ratio = times_as_fast(found.rounds, plain)
        median = float(np.median(found.rounds))
        rows.append({
            "contender": name,
            "images_per_second": round(BATCH / median, 1),
            "step_ms": round(1e3 * median, 1),
            "times_as_fast_as_plain": [round(x, 3) for x in (ratio.low, ratio.median, ratio.high)],
        })  # fmt: skip
    about = {
        "network": NETWORK,
        "batch": BATCH,
        "image_px": SIDE,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "rounds": ROUNDS,
    }
    print(json.dumps({"about": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
