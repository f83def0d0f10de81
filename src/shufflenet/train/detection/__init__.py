"""What training does for detectors alone: views of photos with boxes, cells to learn, losses."""

from shufflenet.train.detection._check import check_recipe
from shufflenet.train.detection._data import (
    BoxSets,
    boxed,
    hold_out,
    images_of,
    open_box_set,
    open_validation,
)
from shufflenet.train.detection._input_size import input_size
from shufflenet.train.detection._load_view import Boxed, collate_views, load_view
from shufflenet.train.detection._losses import detection_loss
from shufflenet.train.detection._measure import measure_detector
from shufflenet.train.detection._outputs import RawOutputs

__all__ = [
    "BoxSets",
    "Boxed",
    "RawOutputs",
    "boxed",
    "check_recipe",
    "collate_views",
    "detection_loss",
    "hold_out",
    "images_of",
    "input_size",
    "load_view",
    "measure_detector",
    "open_box_set",
    "open_validation",
]
