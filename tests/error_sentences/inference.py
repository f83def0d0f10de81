"""The errors of requests of the Open Inference Protocol, each with its sentence."""

from shufflenet import errors

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.UnknownEncoding("br"),
        "The body is encoded as 'br'. Send it as it is, or by gzip or deflate.",
    ),
    (
        errors.BrokenEncoding("gzip", "it ends early"),
        "The body cannot be decoded as gzip: it ends early.",
    ),
    (
        errors.JsonTooLarge(8 << 20, "bytes"),
        "The JSON of a request may have at most 8,388,608 bytes. Send the tensor as binary data.",
    ),
    (
        errors.OtherHeaderLength("12x", 300),
        "Inference-Header-Content-Length is '12x', but must be the number of bytes of the JSON, "
        "from 1 to the 300 of the body.",
    ),
    (
        errors.BytesLeft(20, 24),
        "After the JSON the body has 20 bytes, but its tensors have 24 by binary_data_size.",
    ),
    (
        errors.UnknownVersion("birds", "2", "1"),
        "The model 'birds' has no version '2', only '1'.",
    ),
    (
        errors.NoSuchTensor("output", "scores", ["logits", "probabilities"]),
        "The model has no output called 'scores', but 'logits' and 'probabilities'.",
    ),
    (
        errors.OtherInputs(2, ["images", "pixels", "files"]),
        "A request has exactly one input, 'images', 'pixels' or 'files', but this one has 2.",
    ),
    (
        errors.OtherDatatype("images", "FP64", ["FP32", "FP16"]),
        "The input 'images' is of datatype 'FP64', but must be 'FP32' or 'FP16'.",
    ),
    (
        errors.OtherShape("images", [1, 3, 8, 8], [-1, 3, 80, 80]),
        "The input 'images' has the shape [1, 3, 8, 8], but must have [-1, 3, 80, 80], of at "
        "least one image.",
    ),
    (
        errors.OtherLength("images", 20, 24, "bytes"),
        "The data of the input 'images' has 20 bytes, but its shape needs 24.",
    ),
    (
        errors.OtherData("images", "numbers"),
        "The data of the input 'images' must be numbers.",
    ),
    (
        errors.BrokenElement("files", 3, "it is empty or not an image"),
        "The image files[3] cannot be read: it is empty or not an image.",
    ),
    (
        errors.DataNotOnce("images"),
        "The input 'images' must have either 'data' or the parameter 'binary_data_size'.",
    ),
    (
        errors.SharedMemoryAsked("images"),
        "The tensor 'images' is to be in shared memory, which this service has not. "
        "Send and ask for data in the body.",
    ),
    (errors.OutputTwice("logits"), "The output 'logits' is asked for more than once."),
    (
        errors.NotClassified("embeddings"),
        "The output 'embeddings' has no classes. Ask for 'classification' of 'logits' or "
        "'probabilities'.",
    ),
    (
        errors.NotEmbeddedFrom("images"),
        "Embeddings are not computed from the input 'images'. Give 'pixels' or 'files'.",
    ),
]
