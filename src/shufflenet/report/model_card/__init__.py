"""A model card as the Hugging Face Hub reads it, of what a model's file says of itself."""

from shufflenet.report.model_card._front_matter import front_matter
from shufflenet.report.model_card._model import CardedModel
from shufflenet.report.model_card._page import not_stated, write_model_card
from shufflenet.report.model_card._yaml import to_yaml

__all__ = ["CardedModel", "front_matter", "not_stated", "to_yaml", "write_model_card"]
