"""The label sets in the package.

``imagenet_1k.tsv``: the classes of ILSVRC 2012 in the order of WordNet identifiers, which is the
order of class indices in every published checkpoint. Identifiers and words are those of
onnx/models at b1eeaa1a, validated/vision/classification/synset.txt; identifiers in this order are
also in timm 1.0.20, data/_info/imagenet_synsets.txt, and words in this order in torchvision 0.28.0,
models/_meta.py, and in PaddleClas at d178931f, ppcls/utils/imagenet1k_label_list.txt.

``ilsvrc2012_order.txt``: the same identifiers in the order in which the challenge's development kit
numbers them, from 1: data/map_clsloc.txt of the kit of 2015, which agrees with the places of
data/meta.mat of 2012 that MLDatasets.jl shows.

The name of a class is its first word in WordNet. If two first words are equal except for case, the
category that WordNet puts the class in follows in parentheses: "crane (wading bird)".

Words and categories are from WordNet 3.0, Copyright 2006 by Princeton University, which may be
redistributed under the terms in ``imagenet_1k.LICENSE.txt`` (SPDX: WordNet).
"""

from functools import cache
from pathlib import Path
from typing import Final

from shufflenet.errors import UnknownName
from shufflenet.labels._files import read_names
from shufflenet.spec import Label

__all__ = ["ilsvrc2012_order", "label_set"]

_FILES: Final = {"imagenet-1k": Path(__file__).parent / "imagenet_1k.tsv"}


@cache
def label_set(name: str) -> tuple[Label, ...]:
    """Return the classes of a set, in the order of class indices.

    >>> label_set("imagenet-1k")[1]
    Label(id='n01443537', name='goldfish')

    Raises:
        UnknownName: no set has that name; the nearest one is suggested.
    """
    if name not in _FILES:
        raise UnknownName("label set", name, _FILES)
    return tuple(Label(*pair) for pair in read_names(_FILES[name]).items())


@cache
def ilsvrc2012_order() -> tuple[str, ...]:
    """Return the identifiers that ILSVRC 2012's ground truth numbers, from 1 to 1000.

    >>> ilsvrc2012_order()[:2]  # kit fox is 1, English setter is 2
    ('n02119789', 'n02100735')
    """
    return tuple((Path(__file__).parent / "ilsvrc2012_order.txt").read_text().split())
