"""The metadata of a model card: what the Hugging Face Hub reads at its beginning.

Its fields: github.com/huggingface/hub-docs, modelcard.md; its licences: huggingface.co/docs/hub,
repositories-licenses.
"""

import re
from decimal import Decimal

from shufflenet.report.model_card._model import CardedModel
from shufflenet.report.model_card._yaml import Yaml
from shufflenet.spec import (
    TOP5_CLASSES,
    Accuracy,
    AnyAccuracy,
    Card,
    DetectionAccuracy,
    MultiLabelAccuracy,
    NetworkSpec,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
)

__all__ = ["IMAGENET", "front_matter", "hub_licence", "measured", "measured_on"]

_ACCURACY, _MAP = "accuracy", "mean_average_precision"
_MAP_TITLE = "mean average precision"
_MAP50_TITLE = "mean average precision at an IoU of 0.5"
# The Hub's tasks, by whether a model is a detector: huggingface.co/tasks
_TASKS = {
    False: ("image-classification", "Image Classification"),
    True: ("object-detection", "Object Detection"),
}

IMAGENET = "ImageNet-1k (ILSVRC 2012)"  # as the catalog's cards call it
_HUB_IMAGENET = "ILSVRC/imagenet-1k"  # huggingface.co/datasets/ILSVRC/imagenet-1k
_FOLDER = "imagefolder"  # what the Hub's own library calls images of no data set of the Hub

# Some of the Hub's identifiers, which are those of SPDX but for their case.
_LICENCES = frozenset({
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc", "zlib",
    "unlicense", "wtfpl", "bsl-1.0", "mpl-2.0", "epl-2.0", "afl-3.0", "artistic-2.0", "ecl-2.0",
    "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-3.0",
    "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
})  # fmt: skip
_ADDRESS = re.compile(r"https://[A-Za-z0-9./_~-]+")

_GENERATION_TAGS: dict[type[NetworkSpec], str] = {
    V1Spec: "shufflenet-v1",
    V2Spec: "shufflenet-v2",
    V2PlusSpec: "shufflenet-v2-plus",
    V2LargeSpec: "shufflenet-v2-large",
    V2ExLargeSpec: "shufflenet-v2-large",
}
_FILE_TAGS = {
    ".onnx": "onnx",
    ".safetensors": "safetensors",
    ".tflite": "tflite",
    ".mlpackage": "coreml",
    ".xml": "openvino",
    ".pte": "executorch",
}


def front_matter(model: CardedModel) -> dict[str, Yaml]:
    """Return the metadata of a model card; what is not known is left out."""
    card = model.card
    fields: dict[str, Yaml] = {**hub_licence(card.origin.licence), "library_name": "shufflenet"}
    fields |= {"pipeline_tag": _TASKS[card.detector is not None][0], "tags": _tags(model)}
    if card.origin.data == IMAGENET:
        fields["datasets"] = [_HUB_IMAGENET]
    if results := _results(model):
        of_precision = isinstance(measured(card), MultiLabelAccuracy | DetectionAccuracy)
        fields["metrics"] = [_MAP if of_precision else _ACCURACY]
        fields["model-index"] = [{"name": card.name or "model", "results": results}]
    return fields


def hub_licence(licence: str) -> dict[str, Yaml]:
    """Return the fields of a licence: the Hub's identifier, or ``other`` with a name.

    >>> hub_licence("BSD-3-Clause"), hub_licence("")
    ({'license': 'bsd-3-clause'}, {})
    >>> hub_licence("Ours; see https://a.org/L")
    {'license': 'other', 'license_name': 'ours-see', 'license_link': 'https://a.org/L'}
    """
    text = licence.strip()
    if not text:
        return {}
    if text.lower() in _LICENCES:
        return {"license": text.lower()}
    address = _ADDRESS.search(text)
    words = re.findall(r"[a-z0-9.]+", _ADDRESS.sub(" ", text).lower())
    name = "-".join(words)[:60].strip("-.") or "unnamed"
    fields: dict[str, Yaml] = {"license": "other", "license_name": name}
    return fields | ({"license_link": address[0]} if address else {})


def _tags(model: CardedModel) -> list[Yaml]:
    tags: list[Yaml] = ["shufflenet", _GENERATION_TAGS[type(model.card.network)]]
    if model.suffix in _FILE_TAGS:
        tags.append(_FILE_TAGS[model.suffix])
    if model.card.int8 or (model.weights and model.weights.quantized):
        tags.append("int8")
    if model.card.task != "classification":
        tags.append(model.card.task)
    return tags


def _results(model: CardedModel) -> list[Yaml]:
    """Return the measured and the published accuracy of what the file computes, where known."""
    card = model.card
    results: list[Yaml] = []
    match measured(card):
        case Accuracy(images=images, top1=top1, top5=top5):
            values = {"top-1": round(top1 / images, 6), "top-5": round(top5 / images, 6)}
            results.append(_result(card, (measured_on(card), _FOLDER), values))
        case MultiLabelAccuracy(map=mean):
            values = {_MAP_TITLE: round(mean, 6)}
            results.append(_result(card, (measured_on(card), _FOLDER), values))
        case DetectionAccuracy(map=mean, map50=mean50):
            values = {_MAP_TITLE: round(mean, 6), _MAP50_TITLE: round(mean50, 6)}
            results.append(_result(card, (measured_on(card), _FOLDER), values))
    if card.published and not card.int8:
        stated = card.published
        percents = {"top-1": stated.top1_percent, "top-5": stated.top5_percent}
        values = {name: float(Decimal(str(each)) / 100) for name, each in percents.items()}
        of_imagenet = card.origin.data == IMAGENET
        dataset = (IMAGENET, "imagenet-1k") if of_imagenet else ("not stated", _FOLDER)
        result = _result(card, dataset, values)
        if model.weights and model.weights.page:
            source = {"name": stated.source, "url": model.weights.page}
            result = {**result, "source": source}
        results.append(result)
    return results


def measured(card: Card) -> AnyAccuracy | None:
    """Return the accuracy of what a file computes, by labels; None if it was not measured."""
    by_task: dict[str, AnyAccuracy | None] = {
        "classification": card.accuracy,
        "multi-label": card.multi_label,
        "detection": card.detection,
    }
    found = by_task[card.task]
    if card.int8:
        found = card.int8.int8_accuracy if card.int8.judged_by == "labels" else None
    return found if found and found.images else None


def measured_on(card: Card) -> str:
    """Return which images were counted: ``train`` and ``quantize`` write such counts into cards."""
    if card.int8:
        return "labeled images that int8 was not calibrated on"
    return "validation images of the training run"


def _result(card: Card, dataset: tuple[str, str], values: dict[str, float]) -> dict[str, Yaml]:
    name, kind = dataset
    metrics: list[Yaml] = [
        {
            "type": _ACCURACY if title.startswith("top") else _MAP,
            "value": value,
            "name": f"{title} accuracy" if title.startswith("top") else title,
        }
        for title, value in values.items()
        if title != "top-5" or card.network.classes >= TOP5_CLASSES
    ]
    task, title = _TASKS[card.detector is not None]
    return {
        "task": {"type": task, "name": title},
        "dataset": {"name": name, "type": kind},
        "metrics": metrics,
    }
