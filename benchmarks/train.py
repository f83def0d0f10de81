"""How fast a step of training is, beside the same network in plain PyTorch.

    python benchmarks/train.py > benchmarks/train.json

needs the extra ``train``, and a C++ compiler for torch.compile. V2 1.0, batches of 128 images of
64 px, all cores: forward, backward and the step of SGD. Contenders take turns (see
``shufflenet.benchmark``); the ratios are of the same rounds.
"""

import json
import multiprocessing
import os
import platform
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from shufflenet.benchmark import ROUNDS, speedup, time_interleaved
from shufflenet.deploy import RoutedNetwork
from shufflenet.machine import cores
from shufflenet.models import create_model
from shufflenet.recipes import find_recipe
from shufflenet.train._pad_small_maps import pad_small_maps
from shufflenet.train._parameter_groups import parameter_groups

NETWORK, CLASSES, BATCH, SIDE, SECONDS = "shufflenet_v2_x1_0", 200, 128, 64, 30.0
PLAIN = "channels first, as it comes"


def step_of(
    layout: torch.memory_format,
    *,
    routed: bool = False,
    batch: int = BATCH,
    wrapped: Callable[[nn.Module], Any] = lambda net: net,
) -> Callable[[], None]:
    """Make ready a step of training in a layout of memory, with or without the shuffle."""
    torch.manual_seed(0)
    net = create_model(NETWORK, num_classes=CLASSES)
    if routed:
        net = RoutedNetwork(net).net
        pad_small_maps(net)
    net = net.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's stub
    recipe = find_recipe("small-images")
    optimizer = torch.optim.SGD(parameter_groups(net, recipe), lr=1e-3, momentum=recipe.momentum)
    images = torch.randn(batch, 3, SIDE, SIDE).to(memory_format=layout)
    labels = torch.randint(CLASSES, (batch,))
    model = wrapped(net)

    def step() -> None:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own has no types
        optimizer.step()

    return step


def step_of_processes(number: int) -> Callable[[], None]:
    """Make ready a step of so many processes, a thread and a part of the batch each."""
    context = multiprocessing.get_context("spawn")
    meeting = f"file://{tempfile.mkdtemp()}/meeting"
    orders = []
    for rank in range(1, number):
        heard, order = context.Pipe(duplex=False)
        context.Process(target=obey, args=(rank, number, meeting, heard), daemon=True).start()
        orders.append(order)
    own = member(0, number, meeting)

    def step() -> None:
        for order in orders:
            order.send("step")
        torch.set_num_threads(1)
        own()
        torch.set_num_threads(cores())

    return step


def member(rank: int, number: int, meeting: str) -> Callable[[], None]:
    """Join the others, as ``--devices --no-global-norms`` does, and make ready a part of a step."""
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=number)
    part = BATCH // number
    return step_of(torch.channels_last, routed=True, batch=part, wrapped=DistributedDataParallel)


def obey(rank: int, number: int, meeting: str, heard: Connection) -> None:
    """Do a part of every step that is ordered, until nobody is there to order any."""
    torch.set_num_threads(1)
    step = member(rank, number, meeting)
    with suppress(EOFError):
        while heard.recv():
            step()


def main() -> None:
    """Measure and print JSON."""
    contenders = {
        PLAIN: step_of(torch.contiguous_format),
        "channels last": step_of(torch.channels_last),
        "channels last, no shuffle: as train does": step_of(torch.channels_last, routed=True),
        "the same, compiled: as train --compile does": step_of(
            torch.channels_last, routed=True, wrapped=partial(torch.compile, dynamic=False)
        ),
        "a process a core: as train --devices does": step_of_processes(cores()),
    }
    times = time_interleaved([*contenders.values()], seconds=[SECONDS] * len(contenders))
    plain = times[0].round_medians
    rows = []
    for name, found in zip(contenders, times, strict=True):
        ratio = speedup(found.round_medians, plain)
        median = float(np.median(found.round_medians))
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
