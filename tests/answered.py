"""Answers of a model that are made up, so that what they say is known; the photos are noise."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from shufflenet.analyze import Answers
from shufflenet.data import Sample
from shufflenet.files import read_card
from shufflenet.spec import Card, Label
from shufflenet.zoo import SHIPPED

HOSTILE = (
    "</script><script>document.title='run'</script>",
    '"><img src=x onerror="document.title=1">',
    "שלום עולם",
    "a|b\x1b[2J\u202eevil",
    "=1+1",
    "n" * 10_000,
)


def card_of(names: Sequence[str]) -> Card:
    """Return the card of a model with these classes."""
    card = read_card(str(SHIPPED.checkpoint))
    network = replace(card.network, classes=len(names))
    labels = tuple(Label(id=f"c{at}", name=name) for at, name in enumerate(names))
    return replace(card, name="made up", network=network, labels=labels)


def answered(names: Sequence[str], images: int, folder: Path | None = None) -> Answers:
    """Return answers in which classes are confused with the others of their group of four.

    Args:
        names: The classes.
        images: How many images each class has.
        folder: Where the images are written; unless given, there are none.
    """
    random = np.random.default_rng(0)
    classes = len(names)
    labels = np.repeat(np.arange(classes), images)
    logits = random.normal(0, 1, (len(labels), classes)).astype(np.float32)
    logits[labels[:, None] // 4 == np.arange(classes)[None] // 4] += 4
    logits[np.arange(len(labels)), labels] += 1
    samples = []
    for at, label in enumerate(labels.tolist()):
        path = (folder or Path("missing")) / f"{at}.png"
        if folder:
            noise = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path)
        samples.append(Sample(path.name, label, str(path)))
    sizes = random.integers(50, 500, (2, len(labels)), dtype=np.int32)
    return Answers(
        card=card_of(names),
        source="made up",
        samples=tuple(samples),
        labels=labels,
        logits=logits,
        embeddings=None,
        widths=sizes[0],
        heights=sizes[1],
        brightness=random.uniform(0, 255, len(labels)).astype(np.float32),
        small=np.zeros((len(labels), 8, 8, 3), np.uint8),
    )
