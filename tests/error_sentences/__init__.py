"""Every error with the sentence that it writes, a file a subject."""

from error_sentences import (
    boxes,
    data,
    foreign,
    inference,
    label_sets,
    models,
    others,
    requests,
    scoring,
    serving,
    tasks,
)

__all__ = ["SENTENCES"]

SENTENCES = [
    *others.SENTENCES,
    *data.SENTENCES,
    *boxes.SENTENCES,
    *models.SENTENCES,
    *foreign.SENTENCES,
    *requests.SENTENCES,
    *inference.SENTENCES,
    *label_sets.SENTENCES,
    *scoring.SENTENCES,
    *serving.SENTENCES,
    *tasks.SENTENCES,
]
