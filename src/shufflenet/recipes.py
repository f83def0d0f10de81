"""Training recipes as values, each with its source and the accuracy it reaches."""

import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args

from shufflenet.errors import SpecError, UnknownName
from shufflenet.spec import MAX_CROP_PX, Fit, NetworkSpec, Preprocess

__all__ = [
    "RECIPES",
    "Initialization",
    "Recipe",
    "Size",
    "find_recipe",
    "preprocess_for",
    "share_of_size",
    "sides",
    "simplest",
    "stem_stride_for",
]

_LEAST_PX = 16  # of a side: with a stem of stride 1 the last maps of V2 have two pixels
_MOST_ZOOM = 10
_FIRST_PX = 32  # of a side of the size that training begins with, unless images have fewer

Size: TypeAlias = int | tuple[int, int]  # the side of a square, or height and width
Schedule: TypeAlias = Literal["cosine", "linear"]
Initialization: TypeAlias = Literal["torchvision", "megvii", "mmpretrain", "paddleclas"]


def sides(size: Size) -> tuple[int, int]:
    """Return the height and the width of a size.

    >>> sides(48), sides((32, 96))
    ((48, 48), (32, 96))
    """
    return (size, size) if isinstance(size, int) else size


def simplest(size: Size) -> Size:
    """Return a size with the side alone where it is a square."""
    height, width = sides(size)
    return height if height == width else (height, width)


def _field(text: str, **default: Any) -> Any:  # noqa: ANN401  # as dataclasses.field
    return field(metadata={"help": text}, **default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum on random crops.

    ``name``, ``source`` (who trains so, and where that is published) and ``expected`` (the accuracy
    it is known to reach) describe a recipe, as does ``detects``: whether it trains detectors, and
    not classifiers. Every other field is part of it and can be overridden.
    """

    name: str
    source: str
    expected: str
    detects: bool = False
    epochs: int = _field("passes over the images")
    batch_size: int = _field("images per step")
    learning_rate: float = _field("the highest learning rate")
    warmup: float = _field("share of all steps in which the learning rate rises, 0 to 1")
    train_px: tuple[Size, ...] = _field(
        "image sizes in training, one after the other, each for as many epochs; of images that "
        "are not square HxW each, such as 24x72,32x96"
    )
    image_px: Size = _field(  # noqa: RUF009  # as every other field
        "image size in validation and deployment: a side, or height and width"
    )
    schedule: Literal["cosine", "linear"] = _field(
        "how the learning rate falls to zero", default="cosine"
    )
    smallest_area: float = _field(
        "smallest share of an image that a crop covers, 0 to 1", default=0.08
    )
    mirror: bool = _field(
        "mirror half of the crops; not for digits, text or whatever else left and right tell apart",
        default=True,
    )
    repeats: int = _field("crops per image in an epoch, which then shows fewer images", default=1)
    balance: float = _field(
        "0: every image once per epoch; 1: every class equally often", default=0
    )
    trivial: bool = _field("apply TrivialAugment to every image", default=False)
    randaugment: int = _field("operations of RandAugment per image", default=0)
    magnitude: int = _field("strength of RandAugment, 0 to 30", default=9)
    erasing: float = _field("probability of erasing a box of an image, 0 to 1", default=0)
    mixup: float = _field("mix two images; alpha of the beta distribution, 0: never", default=0)
    cutmix: float = _field("paste a box of one image into another; alpha, 0: never", default=0)
    zoom: float = _field(
        "of a detector: factor by which images are enlarged or shrunk at random, at most; "
        "1: shown whole",
        default=1,
    )
    jitter: float = _field(
        "of a detector: share by which brightness, contrast and saturation vary, 0 to 1", default=0
    )
    mosaic: float = _field(
        "of a detector: probability that parts of four images are put together, 0 to 1", default=0
    )
    momentum: float = _field("momentum of SGD", default=0.9)
    nesterov: bool = _field("Nesterov momentum", default=True)
    weight_decay: float = _field("weight decay; norms and biases do not decay", default=4e-5)
    label_smoothing: float = _field("probability spread over all classes, 0 to 1", default=0.1)
    freeze: int = _field("frozen parts; 1: the stem, 2: the first stage too, and so on", default=0)
    layer_decay: float = _field(
        "learning rate of a part relative to the next part, towards the classifier", default=1
    )
    clip: float = _field(
        "largest norm of a gradient; longer ones are scaled to it, 0: no limit", default=0
    )
    accumulate: int = _field("parts in which a batch is computed, to save memory", default=1)
    global_norms: bool = _field(
        "batch norms over the images of all processes, rather than of each process", default=True
    )
    average: float = _field("decay per step of the weight average, 0: no average", default=0)
    patience: int = _field(
        "epochs in a row, at the last image size, that got fewer images right than the best one "
        "when training stops; 0: it never stops before its last epoch",
        default=0,
    )
    distillation: float = _field("share of the teacher in the loss, 0 to 1", default=1)
    temperature: float = _field(
        "divisor of the logits of teacher and student in the loss", default=1
    )
    initialization: Literal["torchvision", "megvii", "mmpretrain", "paddleclas"] = _field(
        "the project whose random weights a network, or a new class, starts from",
        default="torchvision",
    )
    seed: int = _field("seed of everything random", default=0)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "accumulate", "temperature"):
            if not getattr(self, name) > 0:
                raise SpecError(name, getattr(self, name), "greater than 0")
        for name in ("warmup", "smallest_area", "label_smoothing", "momentum", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise SpecError(name, getattr(self, name), "at least 0 and less than 1")
        for name in ("weight_decay", "mixup", "cutmix", "clip", "patience", "randaugment"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SpecError(name, getattr(self, name), "0 or more")
        if self.freeze < 0:
            raise SpecError("freeze", self.freeze, "0 or more")
        if not 0 < self.layer_decay <= 1:
            raise SpecError("layer_decay", self.layer_decay, "greater than 0 and at most 1")
        for name, sizes in (("image_px", (self.image_px,)), ("train_px", self.train_px)):
            for size in sizes:
                if not all(_LEAST_PX <= px <= MAX_CROP_PX for px in sides(size)):
                    expected = f"at least {_LEAST_PX} and at most {MAX_CROP_PX}"
                    raise SpecError(name, size, expected)
        object.__setattr__(self, "train_px", tuple(map(simplest, self.train_px)))
        object.__setattr__(self, "image_px", simplest(self.image_px))
        for name, known in (("schedule", Schedule), ("initialization", Initialization)):
            if getattr(self, name) not in get_args(known):
                expected = " or ".join(map(repr, get_args(known)))
                raise SpecError(name, getattr(self, name), expected)
        if self.repeats < 1:
            raise SpecError("repeats", self.repeats, "1 or more")
        if not 0 <= self.magnitude <= 30:
            raise SpecError("magnitude", self.magnitude, "from 0 to 30")
        if not 1 <= self.zoom <= _MOST_ZOOM:
            raise SpecError("zoom", self.zoom, f"from 1 to {_MOST_ZOOM}")
        for name in ("distillation", "erasing", "balance", "jitter", "mosaic"):
            if not 0 <= getattr(self, name) <= 1:
                raise SpecError(name, getattr(self, name), "from 0 to 1")
        if not 0 <= self.seed < 2**63:
            raise SpecError("seed", self.seed, "0 or more and less than 2**63")

    @property
    def overridable(self) -> dict[str, Any]:
        """Every field that can be overridden, with its value."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.metadata}

    def px_at(self, epoch: int) -> Size:
        """Return the image size of an epoch, counted from 0."""
        return self.train_px[epoch * len(self.train_px) // self.epochs]

    @property
    def epochs_at_other_sizes(self) -> int:
        """The number of epochs before those at the last size, which is the one validated at.

        >>> import dataclasses
        >>> recipe = dataclasses.replace(RECIPES["small-images"], epochs=6, train_px=(32, 40, 48))
        >>> recipe.epochs_at_other_sizes
        4
        """
        others = [e for e in range(self.epochs) if self.px_at(e) != self.train_px[-1]]
        return others[-1] + 1 if others else 0

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0: a linear rise, then the schedule.

        >>> recipe = RECIPES["small-images"]
        >>> [round(recipe.learning_rate_at(step, 105), 3) for step in (0, 4, 55, 104)]
        [0.04, 0.2, 0.1, 0.0]
        """
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        falling = (step - rising) / max(1, steps - rising)
        if self.schedule == "linear":
            return self.learning_rate * (1 - falling)
        return self.learning_rate * (1 + math.cos(math.pi * falling)) / 2


RECIPES = {
    recipe.name: recipe
    for recipe in (
        # A small size first, then a larger one. Networks are validated at the last size they were
        # trained at: at other sizes the same network gets up to a quarter fewer images right.
        Recipe(
            name="small-images",
            source="this package, docs/training-log.md, run c",
            expected="47.3 % on Tiny-ImageNet-200, V2 0.5",
            epochs=46,
            batch_size=128,
            learning_rate=0.2,
            warmup=0.05,
            train_px=(40, 48),
            image_px=48,
            smallest_area=0.5,
            weight_decay=1e-4,
        ),
        # The source also varies colors (ColorJitter 0.4) and estimates batch norms again at the
        # end; this recipe does neither. 300,000 steps of 1,024 images are 240 epochs.
        Recipe(
            name="megvii",
            source="megvii-model/ShuffleNet-Series at aa91feb, ShuffleNetV2/train.py",
            expected="61.1, 69.4, 72.6 and 75.0 % on ImageNet, V2 0.5 to 2.0 (their README)",
            epochs=240,
            batch_size=1024,
            learning_rate=0.5,
            warmup=0.0,
            train_px=(224,),
            image_px=224,
            schedule="linear",
            nesterov=False,
            initialization="megvii",
        ),
        # The source warms up at a constant 0.05 for 5,000 steps; here the rate rises linearly.
        Recipe(
            name="mmpretrain",
            source="open-mmlab/mmpretrain at ee7f2e88, configs/_base_/schedules/"
            "imagenet_bs1024_linearlr_bn_nowd.py",
            expected="69.55 % on ImageNet, V2 1.0; 68.13 %, V1 1.0 (their model zoo)",
            epochs=300,
            batch_size=1024,
            learning_rate=0.5,
            warmup=0.0133,
            train_px=(224,),
            image_px=224,
            schedule="linear",
            nesterov=False,
            initialization="mmpretrain",
            label_smoothing=0.0,
        ),
        # The source decays norms and biases too, and by 3e-5 below V2 1.0; here they do not decay.
        Recipe(
            name="paddleclas",
            source="PaddlePaddle/PaddleClas at d178931, ppcls/configs/ImageNet/ShuffleNet",
            expected="68.80 % on ImageNet, V2 1.0 (their model zoo)",
            epochs=240,
            batch_size=1024,
            learning_rate=0.5,
            warmup=5 / 240,
            train_px=(224,),
            image_px=224,
            nesterov=False,
            initialization="paddleclas",
            label_smoothing=0.0,
        ),
        Recipe(
            name="torchvision",
            source="pytorch/vision, references/classification, and issue 5906",
            expected="72.996 and 76.230 % on ImageNet, V2 1.5 and 2.0 (torchvision 0.28)",
            epochs=600,
            warmup=5 / 600,
            batch_size=1024,
            learning_rate=0.5,
            train_px=(176,),
            image_px=224,
            nesterov=False,
            weight_decay=2e-5,
            repeats=4,
            trivial=True,
            erasing=0.1,
            mixup=0.2,
            cutmix=1.0,
            average=1 - (1 - 0.99891) / 32,  # 0.99891 once in 32 steps
        ),
        Recipe(
            name="fine-tuning",
            source="this package",
            expected="85.2 % on CIFAR-10 of 500 images a class, V2 1.0 (docs/training-log.md)",
            epochs=20,
            batch_size=64,
            learning_rate=0.02,
            warmup=0.05,
            train_px=(224,),
            image_px=224,
            smallest_area=0.25,
            average=0.99,
            patience=5,
        ),
        Recipe(
            name="detection",
            source="this package",
            expected="mAP50 0.898 on BCCD's validation photos, V2 1.0 (docs/detection.md)",
            detects=True,
            epochs=100,
            batch_size=8,
            learning_rate=0.06,
            warmup=0.1,
            train_px=(320,),
            image_px=320,
            zoom=1.65,
            jitter=0.3,
            weight_decay=5e-5,
            label_smoothing=0.0,
            clip=10.0,
            average=0.99,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        UnknownName: no recipe goes by that name.
    """
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return RECIPES[name]


def share_of_size(size: Size, part: int, whole: int) -> Size:
    """Return a size whose sides are ``part / whole`` times as long, in multiples of 8 px.

    Sides are at least 32 px long, or stay as they are where they have fewer.

    >>> share_of_size(48, 5, 6), share_of_size((32, 96), 5, 6), share_of_size(28, 5, 6)
    (40, (32, 80), 28)
    """
    height, width = (
        max(min(px, _FIRST_PX), round(px * part / whole / 8) * 8) for px in sides(size)
    )
    return simplest((height, width))


def preprocess_for(image_px: Size, fit: Fit = "crop") -> Preprocess:
    """Return the usual preprocessing for images of ``image_px``, a side or height and width.

    With ``crop`` it has 7/8 of the shorter side, as is customary: 224 of 256 px, 56 of 64.

    >>> preprocess_for(224).resize_px, preprocess_for(56).resize_px
    (256, 64)
    >>> preprocess_for((32, 96)).resize_px, preprocess_for((32, 96), "pad").resize_px
    (37, 32)
    """
    shorter = min(sides(image_px))
    resize_px = round(shorter * 8 / 7) if fit == "crop" else shorter
    return Preprocess(resize_px=resize_px, crop_px=image_px, fit=fit)


def stem_stride_for(spec: NetworkSpec, image_px: Size) -> int:
    """Return the stem stride with which the last stage has maps of about 4 to 7 px a side.

    It is at most that of the network. Of images that are not square the shorter side counts.

    >>> from shufflenet.zoo import NETWORKS
    >>> v2, v2_plus = NETWORKS["shufflenet_v2_x1_0"], NETWORKS["shufflenet_v2_plus_small"]
    >>> [stem_stride_for(v2, px) for px in (32, 64, 224, (64, 224))]
    [1, 2, 4, 2]
    >>> [stem_stride_for(v2_plus, px) for px in (32, 64, 224)]  # it has one more stage of stride 2
    [1, 1, 2]
    """
    shorter = min(sides(image_px))
    shrinks = 4 if shorter > 96 else 2 if shorter > 40 else 1
    stages = math.prod(stage.stride for stage in spec.stages)
    return min(spec.stem_stride, max(1, 8 * shrinks // stages))
