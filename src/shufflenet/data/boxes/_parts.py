"""The splits of data with boxes: one is chosen by what the data are for."""

import posixpath
from dataclasses import replace

from shufflenet.data._splits import Part, Splits, choose_split
from shufflenet.data.boxes._sets import BoxSet
from shufflenet.errors import BoxSplitsNotChosen

__all__ = ["Part", "choose", "record"]


def choose(source: str, splits: Splits, part: Part | None) -> str:
    """Return the split to use.

    Raises:
        BoxSplitsNotChosen: ``part`` does not say which is meant.
        SeveralFoldersOfSplit: two have the name of the split that is meant.
    """
    if part is None:
        raise BoxSplitsNotChosen(source, splits.training[0], splits.validation[0])
    return choose_split(source, splits, part, of="folder")


def record(images: BoxSet, splits: Splits, used: str) -> BoxSet:
    """Return a set with the split that it is, and the others, in its findings and its name."""
    others = [name for name in (*splits.training, *splits.validation) if name != used]
    findings = replace(
        images.findings,
        split=used,
        validation=splits.validation[0] if splits.labeled else "",
        other_splits=(*others, *splits.rest),
    )
    source = images.source
    if posixpath.basename(source) != used:
        source = posixpath.join(source, used)
    return replace(images, source=source, findings=findings)
