"""Images drawn to be held out of a multi-label set, so that every class is in both parts."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

__all__ = ["draw_held_out"]


def draw_held_out(right: Sequence[tuple[int, ...]], fraction: float, seed: int) -> set[int]:
    """Draw the numbers of the images to hold out, a share of each class.

    A class of ``n`` images, two or more, wants ``max(1, round(n * fraction))`` of them held out and
    the others trained on; of a single image nothing. The class with the fewest images that are not
    yet drawn is served first: each of these, in random order, goes where the class still wants more
    images, or where more images are wanted at all if it wants as many of both; and all classes of
    the image want one less there. Images of no class are drawn at random.

    Source: Sechidis, Tsoumakas and Vlahavas 2011, "On the Stratification of Multi-Label Data",
    algorithm 1, of two subsets.

    Args:
        right: The classes of each image.
        fraction: The share that is held out, 0 to 1.
        seed: Seeds the order of images.

    >>> sorted(draw_held_out([(0,), (0, 1), (1,), (0, 1), (0,), ()], 0.5, seed=0))
    [1, 3, 5]
    """
    order = np.random.default_rng(seed).permutation(len(right)).tolist()
    counts = Counter(label for labels in right for label in labels)
    held = {c: max(1, round(n * fraction)) if n > 1 else 0 for c, n in counts.items()}
    kept = {c: n - held[c] for c, n in counts.items()}
    held_all = max(1, round(len(right) * fraction))
    kept_all = len(right) - held_all
    waiting = defaultdict[int, list[int]](list)
    for image in order:
        for label in right[image]:
            waiting[label].append(image)
    drawn, placed = set[int](), set[int]()
    while counts:
        rarest = min(counts, key=lambda label: (counts[label], label))
        for image in waiting[rarest]:
            if image in placed:
                continue
            placed.add(image)
            wants = (held[rarest], held_all) > (kept[rarest], kept_all)
            if wants:
                drawn.add(image)
            held_all, kept_all = held_all - wants, kept_all - (not wants)
            for label in right[image]:
                (held if wants else kept)[label] -= 1
                counts[label] -= 1
        del counts[rarest]
    rest = [image for image in order if image not in placed]
    return drawn | set(rest[: max(0, held_all)])
