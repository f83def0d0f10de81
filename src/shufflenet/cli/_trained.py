"""Whether a model is measured on the images that it was trained on."""

from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._images import model_file
from shufflenet.spec import RUNTIMES

if TYPE_CHECKING:
    from shufflenet.data import ImageSet
    from shufflenet.data.boxes import BoxSet
    from shufflenet.spec import Card

__all__ = ["count_trained"]


def count_trained(
    model: str, data: str, images: "ImageSet | BoxSet", card: "Card"
) -> tuple[int, str]:
    """Return how many images a model was trained on, as far as its run tells, and a warning of it.

    Outside of its run's folder, a file knows no more than what its training data were called.
    """
    from shufflenet.runs import count_trained_on, is_run, lists_images

    path = Path(model)
    opened = {suffix for runtime in RUNTIMES.values() for suffix in runtime.suffixes}
    file = path if path.suffix.lower() in opened and path.exists() else model_file(model)
    if file is None:
        return 0, ""
    count = count_trained_on(file, images)
    same_name = card.origin.data.startswith(f"{Path(images.source).absolute().name}: ")
    if count:
        return count, (
            f"The model was trained on {count} of these {len(images)} images, so this accuracy is "
            f"too high. Measure it on others, as on those its run held out: --data {file.parent}."
        )
    if same_name and not is_run(data) and not lists_images(file.parent):
        return 0, (
            f"The model was trained on {card.origin.data}. If these are the same, this accuracy is "
            "too high: measure it on others, or on those its run held out, --data RUN."
        )
    return 0, ""
