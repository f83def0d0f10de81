"""Write tests/golden/originals-*.npz: what the original implementations compute.

Every network gets weights that `tests/seeded.py` makes from names and shapes alone, and images of
`tests/originals.py`; a file keeps the entries of the checkpoint that the source saves, and some of
the logits. Nothing of the originals is copied: they are imported from clones.

    git clone https://github.com/megvii-model/ShuffleNet-Series      DIR/megvii      (aa91feb)
    git clone https://github.com/open-mmlab/mmpretrain               DIR/mmpretrain  (ee7f2e8)
    git clone https://github.com/PaddlePaddle/PaddleClas             DIR/paddleclas  (d178931)
    git clone https://github.com/ericsun99/Shufflenet-v2-Pytorch     DIR/ericsun99   (7f198bd)

    PYTHONPATH=tests python tools/make_originals.py --originals DIR --paddle PYTHON [SOURCE ...]

``PYTHON`` is an interpreter that has paddlepaddle; the others run in the one that runs this, which
needs torch, onnx and onnxruntime. Each network is built in a process of its own: Megvii's files
share names, and Paddle's fix the names of their parameters.
"""

import argparse
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from originals import CLASSES, Original, images, to_text, weights

if TYPE_CHECKING:
    import torch

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
FIXED = (193, 207)  # 7x7 before a pooling that is fixed at 7x7, like 224, with odd sizes on the way
FREE = (97, 64)  # for networks that pool whatever there is

Entries = tuple[tuple[str, tuple[int, ...], str], ...]
Weights = Mapping[str, npt.NDArray[np.generic]]
Run = Callable[[Weights, npt.NDArray[np.float64]], npt.NDArray[np.float64]]
Build = Callable[[Path, str], tuple[Entries, Run]]


def _module(name: str, **attributes: object) -> types.ModuleType:
    """Stand in for a module that an original imports."""
    module = types.ModuleType(name)
    module.__path__ = []
    for key, value in attributes.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def _load(path: Path, name: str, edit: Callable[[str], str] = str) -> types.ModuleType:
    """Import a file as a module of the given name."""
    module = types.ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    sys.modules[name] = module
    exec(compile(edit(path.read_text()), str(path), "exec"), module.__dict__)
    return module


def _torch(net: "torch.nn.Module", prefix: str = "") -> tuple[Entries, Run]:
    """Run a PyTorch network in float64, its keys with a prefix."""
    torch = importlib.import_module("torch")
    entries = tuple(
        (prefix + key, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for key, value in net.state_dict().items()
    )
    net.double().eval()

    def run(state: Weights, batch: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        tensors = {key.removeprefix(prefix): torch.from_numpy(v) for key, v in state.items()}
        net.load_state_dict(tensors, strict=True)
        with torch.no_grad():
            return np.asarray(net(torch.from_numpy(batch)).numpy(), np.float64)

    return entries, run


def _megvii(root: Path, folder: str) -> types.ModuleType:
    """Import ``network.py``, which imports what lies beside it."""
    sys.path.insert(0, str(root / "megvii" / folder))
    return importlib.import_module("network")


def _megvii_v1(root: Path, name: str) -> tuple[Entries, Run]:
    group, size = name.split()
    module = _megvii(root, "ShuffleNetV1")
    return _torch(module.ShuffleNetV1(model_size=size, group=int(group[1:])), "module.")


def _megvii_v2(root: Path, name: str) -> tuple[Entries, Run]:
    return _torch(_megvii(root, "ShuffleNetV2").ShuffleNetV2(model_size=name), "module.")


# ShuffleNetV2+/train.py and OneShot/train.py state the same list of kinds of unit.
KINDS = [0, 0, 3, 1, 1, 1, 0, 0, 2, 0, 2, 1, 1, 0, 2, 0, 2, 1, 3, 2]
SCALES = [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6]
SCALE_IDS = [6, 5, 3, 5, 2, 6, 3, 4, 2, 5, 7, 5, 4, 6, 7, 4, 4, 5, 4, 3]


def _megvii_plus(root: Path, name: str) -> tuple[Entries, Run]:
    module = _megvii(root, "ShuffleNetV2+")
    return _torch(module.ShuffleNetV2_Plus(architecture=KINDS, model_size=name), "module.")


def _megvii_oneshot(root: Path, name: str) -> tuple[Entries, Run]:
    module = _megvii(root, "OneShot")
    scales = [SCALES[i] for i in SCALE_IDS]
    net = module.ShuffleNetV2_OneShot(architecture=KINDS, channels_scales=scales)
    return _torch(net, "module.")


def _megvii_detnas(root: Path, name: str) -> tuple[Entries, Run]:
    module = _megvii(root, "DetNAS")
    return _torch(module.ShuffleNetV2DetNAS(model_size=name), "module.")


def _megvii_large(root: Path, name: str) -> tuple[Entries, Run]:
    return _torch(_megvii(root, f"ShuffleNetV2.{name}").ShuffleNetV2(), "module.")


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
    _module("mmcv")
    _module("mmcv.cnn", ConvModule=_conv_module(nn), build_activation_layer=lambda _: nn.ReLU())
    _module("mmengine")
    _module("mmengine.model", BaseModule=BaseModule)
    _module("mmengine.model.weight_init", constant_init=None, normal_init=None)
    _module("mmpretrain")
    _module("mmpretrain.registry", MODELS=types.SimpleNamespace(register_module=register_module))
    _module("mmpretrain.models")
    _module("mmpretrain.models.backbones")
    shuffle = _load(folder / "utils" / "channel_shuffle.py", "mmpretrain.channel_shuffle")
    divisible = _load(folder / "utils" / "make_divisible.py", "mmpretrain.make_divisible")
    _module(
        "mmpretrain.models.utils",
        channel_shuffle=shuffle.channel_shuffle,
        make_divisible=divisible.make_divisible,
    )
    backbones = "mmpretrain.models.backbones"
    _load(folder / "backbones" / "base_backbone.py", f"{backbones}.base_backbone")
    version, option = name.split()
    file = f"shufflenet_{version}"
    module = _load(folder / "backbones" / f"{file}.py", f"{backbones}.{file}")
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

    return _torch(Classifier())


def _ericsun99(root: Path, name: str) -> tuple[Entries, Run]:
    # The file mixes tabs and spaces, as Python 2 allowed: a tab goes to the next multiple of 8.
    module = _load(root / "ericsun99" / "ShuffleNetV2.py", "ericsun99", lambda t: t.expandtabs(8))
    return _torch(module.ShuffleNetV2(width_mult=float(name)))


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
        _module(package)
    _module("ppcls.utils")
    _module("ppcls.utils.save_load", load_dygraph_pretrain=None)
    width, _, stage = name.partition(" ")
    folder = root / "paddleclas" / "ppcls" / "arch" / "backbone" / "model_zoo"
    module = _load(
        folder / "shufflenet_v2.py",
        "ppcls.arch.backbone.model_zoo.shufflenet_v2",
        # Before commit 60a4269 the widest had 224 there, and its published file has.
        lambda text: text.replace("24, 244, 488", "24, 224, 488") if stage else text,
    )
    return _paddle(getattr(module, f"ShuffleNetV2_{width}")())


def _paddle_vision(_: Path, name: str) -> tuple[Entries, Run]:
    module = importlib.import_module("paddle.vision.models.shufflenetv2")
    return _paddle(getattr(module, f"shufflenet_v2_{name}")())


def _onnx_zoo(_: Path, __: str) -> tuple[Entries, Run]:
    """Take the graph from onnx's own tests: the zoo's, with its weights made by ConstantOfShape."""
    onnx = importlib.import_module("onnx")
    runtime = importlib.import_module("onnxruntime")
    data = Path(importlib.import_module("onnx.backend.test").__file__ or "").parent / "data"
    model = onnx.load(data / "light" / "light_shufflenet.onnx")
    graph = model.graph
    made = {node.output[0] for node in graph.node if node.op_type == "ConstantOfShape"}
    made |= {i.name for i in graph.initializer if i.name.endswith("_0")}
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in graph.input
    }
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        dims = next(i for i in graph.initializer if i.name == node.input[0])
        shapes[node.output[0]] = tuple(onnx.numpy_helper.to_array(dims).tolist())
        graph.node.remove(node)
    kept = [i for i in graph.initializer if i.name.startswith("OC2_DUMMY")]
    logits = next(node.output[0] for node in graph.node if node.op_type == "Gemm")
    pixels = next(value for value in graph.input if value.name == "gpu_0/data_0")
    graph.output.append(onnx.helper.make_tensor_value_info(logits, 1, [1, 1000]))
    entries = tuple((name, shapes[name], "float32") for name in sorted(made))

    def run(state: Weights, batch: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        del graph.initializer[:], graph.input[:]
        graph.input.append(pixels)
        graph.initializer.extend(kept)
        graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in state.items())
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(model.SerializeToString(), options)
        answers = [
            session.run([logits], {"gpu_0/data_0": one[None].astype(np.float32)})[0]
            for one in batch  # the graph fixes a batch of 1
        ]
        return np.concatenate(answers).astype(np.float64)

    return entries, run


@dataclass(frozen=True)
class Source:
    """Where a file's networks come from, and how to build each."""

    build: Build
    networks: tuple[str, ...]
    repository: str
    commit: str
    files: tuple[str, ...]  # below the folder of clones
    licence: str
    file: str  # what the source's checkpoint files are
    size: tuple[int, int] = FIXED
    batch: int = 2
    float64: bool = True
    packages: tuple[str, ...] = ("torch",)


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
DETNAS = ("300M", "1.3G", "3.8G")
PADDLE = ("x0_25", "x0_33", "x0_5", "x1_0", "x1_5", "x2_0", "swish")
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
    "onnxzoo": Source(
        _onnx_zoo,
        ("v1",),
        "https://github.com/onnx/onnx",
        "the onnx package of the version stated",
        (),
        "Apache-2.0",
        "an ONNX graph, its initialisers sorted by name; the constants OC2_DUMMY_* of its "
        "Reshapes are left out; the logits stand before the graph's Softmax; "
        "onnx/backend/test/data/light/light_shufflenet.onnx",
        size=(224, 224),
        float64=False,
        packages=("onnx", "onnxruntime"),
    ),
    "ericsun99": Source(
        _ericsun99,
        ("0.5", "1.0"),
        "https://github.com/ericsun99/Shufflenet-v2-Pytorch",
        "7f198bd3342ef349ad7c6688a9ccd1b0baf1d364",
        ("ericsun99/ShuffleNetV2.py",),
        "BSD-2-Clause",
        "torch.save of the entries alone",
    ),
}


def _controls(
    state: Weights, run: Run, batch: npt.NDArray[np.float64], logits: npt.NDArray[np.float64]
) -> dict[str, float]:
    """Roll the rows of a tensor: how much that changes the logits, for some tensors."""
    able = [
        key
        for key, value in state.items()
        if value.ndim and value.shape[0] > 1 and not re.search(r"\.predict_|se_block", key)
    ]
    squeezes = [key for key in able if re.search(r"SE.*weight|se_fc.*weight", key)]
    chosen = {able[i] for i in np.linspace(0, len(able) - 1, 12).round().astype(int)}
    chosen |= {squeezes[i] for i in (1, len(squeezes) // 2, -1) if squeezes}
    effects = {}
    for key in sorted(chosen):
        changed = dict(state)
        changed[key] = np.roll(state[key], 1, axis=0)
        again = key.replace("se_fc1.", "se_block.0.").replace("se_fc2.", "se_block.2.")
        if again in changed:  # a tensor that a file has twice
            changed[again] = changed[key]
        effects[key] = float(np.abs(run(changed, batch) - logits).max() / np.abs(logits).max())
    return effects


def _one(root: Path, source: str, name: str, out: Path) -> None:
    """Build and run one network, in this process."""
    facts = SOURCES[source]
    entries, run = facts.build(root, name)
    empty = np.empty((facts.batch, 0))
    original = Original(source, name, entries, facts.size, facts.batch, empty, facts.float64)
    state = weights(original)
    batch = images(original)
    logits = run(state, batch)
    if logits.shape != (facts.batch, 1000) or not np.isfinite(logits).all():
        raise RuntimeError(f"{original}: logits of shape {logits.shape}, or not finite")
    effects = _controls(state, run, batch, logits)
    least = min(effects, key=effects.__getitem__)
    print(
        f"{original}: {len(entries)} entries, |logit| <= {np.abs(logits).max():.4g}, "
        f"spread {logits.std():.4g}, images differ {np.abs(logits[0] - logits[-1]).max():.4g}; "
        f"controls {effects[least]:.2g} ({least}) to {max(effects.values()):.2g}",
        flush=True,
    )
    if effects[least] < 1e-5:
        raise RuntimeError(f"{original}: rolling {least} changes nothing: {effects}")
    versions = {package: importlib.metadata.version(package) for package in facts.packages}
    versions["python"] = platform.python_version()
    np.savez(
        out,
        entries=to_text(entries),
        logits=logits[:, CLASSES],
        versions=np.array(json.dumps(versions)),
    )


def _all(source: str, root: Path, paddle: str) -> None:
    facts = SOURCES[source]
    arrays: dict[str, Any] = {}
    versions: dict[str, str] = {}
    for name in facts.networks:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "one.npz"
            python = paddle if "paddlepaddle" in facts.packages else sys.executable
            command = [python, __file__, "--originals", str(root), "--one", source, name, str(out)]
            environment = {**os.environ, "PYTHONPATH": str(GOLDEN.parent)}
            subprocess.run(command, check=True, env=environment)
            with np.load(out) as file:
                arrays[f"entries {name}"] = file["entries"]
                arrays[f"logits {name}"] = file["logits"]
                versions = json.loads(str(file["versions"]))
        arrays[f"size {name}"] = np.array(facts.size)
    origin = {
        "repository": facts.repository,
        "commit": facts.commit,
        "files": {f: hashlib.sha256((root / f).read_bytes()).hexdigest() for f in facts.files},
        "licence": facts.licence,
        "checkpoint": facts.file,
        "float64": facts.float64,
        "versions": versions,
        "written by": "tools/make_originals.py",
    }
    path = GOLDEN / f"originals-{source}.npz"
    np.savez_compressed(path, origin=np.array(json.dumps(origin)), **arrays)
    print(f"{path.name}: {path.stat().st_size:,} bytes", flush=True)


def main() -> None:
    """Compute and write everything, or the sources named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--originals", type=Path, required=True, metavar="DIR")
    parser.add_argument("--paddle", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    arguments = parser.parse_args()
    if arguments.one:
        source, name, out = arguments.one
        _one(arguments.originals, source, name, Path(out))
        return
    for source in arguments.sources or SOURCES:
        _all(source, arguments.originals.resolve(), arguments.paddle)


if __name__ == "__main__":
    main()
