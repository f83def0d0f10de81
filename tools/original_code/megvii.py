"""Megvii's networks, ShuffleNet-Series."""

import importlib
import sys
import types
from pathlib import Path

from original_code.source import Build, Entries, Run, Source, by_torch

__all__ = ["SOURCES"]


def _megvii(root: Path, folder: str) -> types.ModuleType:
    """Import ``network.py``, which imports what lies beside it."""
    sys.path.insert(0, str(root / "megvii" / folder))
    return importlib.import_module("network")


def _megvii_v1(root: Path, name: str) -> tuple[Entries, Run]:
    group, size = name.split()
    module = _megvii(root, "ShuffleNetV1")
    return by_torch(module.ShuffleNetV1(model_size=size, group=int(group[1:])), "module.")


def _megvii_v2(root: Path, name: str) -> tuple[Entries, Run]:
    return by_torch(_megvii(root, "ShuffleNetV2").ShuffleNetV2(model_size=name), "module.")


# ShuffleNetV2+/train.py and OneShot/train.py state the same list of kinds of unit.
KINDS = [0, 0, 3, 1, 1, 1, 0, 0, 2, 0, 2, 1, 1, 0, 2, 0, 2, 1, 3, 2]
SCALES = [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6]
SCALE_IDS = [6, 5, 3, 5, 2, 6, 3, 4, 2, 5, 7, 5, 4, 6, 7, 4, 4, 5, 4, 3]


def _megvii_plus(root: Path, name: str) -> tuple[Entries, Run]:
    module = _megvii(root, "ShuffleNetV2+")
    return by_torch(module.ShuffleNetV2_Plus(architecture=KINDS, model_size=name), "module.")


def _megvii_oneshot(root: Path, name: str) -> tuple[Entries, Run]:
    module = _megvii(root, "OneShot")
    scales = [SCALES[i] for i in SCALE_IDS]
    net = module.ShuffleNetV2_OneShot(architecture=KINDS, channels_scales=scales)
    return by_torch(net, "module.")


def _megvii_detnas(root: Path, name: str) -> tuple[Entries, Run]:
    module = _megvii(root, "DetNAS")
    return by_torch(module.ShuffleNetV2DetNAS(model_size=name), "module.")


def _megvii_large(root: Path, name: str) -> tuple[Entries, Run]:
    return by_torch(_megvii(root, f"ShuffleNetV2.{name}").ShuffleNetV2(), "module.")


def _from_megvii(build: Build, folder: str, networks: tuple[str, ...], batch: int = 2) -> Source:
    return Source(
        build,
        networks,
        "https://github.com/megvii-model/ShuffleNet-Series",
        "aa91feb71b01f28d0b8da3533d20a3edb11b1810",
        tuple(
            f"megvii/{folder}/{file}.py"
            for file in ("network", "blocks")
            if file == "network" or "arge" not in folder
        ),
        "MIT",
        "torch.save of {'state_dict': entries}"
        + (" or of the entries alone" if folder == "OneShot" else ""),
        batch=batch,
    )


WIDTHS = ("0.5x", "1.0x", "1.5x", "2.0x")
SOURCES = {
    "megvii-v1": _from_megvii(
        _megvii_v1, "ShuffleNetV1", tuple(f"g{g} {w}" for g in (3, 8) for w in WIDTHS)
    ),
    "megvii-v2": _from_megvii(_megvii_v2, "ShuffleNetV2", WIDTHS),
    "megvii-v2plus": _from_megvii(_megvii_plus, "ShuffleNetV2+", ("Small", "Medium", "Large")),
    "megvii-oneshot": _from_megvii(_megvii_oneshot, "OneShot", ("OneShot",)),
    "megvii-detnas": _from_megvii(
        _megvii_detnas,
        "DetNAS",
        (
            *(f"{d}_{h}_300M" for d in ("COCO", "VOC") for h in ("FPN", "RetinaNet")),
            "COCO_FPN_1.3G",
            "COCO_FPN_3.8G",
        ),
    ),
    "megvii-large": _from_megvii(_megvii_large, "ShuffleNetV2.Large", ("Large",), 1),
    "megvii-exlarge": _from_megvii(_megvii_large, "ShuffleNetV2.ExLarge", ("ExLarge",), 1),
}
