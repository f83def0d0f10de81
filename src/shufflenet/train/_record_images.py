"""The record of a run's images, and a warning where images are on both sides."""

import logging
from pathlib import Path

from shufflenet.runs import count_in, fingerprints, lists_images, write_images
from shufflenet.train._setup import Setup

__all__ = ["record_images"]

_log = logging.getLogger(__name__)


def record_images(run: Path, setup: Setup, *, resume: bool) -> None:
    """Write which images a run trains on and holds out; warn if some are both, by their bytes.

    Args:
        run: The folder of the run.
        setup: Its images.
        resume: Whether the run goes on: its record stays as it is, if it has one.

    Raises:
        WriteError: the folder cannot be written.
    """
    if resume and lists_images(run):
        return
    trained = fingerprints(setup.training)
    write_images(run, trained, setup.validation)
    both, images = count_in(trained, setup.validation), len(setup.validation)
    if both:
        _log.warning(
            "%d of %d images to validate on are trained on too, by their bytes: accuracy will look "
            "better than it is on new images.",
            *(both, images),
        )
