"""The text of a model card, and its file."""

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

from shufflenet.analyze import share_of
from shufflenet.benchmark import cost
from shufflenet.errors import CardFileKept, WriteError
from shufflenet.files import write_atomic
from shufflenet.outside import read_regular
from shufflenet.report.catalogue import describe_network, describe_preprocess
from shufflenet.report.model_card._front_matter import front_matter, measured, measured_on
from shufflenet.report.model_card._model import CardedModel
from shufflenet.report.model_card._text import plain, table
from shufflenet.report.model_card._use import use
from shufflenet.report.model_card._yaml import to_yaml
from shufflenet.spec import (
    TOP5_CLASSES,
    Accuracy,
    AnyAccuracy,
    Card,
    DetectionAccuracy,
    Int8,
    MultiLabelAccuracy,
)

__all__ = ["format_card", "not_stated", "write_model_card"]

_NOT_STATED = "not stated"
_MOST_LABELS = 20  # that are listed; all are in the file
_LARGEST_BYTES = 1 << 22  # of a file that may be a card of ours


def write_model_card(model: CardedModel, path: str | Path) -> None:
    """Write the card of a model, whole or not at all.

    A card that this function wrote, and that nobody edited since, is replaced: its last line holds
    a hash of the others.

    Raises:
        CardFileKept: there is another file.
        WriteError: it cannot be written.
    """
    path = Path(path)
    try:
        before = read_regular(path, _LARGEST_BYTES).decode("utf-8", "replace")
    except FileNotFoundError as error:
        if path.is_symlink():  # that leads nowhere
            raise CardFileKept(path) from error
        before = ""
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise CardFileKept(path) from error
        raise WriteError(path, error.strerror or str(error)) from error
    if before and before != _sealed(before.rpartition("\n<!--")[0]):
        raise CardFileKept(path)
    write_atomic(path, format_card(model).encode())


def _sealed(text: str) -> str:
    number = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{text}\n<!-- Written by shufflenet card; {number} -->\n"


def format_card(model: CardedModel) -> str:
    """Return a model card as markdown with its metadata at the beginning."""
    sections = [_title(model), use(model), _input(model.card), *_data(model.card)]
    sections += [_accuracy(model), *_quantization(model), _limits(model), _licence(model.card)]
    return _sealed(f"---\n{to_yaml(front_matter(model))}---\n\n" + "\n\n".join(sections) + "\n")


def not_stated(card: Card) -> tuple[str, ...]:
    """Return which facts of a model its file does not state."""
    facts = {
        "licence": card.origin.licence,
        "data": card.origin.data,
        "recipe": card.origin.recipe,
        "accuracy": measured(card) or card.published,
    }
    return tuple(name for name, value in facts.items() if not value or value == "unknown")


def _stated(text: str) -> str:
    return plain(text) if text.strip() and text != "unknown" else _NOT_STATED


def _title(model: CardedModel) -> str:
    card = model.card
    how = card.preprocess
    costs = cost(card.network, how.height_px, how.width_px, card.detector)
    facts = describe_network(card.network, costs, (how.height_px, how.width_px), card.detector)
    does = {
        "classification": f"names one of {card.network.classes} classes of an image",
        "multi-label": f"says of each of {card.network.classes} classes whether it is in an image",
        "detection": f"finds objects of {card.network.classes} classes in an image, with a box "
        "around each",
    }[card.task]
    return (
        f"# {plain(card.name) or 'A model'}\n\n"
        f"A network that {does}: {facts['generation']}. It has {facts['parameters']} parameters; "
        f"an image costs {_multiply_adds(facts['multiply-adds'])}.\n\n"
        "This card was written by `shufflenet card` from what the model's file says of itself. "
        f"What that does not say is marked as {_NOT_STATED}."
    )


def _multiply_adds(fact: str) -> str:
    """Return the number before its noun: ``9 multiply-adds at 8x8 px`` for ``9 at 8x8 px``."""
    number, at, size = fact.partition(" at ")
    return f"{number} multiply-adds{at}{size}"


def _input(card: Card) -> str:
    return f"## Input\n\n{describe_preprocess(card.preprocess)}."


def _data(card: Card) -> Iterator[str]:
    origin = card.origin
    recipe = _stated(origin.recipe)
    if origin.recipe and origin.steps:
        recipe += f"; {origin.steps:,} steps"
    facts = {
        "data": _stated(origin.data),
        "started from": _stated(origin.started_from),
        "taught by": plain(origin.taught_by),
        "recipe": recipe,
        "software": _stated(origin.software),
    }
    facts = {name: text for name, text in facts.items() if text}
    yield f"## Training\n\n{table(facts)}"


def _accuracy(model: CardedModel) -> str:
    card = model.card
    parts = ["## Accuracy"]
    match measured(card):
        case Accuracy() as found:
            parts += [
                f"Counted by this package on {found.images:,} {measured_on(card)}. The interval is "
                "Wilson's of 95 %.",
                table(_shares(found, card.network.classes)),
            ]
        case MultiLabelAccuracy() as found:
            parts += [
                f"Measured by this package on {found.images:,} {measured_on(card)}. A class is an "
                "answer where its probability is 1/2 or more.",
                table(_found(found)),
            ]
        case DetectionAccuracy() as found:
            parts += [
                f"Measured by this package on {found.images:,} {measured_on(card)}, with "
                f"{found.boxes:,} boxes, as COCO measures.",
                table(_precisions(found)),
            ]
    if len(parts) > 1 and not card.int8:
        parts.append(
            "By these images the epoch was chosen that was kept, so that on others accuracy may be "
            "lower."
        )
    if card.published:
        stated = card.published
        of = "the float weights" if card.int8 else "these weights"
        parts.append(
            f"Published for {of}: top-1 {stated.top1_percent} %, top-5 {stated.top5_percent} %, "
            f"in {plain(stated.source)}; not counted here."
        )
    if len(parts) == 1:
        parts.append(f"Accuracy is {_NOT_STATED}.")
    return "\n\n".join(parts)


def _found(found: MultiLabelAccuracy) -> dict[str, str]:
    return {
        "mean average precision": f"{100 * found.map:.2f} %, over {found.classes} classes",
        "exactly the right classes": f"{found.exact:,} of {found.images:,} images",
        "right classes that are answers": f"{found.found:,} of {found.right:,}",
        "answers that are right": f"{found.found:,} of {found.answers:,}",
    }


def _precisions(found: DetectionAccuracy) -> dict[str, str]:
    rows = {
        "mean average precision, IoU 0.5 to 0.95": found.map,
        "at an IoU of 0.5": found.map50,
        "at an IoU of 0.75": found.map75,
        "of small boxes, under 32 x 32 px": found.map_small,
        "of medium boxes, up to 96 x 96 px": found.map_medium,
        "of large boxes": found.map_large,
    }
    return {name: f"{value:.3f}" for name, value in rows.items() if value is not None}


def _shares(counted: Accuracy, classes: int) -> dict[str, str]:
    counts = {"top-1": counted.top1}
    if classes >= TOP5_CLASSES:
        counts["top-5"] = counted.top5
    rows = {}
    for name, count in counts.items():
        share = share_of(count, counted.images)
        rows[name] = (
            f"{100 * count / counted.images:.2f} %, {count:,} of {counted.images:,} "
            f"({100 * share.low:.2f} to {100 * share.high:.2f} %)"
        )
    return rows


def _quantization(model: CardedModel) -> Iterator[str]:
    int8 = model.card.int8
    if int8 is None:
        return
    if not int8.calibration_images:
        text = f"Weights and scales are those of {plain(int8.calibrator)}. Its accuracy was not "
        yield f"## In int8\n\n{text}counted."
        return
    yield f"## In int8\n\n{table(_int8_facts(int8))}"


def _int8_facts(int8: Int8) -> dict[str, str]:
    kept = ", ".join(map(plain, int8.kept_in_float)) or "none"
    right = "right" if int8.judged_by == "labels" else "answered as in float"
    before, after = int8.float_accuracy, int8.int8_accuracy
    runs = {
        "portable": "the same answers on every processor",
        "full": "a processor that adds int8 products without saturation (VNNI, AMX, ARM)",
    }
    return {
        "calibrated on": f"{int8.calibration_images:,} images, by {plain(int8.calibrator)}",
        "layers in float": kept,
        "weights": f"{int8.weight_range}: {runs[int8.weight_range]}",
        "in float": _right(before, right),
        "in int8": _right(after, right),
    }


def _right(accuracy: AnyAccuracy, right: str) -> str:
    if isinstance(accuracy, DetectionAccuracy):
        return f"mean average precision {accuracy.map:.3f}, of {accuracy.images:,} images"
    count = accuracy.exact if isinstance(accuracy, MultiLabelAccuracy) else accuracy.top1
    return f"{count:,} of {accuracy.images:,} images {right}"


def _limits(model: CardedModel) -> str:
    card, how = model.card, model.card.preprocess
    size = f"{how.height_px} x {how.width_px} px"
    seen = {
        "crop": "what lies outside the square or rectangle cut from the center is not seen",
        "pad": "the whole photo is seen, with a border of the mean color",
        "squash": "the whole photo is seen, its sides scaled by themselves",
    }[how.fit]
    if card.task == "classification":
        knows = "An image of anything else is given one of these classes too."
    else:
        knows = "Of anything else it says nothing."
    lines = [
        f"It sees a photo at {size}: {seen}; details that such a picture does not show are lost.",
        f"It knows {card.network.classes} classes: {_labels(card)}. {knows}",
        "How accurate it is on images unlike those above is not known.",
    ]
    if model.weights and model.weights.defects:
        lines.append(f"Known problems: {plain(model.weights.defects)}")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _labels(card: Card) -> str:
    shown = "; ".join(
        plain(label.name) or "a class without a name" for label in card.labels[:_MOST_LABELS]
    )
    rest = len(card.labels) - _MOST_LABELS
    return f"{shown}; and {rest} more, which are in the file" if rest > 0 else shown


def _licence(card: Card) -> str:
    return f"## Licence\n\n{_stated(card.origin.licence)}"
