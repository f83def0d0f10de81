"""Whether an int8 network may be written, by what it loses and what it answers otherwise."""

from shufflenet.errors import (
    AccuracyLost,
    AnswersChanged,
    LabelsChanged,
    PrecisionLost,
    ShuffleNetError,
)
from shufflenet.quantize._allowance import allow
from shufflenet.quantize._box_hold_out import BoxHoldOut
from shufflenet.quantize._hold_out import HoldOut
from shufflenet.quantize._session import Logits
from shufflenet.spec import Accuracy, MultiLabelAccuracy

__all__ = ["judge"]

_CHANCE_MAP = 0.005  # of few hundred boxes: seen between calibrators that lose nothing


def judge(
    hold_out: HoldOut | BoxHoldOut, logits: Logits, max_drop_percent: float
) -> ShuffleNetError | None:
    """Return the error of an int8 network that loses or changes more than is allowed, or None.

    Args:
        hold_out: Images with float's logits.
        logits: Those in int8, ``(n, classes)``; of a detector what it computes.
        max_drop_percent: The share of float's correct answers, or of its mean average precision,
            that may be lost, 0 to 100.
    """
    if isinstance(hold_out, BoxHoldOut):
        return _judge_boxes(hold_out, logits, max_drop_percent)
    before, after = hold_out.accuracy(hold_out.reference), hold_out.accuracy(logits)
    if isinstance(before, MultiLabelAccuracy) or isinstance(after, MultiLabelAccuracy):
        return _judge_answers(hold_out, logits, max_drop_percent)
    allowed = allow(before, max_drop_percent)
    if before.top1 - after.top1 > allowed.lost:
        return AccuracyLost(after.top1, before.top1, before.images, max_drop_percent)
    changed = before.images - hold_out.agreement(logits)
    if changed > allowed.changed:
        return AnswersChanged(changed, before.images, allowed.changed_percent)
    return None


def _judge_answers(
    hold_out: HoldOut, logits: Logits, max_drop_percent: float
) -> ShuffleNetError | None:
    """Judge where any number of classes may be right.

    As many answers may change, each a class of an image that only one of the two gives, as
    ``allow`` lets of all answers of the float network.
    """
    before, after = hold_out.measured(hold_out.reference), hold_out.measured(logits)
    if before.map - after.map > max_drop_percent / 100 * before.map:
        return PrecisionLost(after.map, before.map, max_drop_percent)
    answers = Accuracy(images=before.answers, top1=before.found, top5=before.answers)
    allowed, changed = allow(answers, max_drop_percent), hold_out.changed_answers(logits)
    if changed > allowed.changed:
        return LabelsChanged(changed, before.answers, allowed.changed_percent)
    return None


def _judge_boxes(
    hold_out: BoxHoldOut, rows: Logits, max_drop_percent: float
) -> ShuffleNetError | None:
    """Judge a detector by COCO's mean average precision, of which 0.005 is lost by chance."""
    before, after = hold_out.accuracy(hold_out.reference), hold_out.accuracy(rows)
    by_chance = _CHANCE_MAP if max_drop_percent else 0
    if before.map - after.map > max(max_drop_percent / 100 * before.map, by_chance):
        return PrecisionLost(after.map, before.map, max_drop_percent)
    return None
