"""How far int8 is from float."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from shufflenet.quantize._observe import Images, Pixels, Progress, batches, open_session
from shufflenet.spec import Accuracy

__all__ = ["Judge", "logits_of"]

Logits = npt.NDArray[np.float32]
_AT_ONCE = 20  # images


def logits_of(
    model: onnx.ModelProto,
    images: Pixels,
    feed: Callable[[Pixels], Images],
    *,
    exactly: bool = False,
    on_progress: Progress = lambda done: None,
) -> Logits:
    """Compute the logits of images, ``(n, classes)``.

    Args:
        model: A float or an int8 model.
        images: ``(n, h, w, 3)``.
        feed: Makes of them what the model takes.
        exactly: In float32 between roundings to int8, where sums of products are exact: what is
            meant, on any processor. It is slower.
        on_progress: Called with the number of images computed since the last call.
    """
    session = open_session(model, optimised=not exactly)
    name = session.get_inputs()[0].name
    rows = []
    for part in batches(images, _AT_ONCE):
        rows.append(np.asarray(session.run(None, {name: feed(part)})[0]))
        on_progress(len(part))
    return np.concatenate(rows)


@dataclass(frozen=True, slots=True)
class Judge:
    """Images, their labels, and the float network's logits, ``(n, classes)``."""

    images: Pixels
    labels: npt.NDArray[np.int64]
    reference: Logits

    def accuracy(self, logits: Logits) -> Accuracy:
        """Count right answers as ``evaluate`` does: a tie, or no number, is a wrong one."""
        right = logits[np.arange(len(logits)), self.labels][:, None]
        rivals = (~(logits < right)).sum(1) - 1
        return Accuracy(
            images=len(logits), top1=int((rivals < 1).sum()), top5=int((rivals < 5).sum())
        )

    def signal_to_noise_db(self, logits: Logits) -> float:
        """Compare logits with those of float, in dB: 10 more is a third of the error.

        Of each image the mean of its logits is taken off, which no answer depends on. Of several
        hundred images this tells two quantised networks apart where counts are still by chance.
        """
        reference = self.reference[: len(logits)]
        signal, noise = (x - x.mean(1, keepdims=True) for x in (reference, logits - reference))
        power = float((noise.astype(np.float64) ** 2).sum())
        return 10 * float(np.log10((signal.astype(np.float64) ** 2).sum() / max(power, 1e-30)))
