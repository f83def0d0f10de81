"""Networks as torch modules: created by name, loaded from checkpoints, saved with their card."""

from shufflenet.models._create import create_backbone, create_detector, create_model
from shufflenet.models._first_convolution import with_preprocess
from shufflenet.models._load import load_card, load_model, load_model_and_card
from shufflenet.models._save import describe, save
from shufflenet.models._transfer import new_classes, start_from
from shufflenet.networks import state_arrays

__all__ = [
    "create_backbone",
    "create_detector",
    "create_model",
    "describe",
    "load_card",
    "load_model",
    "load_model_and_card",
    "new_classes",
    "save",
    "start_from",
    "state_arrays",
    "with_preprocess",
]
