"""Every error with the sentence that it writes, a file a subject."""

from error_sentences import data, foreign, models, others

__all__ = ["SENTENCES"]

SENTENCES = [*others.SENTENCES, *data.SENTENCES, *models.SENTENCES, *foreign.SENTENCES]
