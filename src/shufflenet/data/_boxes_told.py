"""Telling that data hold boxes, where classes of images are needed."""

from shufflenet.data._walk import Listing
from shufflenet.errors import HoldsBoxes

__all__ = ["check_no_boxes"]


def check_no_boxes(source: str, listing: Listing) -> None:
    """Check that data are not those of a detector.

    Raises:
        HoldsBoxes: they hold boxes, and no classes of images.
    """
    if not any(name.lower().endswith((".json", ".txt", ".xml")) for name in listing.others):
        return
    from shufflenet.data.boxes import TITLES, is_of_boxes  # noqa: PLC0415  # it imports this room

    form = is_of_boxes(listing)
    if form:
        raise HoldsBoxes(source, TITLES[form])
