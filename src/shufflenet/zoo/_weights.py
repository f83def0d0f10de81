"""Every published file of weights, by name."""

from shufflenet.zoo._megvii import MEGVII
from shufflenet.zoo._mmpretrain import MMPRETRAIN
from shufflenet.zoo._onnx_zoo import ONNX_ZOO
from shufflenet.zoo._paddle import PADDLECLAS, PADDLEVISION
from shufflenet.zoo._record import PublishedCost, Source, Weights
from shufflenet.zoo._torchvision import TORCHVISION

__all__ = ["WEIGHTS", "PublishedCost", "Source", "Weights"]

WEIGHTS: dict[str, Weights] = {
    weights.name: weights
    for weights in (*TORCHVISION, *MMPRETRAIN, *PADDLECLAS, *PADDLEVISION, *MEGVII, *ONNX_ZOO)
}
