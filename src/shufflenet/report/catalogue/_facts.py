"""The facts about a network or a model that ``shufflenet show`` prints."""

from typing import TypeAlias

from shufflenet.benchmark import Cost
from shufflenet.report.catalogue._architecture import (
    describe_detector,
    describe_generation,
    describe_head,
    describe_stage,
    describe_stem,
    describe_units,
)
from shufflenet.report.catalogue._words import (
    describe_preprocess,
    describe_use,
    format_errors,
    format_flops,
    format_params,
    format_percent,
    format_size,
)
from shufflenet.spec import (
    Accuracy,
    AnyAccuracy,
    Card,
    DetectionAccuracy,
    DetectorSpec,
    Int8,
    MultiLabelAccuracy,
    NetworkSpec,
    SearchedStage,
    Stage,
    Task,
)
from shufflenet.zoo import Weights

__all__ = ["Facts", "describe_card", "describe_network", "describe_weights"]

Facts: TypeAlias = dict[str, str]
"""The subject of each fact, and the fact, in the order of printing."""


_USES = {
    "unconverted": "unconverted, by ONNX Runtime",
    "unconverted, in int8": "unconverted, by ONNX Runtime, in int8",
    "converted": "converted to a safetensors file, which needs torch",
    "converted, in int8": "converted to an int8 ONNX file, which needs torch",
}

_TASKS: dict[Task, str] = {
    "classification": "",
    "multi-label": "multi-label: any number of classes may be right",
    "detection": "detection: boxes, each of one class",
}


def describe_network(
    spec: NetworkSpec,
    costs: Cost,
    size: int | tuple[int, int],
    detector: DetectorSpec | None = None,
) -> Facts:
    """Return the parts of a network, and its cost for images of a size, px.

    Args:
        spec: The network.
        costs: Its cost.
        size: The side of a square, or a height and a width.
        detector: What is put on its stages, for a detector; a classifier unless given.
    """
    stages: tuple[Stage | SearchedStage, ...] = spec.stages
    return {
        "network": spec.name,
        "generation": describe_generation(spec),
        "stem": describe_stem(spec),
        **{f"stage {number}": describe_stage(stage) for number, stage in enumerate(stages, 2)},
        "units": describe_units(spec),
        **(describe_detector(detector) if detector else {"head": describe_head(spec)}),
        "classes": str(spec.classes),
        "parameters": f"{costs.parameters:,}",
        "multiply-adds": f"{costs.multiply_adds:,} at {format_size(size)}",
        "memory access": f"{costs.memory_access_bytes:,} bytes at {format_size(size)} in float32",
    }


def describe_card(card: Card) -> Facts:
    """Return what a card states besides the network."""
    accuracy, origin = card.accuracy, card.origin
    facts = {
        "input": describe_preprocess(card.preprocess),
        "task": _TASKS[card.task],
        "labels": f"{card.labels[0].name!r} to {card.labels[-1].name!r}",
        "trained on": origin.data,
        "started from": origin.started_from,
        "taught by": origin.taught_by,
        "recipe": f"{origin.recipe}; {origin.steps:,} steps" if origin.recipe else "",
        "software": origin.software,
        "licence": origin.licence or "not stated",
    }
    if accuracy:
        facts["accuracy"] = (
            f"top-1 {accuracy.top1_percent:.2f} % ({accuracy.top1} of {accuracy.images}), "
            f"top-5 {accuracy.top5_percent:.2f} % ({accuracy.top5} of {accuracy.images})"
        )
    if several := card.multi_label:
        facts["accuracy"] = (
            f"mAP {100 * several.map:.2f} % (mean of {several.classes} classes), "
            f"F1 {100 * several.f1:.2f} %, exact {several.exact} of {several.images} images"
        )
    if found := card.detection:
        facts["accuracy"] = (
            f"mAP {100 * found.map:.2f} %, AP50 {100 * found.map50:.2f} % "
            f"({found.boxes:,} boxes of {found.images:,} images)"
        )
    if card.int8:
        facts |= _describe_int8(card.int8)
    if published := card.published:
        facts["published accuracy"] = (
            f"top-1 {published.top1_percent} %, top-5 {published.top5_percent} %; "
            f"stated in {published.source}"
        )
    return {name: text for name, text in facts.items() if text}


def _describe_int8(int8: Int8) -> Facts:
    """Return how a network was quantized, which of its layers are float, and what that cost."""
    if not int8.calibration_images:
        return {"int8": f"weights and scales by {int8.calibrator}; its accuracy was not measured"}
    kept = int8.kept_in_float
    layers = f"all but {len(kept)} layers: {', '.join(kept)}" if kept else "all layers"
    before, after = int8.float_accuracy, int8.int8_accuracy
    right = "answered as by float" if int8.judged_by == "float" else "correct"
    return {
        "int8": f"{layers}; {int8.weight_range} weights; ranges by {int8.calibrator} of "
        f"{int8.calibration_images} images",
        "int8 accuracy": _describe_change(before, after, right),
    }


def _describe_change(before: AnyAccuracy, after: AnyAccuracy, right: str) -> str:
    """Return what is right in int8 and in float.

    Raises:
        TypeError: they are measured in two ways, which ``Int8`` does not hold.
    """
    match before, after:
        case Accuracy(), Accuracy():
            return (
                f"top-1 {after.top1_percent:.2f} % ({after.top1} of {after.images} {right}), "
                f"in float {before.top1_percent:.2f} % ({before.top1})"
            )
        case MultiLabelAccuracy(), MultiLabelAccuracy():
            return (
                f"mAP {100 * after.map:.2f} % ({after.found} of {after.answers} answers {right}), "
                f"in float {100 * before.map:.2f} % ({before.found} of {before.answers})"
            )
        case DetectionAccuracy(), DetectionAccuracy():
            return f"mAP {100 * after.map:.2f} %, in float {100 * before.map:.2f} %"
        case _:
            raise TypeError(f"{type(after).__name__} is not measured as {type(before).__name__} is")


def describe_weights(weights: Weights) -> Facts:
    """Return what the catalog states on a published file besides the network."""
    facts = {
        "published cost": _cost_words(weights),
        "source": weights.source,
        "file": weights.filename,
        "download": weights.url or f"only by hand: get {weights.filename} from the page",
        "page": weights.page,
        "sha256": _hash_words(weights),
        "md5": weights.md5,
        "size": f"{weights.bytes:,} bytes" if weights.bytes else "not published",
        "used here": _USES[describe_use(weights)],
        "licence": weights.licence,
        "labels": weights.labels,
        "input": describe_preprocess(weights.preprocess),
        "published accuracy": _accuracy_words(weights),
        "known problems": weights.defects or "none",
    }
    return {name: text for name, text in facts.items() if text}


def _hash_words(weights: Weights) -> str:
    if not weights.sha256:
        return "" if weights.md5 else "not published"
    if len(weights.sha256) == 64:
        return weights.sha256
    return f"{weights.sha256}...; only these digits are published"


def _accuracy_words(weights: Weights) -> str:
    published, source = weights.published, weights.source
    if published is None:
        return "none"
    top1, top5 = (
        format_percent(value, source) for value in (published.top1_percent, published.top5_percent)
    )
    errors = format_errors(published, source)
    stated = f", as errors of {errors}," if errors else ""
    return f"top-1 {top1} %, top-5 {top5} %; stated{stated} in {published.source}"


def _cost_words(weights: Weights) -> str:
    cost, source = weights.cost, weights.source
    if cost is None:
        return "none"
    return (
        f"{format_params(cost, source)} parameters, {format_flops(cost, source)} FLOPs; stated in "
        f"{cost.source}; what is counted: {cost.counts}"
    )
