"""MMPretrain's networks, with stand-ins for mmcv and mmengine."""

import importlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from original_code.source import FREE, Entries, Run, Source, by_torch, load, stand_in

if TYPE_CHECKING:
    import torch

__all__ = ["SOURCES"]


def _conv_module(nn: types.ModuleType) -> type:
    """Stand in for mmcv's ConvModule: convolution without bias, batch norm, activation."""

    class ConvModule(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(
            self,
            *args: int,
            conv_cfg: None = None,
            norm_cfg: object = None,
            act_cfg: object = "ReLU",
            **kwargs: int,
        ) -> None:
            super().__init__()
            self.conv = nn.Conv2d(*args, **kwargs, bias=False)
            self.bn = nn.BatchNorm2d(self.conv.out_channels)
            self.activate = nn.ReLU() if act_cfg else nn.Identity()

        def forward(self, x: "torch.Tensor") -> object:
            return self.activate(self.bn(self.conv(x)))

    return ConvModule


def _mmpretrain(root: Path, name: str) -> tuple[Entries, Run]:
    nn = importlib.import_module("torch.nn")

    class BaseModule(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, init_cfg: object = None) -> None:
            super().__init__()

    def register_module() -> Callable[[type], type]:
        return lambda cls: cls

    folder = root / "mmpretrain" / "mmpretrain" / "models"
    stand_in("mmcv")
    stand_in("mmcv.cnn", ConvModule=_conv_module(nn), build_activation_layer=lambda _: nn.ReLU())
    stand_in("mmengine")
    stand_in("mmengine.model", BaseModule=BaseModule)
    stand_in("mmengine.model.weight_init", constant_init=None, normal_init=None)
    stand_in("mmpretrain")
    stand_in("mmpretrain.registry", MODELS=types.SimpleNamespace(register_module=register_module))
    stand_in("mmpretrain.models")
    stand_in("mmpretrain.models.backbones")
    shuffle = load(folder / "utils" / "channel_shuffle.py", "mmpretrain.channel_shuffle")
    divisible = load(folder / "utils" / "make_divisible.py", "mmpretrain.make_divisible")
    stand_in(
        "mmpretrain.models.utils",
        channel_shuffle=shuffle.channel_shuffle,
        make_divisible=divisible.make_divisible,
    )
    backbones = "mmpretrain.models.backbones"
    load(folder / "backbones" / "base_backbone.py", f"{backbones}.base_backbone")
    version, option = name.split()
    file = f"shufflenet_{version}"
    module = load(folder / "backbones" / f"{file}.py", f"{backbones}.{file}")
    if version == "v1":
        backbone = module.ShuffleNetV1(groups=int(option[1:]))
        channels = backbone.in_channels
    else:
        backbone = module.ShuffleNetV2(widen_factor=float(option))
        channels = backbone.layers[-1].conv.out_channels

    class Classifier(nn.Module):  # type: ignore[misc,name-defined]
        """Backbone, GlobalAveragePooling and LinearClsHead, as configs/_base_/models has them."""

        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.head = nn.Module()
            self.head.fc = nn.Linear(channels, 1000)

        def forward(self, x: "torch.Tensor") -> object:
            return self.head.fc(self.backbone(x)[-1].mean((2, 3)))

    return by_torch(Classifier())


SOURCES = {
    "mmpretrain": Source(
        _mmpretrain,
        (*(f"v1 g{g}" for g in (1, 2, 3, 4, 8)), *(f"v2 {w}" for w in (0.5, 1.0, 1.5, 2.0))),
        "https://github.com/open-mmlab/mmpretrain",
        "ee7f2e88501f61aa95c742dd5f429f039935ee90",
        (
            "mmpretrain/mmpretrain/models/backbones/shufflenet_v1.py",
            "mmpretrain/mmpretrain/models/backbones/shufflenet_v2.py",
            "mmpretrain/mmpretrain/models/utils/channel_shuffle.py",
        ),
        "Apache-2.0",
        "torch.save of {'state_dict': entries, 'meta': ...}; mmcv's ConvModule was a stand-in",
        size=FREE,
    ),
}
