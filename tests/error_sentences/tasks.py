"""The errors of models that answer another question, each with its sentence."""

from shufflenet import errors

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.FindsBoxes("cells", "classify images"),
        "The model 'cells' is a detector, which finds boxes and cannot classify images. Name a "
        "classifier, or let it find boxes: shufflenet predict, Model.detect.",
    ),
    (
        errors.FindsNoBoxes("pets"),
        "The model 'pets' is a classifier, which finds no boxes. Name a detector, such as one of "
        "shufflenet train --task detection.",
    ),
    (
        errors.DetectorAsked("cells", "has no embeddings"),
        "The model 'cells' is a detector, which finds boxes and has no embeddings. Send the "
        "request to /v1/detect.",
    ),
    (
        errors.ClassifierAsked("pets"),
        "The model 'pets' is a classifier, which finds no boxes. Send the request to "
        "/v1/classify, or name a detector.",
    ),
    (
        errors.RunsNoDetectors("cells.onnx", "LLVM"),
        "The file 'cells.onnx' holds a detector, which the LLVM runtime does not compute. Use an "
        ".onnx file with --runtime onnxruntime or openvino.",
    ),
]
