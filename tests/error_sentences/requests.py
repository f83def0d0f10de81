"""The errors of requests to the service, each with its sentence."""

from shufflenet import errors

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.BodyTooLarge(32 << 20),
        "The body of a request may have at most 33,554,432 bytes. Send fewer images at once, or "
        "smaller ones.",
    ),
    (
        errors.TooManyImages(64),
        "A request may hold at most 64 images. Send the others in another.",
    ),
    (
        errors.NotImageBody("application/json"),
        "The body is of type 'application/json'. Send an image as it is (image/*, "
        "application/octet-stream), or several as multipart/form-data.",
    ),
    (
        errors.EncodedBody("gzip"),
        "The body is encoded by 'gzip'. Send images as they are, without Content-Encoding.",
    ),
    (
        errors.BrokenMultipart("Unexpected end"),
        "The body is no complete multipart/form-data: Unexpected end.",
    ),
    (
        errors.NoImageSent(),
        "The request holds no image. Send one as its body, or several as parts.",
    ),
    (
        errors.ModelNotServed("x", ["default", "cups"]),
        "No model is served by the name 'x'. Served: default, cups.",
    ),
    (errors.SlowSender(30), "The body did not arrive within 30 seconds."),
    (
        errors.QueueFull(1),
        "The service has as much to do as it accepts. Try again in 1 second.",
    ),
    (
        errors.NotAnsweredInTime(30, 2),
        "The service could not answer within 30 seconds. Try again in 2 seconds.",
    ),
    (
        errors.NotEmbedded("cups"),
        "The model 'cups' computes no embeddings, for its file gives only logits. Serve its .onnx "
        "or .safetensors file.",
    ),
]
