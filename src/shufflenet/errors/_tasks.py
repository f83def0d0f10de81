"""Errors of models that answer another question than they are asked."""

from pathlib import Path

from shufflenet.errors._model_files import CheckpointError

__all__ = ["FindsBoxes", "FindsNoBoxes", "RunsNoDetectors"]


class FindsBoxes(CheckpointError):
    """A detector was given to what needs a classifier.

    Args:
        model: The detector's name or file.
        task: What it cannot do, such as "classify images".
    """

    def __init__(self, model: str | Path, task: str) -> None:
        problem = f"is a detector, which finds boxes and cannot {task}"
        remedy = "Name a classifier, or let it find boxes: shufflenet predict, Model.detect."
        super().__init__(model, problem, remedy, what="model")


class FindsNoBoxes(CheckpointError):
    """Boxes were asked of a classifier.

    Args:
        model: Its name or file.
    """

    def __init__(self, model: str | Path) -> None:
        problem = "is a classifier, which finds no boxes"
        remedy = "Name a detector, such as one of shufflenet train --task detection."
        super().__init__(model, problem, remedy, what="model")


class RunsNoDetectors(CheckpointError):
    """A detector's file was given to a runtime that computes classifiers alone.

    Args:
        path: The file.
        runtime: The runtime, as people call it.
    """

    def __init__(self, path: str | Path, runtime: str) -> None:
        problem = f"holds a detector, which the {runtime} runtime does not compute"
        remedy = "Use an .onnx file with --runtime onnxruntime or openvino."
        super().__init__(path, problem, remedy)
