"""How other projects name, order and wrap the weights of their networks.

A layout's naming maps the name of a tensor in our networks to its name in theirs, for all widths. A
layout is therefore recognized by a name that no other layout has, and a network by all names and
shapes together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shufflenet.convert._names import (
    Naming,
    detnas,
    ericsun,
    exlarge,
    large,
    megvii_v1,
    megvii_v2,
    mmpretrain_v1,
    mmpretrain_v2,
    onnx_v1,
    paddle,
    torchvision,
)
from shufflenet.spec import NetworkSpec, V1Spec, V2ExLargeSpec, V2LargeSpec, V2PlusSpec, V2Spec
from shufflenet.zoo import NETWORKS, Source

__all__ = ["LAYOUTS", "SOURCES", "TARGETS", "Layout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one project names, orders and wraps the weights of its networks.

    Attributes:
        name: The layout's name; layouts of one source differ by the network's generation.
        source: The project.
        networks: The names of our networks that its files may hold.
        builds: Those that the project's code builds, so that files are written for them.
        signature: A regular expression that matches a name of this layout and of no other.
        naming: Maps our name of a tensor, and the network, to the project's name.
        prefix: A prefix of every name in its files.
        wrapper: The key of the dictionary in the file that holds the weights; or empty.
        counts_batches: Whether its files hold the number of batches that a norm has seen.
        transposed_classifier: Whether the classifier's weight is ``(features, classes)``.
        linear_squeeze: Whether squeeze and excitation has linear layers, not 1x1 convolutions.
        twins: A network, another whose files have the same names and shapes, and a word: a file is
            converted as the first network unless the word is in the file's name.
        pickled: Whether files are pickles of arrays, as ``paddle.save`` writes, and not torch's.
        suffixes: The suffixes of its files.
        unwritten: Why no file can be written that its code loads; or empty.
        unused: A regular expression for names that only training needs or that are duplicates.
        biases: Pairs of a convolution bias, by its name, and our name of the norm's running mean
            that it is folded into.
        norm_eps: What V2's batch norms add to variances. Paddle uses its 1e-5 as a float32 number
            even when it computes in float64.
        shuffle_before_depthwise: Whether V1's shuffle is before the depthwise convolution, as in
            the paper, and not after it, as here.
    """

    name: str
    source: Source
    networks: tuple[str, ...]
    builds: tuple[str, ...]
    signature: str
    naming: Naming
    prefix: str = ""
    wrapper: str = ""
    counts_batches: bool = True
    transposed_classifier: bool = False
    linear_squeeze: bool = False
    twins: tuple[tuple[str, str, str], ...] = ()  # network, its twin, the twin's word
    pickled: bool = False
    suffixes: tuple[str, ...] = (".pth", ".pth.tar", ".pkl")
    unwritten: str = ""
    unused: str = ""
    biases: tuple[tuple[str, str], ...] = ()
    norm_eps: float = 1e-5
    shuffle_before_depthwise: bool = False


def _networks(generation: type[NetworkSpec], choose: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(n for n, s in NETWORKS.items() if type(s) is generation and choose(n))


_HALVES = _networks(
    V2Spec, lambda name: not name.endswith(("_megvii", "_swish")) and name != "shufflenet_v2_50"
)
# At 2.0 there are two widths, and each of Paddle's projects builds one: PaddleClas at 07fab6b (and
# since 60a4269d9 of 2022) builds 244 channels in stage 2, whatever its published file has, and
# skips what does not fit, with a warning; paddle.vision 3.3.1 builds 224.
_PADDLE = (*_HALVES, "shufflenet_v2_x1_0_swish")
# What torchvision 0.28 and mmpretrain at ee7f2e88 build; the latter's V1 at 1.0 and where its
# rounding of widths and stems gives ours.
_WIDTHS = tuple(f"shufflenet_v2_{width}" for width in ("x0_5", "x1_0", "x1_5", "x2_0"))
_MMPRETRAIN_V1 = (
    *_networks(V1Spec, lambda name: name.endswith("x1_0")),
    "shufflenet_v1_g3_x0_5",
    "shufflenet_v1_g3_x2_0",
    "shufflenet_v1_g8_x2_0",
)
_MEGVII_V2 = (
    *_networks(V2Spec, lambda name: name.endswith("_megvii")),
    *_networks(V2PlusSpec, lambda name: "plus" in name),
)
_FLOAT32_EPS = float(np.float32(1e-5))
_TWINS = (("shufflenet_v2_x1_0", "shufflenet_v2_x1_0_swish", "swish"),)

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        name="torchvision",
        source="torchvision",
        networks=_HALVES,
        builds=_WIDTHS,
        signature=r"stage2\.0\.branch2\.0\.weight",
        naming=torchvision,
    ),
    Layout(
        name="ericsun99",
        source="torchvision",  # its file of 1.0 is torchvision's
        networks=_HALVES,
        builds=(),
        signature=r"features\.0\.banch2\.0\.weight",
        naming=ericsun,
    ),
    Layout(
        name="mmpretrain",
        source="mmpretrain",
        networks=_HALVES,
        builds=_WIDTHS,
        signature=r"backbone\.layers\.0\.0\.branch2\.0\.conv\.weight",
        naming=mmpretrain_v2,
        wrapper="state_dict",
    ),
    Layout(
        name="mmpretrain-v1",
        source="mmpretrain",
        networks=_networks(V1Spec, lambda name: "_megvii" not in name and "_onnx" not in name),
        builds=_MMPRETRAIN_V1,
        signature=r"backbone\.layers\.0\.0\.g_conv_1x1_compress\.conv\.weight",
        naming=mmpretrain_v1,
        wrapper="state_dict",
    ),
    Layout(
        name="paddle",
        source="paddleclas",
        norm_eps=_FLOAT32_EPS,
        networks=_PADDLE,
        builds=tuple(name for name in _PADDLE if name != "shufflenet_v2_x2_0_224"),
        signature=r"_conv1\._conv\.weight",
        naming=paddle("_conv", "_batch_norm"),
        counts_batches=False,
        transposed_classifier=True,
        twins=_TWINS,
        pickled=True,
        suffixes=(".pdparams",),
    ),
    Layout(
        name="paddlevision",
        source="paddlevision",
        norm_eps=_FLOAT32_EPS,
        networks=_PADDLE,
        builds=tuple(name for name in _PADDLE if name != "shufflenet_v2_x2_0"),
        signature=r"_conv1\.0\.weight",
        naming=paddle("0", "1"),
        counts_batches=False,
        transposed_classifier=True,
        twins=_TWINS,
        pickled=True,
        suffixes=(".pdparams",),
    ),
    Layout(
        name="megvii-v1",
        source="megvii",
        networks=_networks(V1Spec, lambda name: name.endswith("_megvii")),
        builds=_networks(V1Spec, lambda name: name.endswith("_megvii")),
        signature=r"features\.0\.branch_main_1\.0\.weight",
        naming=megvii_v1,
        prefix="module.",
        wrapper="state_dict",
    ),
    Layout(
        name="megvii",
        source="megvii",
        networks=_MEGVII_V2,
        builds=_MEGVII_V2,
        signature=r"features\.0\.branch_main\.0\.weight",
        naming=megvii_v2,
        prefix="module.",
        wrapper="state_dict",
    ),
    Layout(
        name="megvii-oneshot",  # as above, but its evaluation loads the bare dictionary
        source="megvii",
        networks=("shufflenet_v2_oneshot",),
        builds=("shufflenet_v2_oneshot",),
        signature=r"features\.0\.branch_main\.0\.weight",
        naming=megvii_v2,
        prefix="module.",
    ),
    Layout(
        name="megvii-detnas",
        source="megvii",
        networks=_networks(V2PlusSpec, lambda name: "detnas" in name),
        builds=_networks(V2PlusSpec, lambda name: "detnas" in name),
        signature=r"features\.0\.proj_conv\.interstellar1a_proj\.weight",
        naming=detnas,
        wrapper="state_dict",
        biases=(
            ("first_conv.conv.bias", "conv1.1.running_mean"),
            ("last_conv.conv.bias", "conv5.1.running_mean"),
        ),
    ),
    Layout(
        name="megvii-large",
        source="megvii",
        networks=_networks(V2LargeSpec, lambda _: True),
        builds=_networks(V2LargeSpec, lambda _: True),
        signature=r"features\.0\.2a\.proj\.conv\.weight",
        naming=large,
        wrapper="state_dict",
        linear_squeeze=True,
        unused=r"predict_\d+\..*|.*\.se_block\.\d+\..*",
    ),
    Layout(
        name="megvii-exlarge",
        source="megvii",
        networks=_networks(V2ExLargeSpec, lambda _: True),
        builds=_networks(V2ExLargeSpec, lambda _: True),
        signature=r"features\.0\.0\.proj\.conv\.weight",
        naming=exlarge,
        prefix="module.",
        wrapper="state_dict",
        linear_squeeze=True,
        unwritten="its evaluation needs the heads that only training uses, which are not stored",
        unused=r"predict_\d+\..*|.*\.se_block\.\d+\..*",
    ),
    Layout(
        name="onnx-v1",
        source="onnx_zoo",
        networks=("shufflenet_v1_g4_x0_5_onnx",),
        builds=(),
        signature=r"gpu_0/conv3_0_w_0",
        naming=onnx_v1,
        counts_batches=False,
        unused=r"OC2_DUMMY_.*|.*_shape.*",
        biases=(("gpu_0/conv3_0_b_0", "conv1.1.running_mean"),),
        shuffle_before_depthwise=True,
    ),
)

_MEGVII = (
    "megvii",
    "megvii-v1",
    "megvii-oneshot",
    "megvii-detnas",
    "megvii-large",
    "megvii-exlarge",
)

# The names of sources on the command line, with their layouts.
SOURCES: dict[str, tuple[str, ...]] = {
    "torchvision": ("torchvision", "ericsun99"),
    "mmpretrain": ("mmpretrain", "mmpretrain-v1"),
    "paddle": ("paddle", "paddlevision"),
    "megvii": _MEGVII,
    "onnx": ("onnx-v1", "torchvision"),
}

# The same for layouts that can be written.
TARGETS: dict[str, tuple[str, ...]] = {
    "torchvision": ("torchvision",),
    "mmpretrain": ("mmpretrain", "mmpretrain-v1"),
    "paddle": ("paddle",),
    "paddlevision": ("paddlevision",),
    "megvii": _MEGVII,
}
