"""PaddleClas's networks, and those of Paddle itself."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from original_code.source import FREE, Entries, Run, Source, Weights, load, stand_in

__all__ = ["SOURCES"]


class _PaddleTensor(Protocol):
    """What is used of ``paddle.Tensor``."""

    def numpy(self) -> npt.NDArray[np.generic]: ...


class _PaddleLayer(Protocol):
    """What is used of ``paddle.nn.Layer``."""

    def state_dict(self) -> Mapping[str, Any]: ...
    def set_state_dict(self, state: Weights) -> tuple[list[str], list[str]]: ...
    def to(self, *, dtype: str) -> object: ...
    def eval(self) -> None: ...
    def __call__(self, images: object) -> _PaddleTensor: ...


def _paddle(net: _PaddleLayer) -> tuple[Entries, Run]:
    """Run a Paddle network in float64."""
    paddle = importlib.import_module("paddle")
    entries = tuple(
        (key, tuple(value.shape), str(value.dtype).removeprefix("paddle."))
        for key, value in net.state_dict().items()
    )
    net.to(dtype="float64")
    net.eval()

    def run(state: Weights, batch: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        tensors = {key: value.astype(np.float64) for key, value in state.items()}
        missing, unexpected = net.set_state_dict(tensors)
        if missing or unexpected:
            raise RuntimeError(f"not loaded: {missing}, {unexpected}")
        with paddle.no_grad():
            logits = net(paddle.to_tensor(batch)).numpy()
        if logits.dtype != np.float64:
            raise RuntimeError(f"it ran in {logits.dtype}")
        return np.asarray(logits, np.float64)

    return entries, run


def _paddleclas(root: Path, name: str) -> tuple[Entries, Run]:
    for package in ("ppcls", "ppcls.arch", "ppcls.arch.backbone", "ppcls.arch.backbone.model_zoo"):
        stand_in(package)
    stand_in("ppcls.utils")
    stand_in("ppcls.utils.save_load", load_dygraph_pretrain=None)
    width, _, stage = name.partition(" ")
    folder = root / "paddleclas" / "ppcls" / "arch" / "backbone" / "model_zoo"
    module = load(
        folder / "shufflenet_v2.py",
        "ppcls.arch.backbone.model_zoo.shufflenet_v2",
        # Before commit 60a4269 the widest had 224 there, and its published file has.
        lambda text: text.replace("24, 244, 488", "24, 224, 488") if stage else text,
    )
    return _paddle(getattr(module, f"ShuffleNetV2_{width}")())


def _paddle_vision(_: Path, name: str) -> tuple[Entries, Run]:
    module = importlib.import_module("paddle.vision.models.shufflenetv2")
    return _paddle(getattr(module, f"shufflenet_v2_{name}")())


PADDLE = ("x0_25", "x0_33", "x0_5", "x1_0", "x1_5", "x2_0", "swish")
SOURCES = {
    "paddleclas": Source(
        _paddleclas,
        (*PADDLE, "x2_0 224"),
        "https://github.com/PaddlePaddle/PaddleClas",
        "d178931fca432204e6b7422bac4f92e09ff22fa4",
        ("paddleclas/ppcls/arch/backbone/model_zoo/shufflenet_v2.py",),
        "Apache-2.0",
        "pickle of {key: NumPy array}, beside it the key StructuredToParameterName@@; "
        "_fc.weight is (in, out); 'x2_0 224' has the channels from before commit 60a4269",
        size=FREE,
        packages=("paddlepaddle",),
    ),
    "paddlevision": Source(
        _paddle_vision,
        PADDLE,
        "https://github.com/PaddlePaddle/Paddle",
        "the paddlepaddle package of the version stated",
        (),
        "Apache-2.0",
        "pickle of {key: NumPy array}, beside it the key StructuredToParameterName@@; "
        "paddle/vision/models/shufflenetv2.py; fc.weight is (in, out); x2_0 has 224 channels",
        size=FREE,
        packages=("paddlepaddle",),
    ),
}
