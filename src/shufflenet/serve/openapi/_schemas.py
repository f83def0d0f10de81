"""The schemas of what ``/v1`` answers, as OpenAPI describes them."""

from typing import get_args

from shufflenet.serve.openapi._parts import Json, object_of, ref
from shufflenet.spec import Task

__all__ = ["image_schemas"]


def image_schemas() -> Json:
    """Return the schemas by name."""
    return {
        "Problem": _PROBLEM,
        "Classified": _CLASSIFIED,
        "Prediction": _PREDICTION,
        "Detected": _DETECTED,
        "Detection": _DETECTION,
        "Embedded": _EMBEDDED,
        "Unreadable": _UNREADABLE,
        "Models": _MODELS,
        "Model": _MODEL,
        "Card": _CARD,
        "Limits": _LIMITS,
    }


def _text(description: str) -> Json:
    return {"type": "string", "description": description}


_PATH = _text(
    "The file name of the image's part in a form, else the name of its field; - for a body that "
    "is an image."
)
_PROBLEM = object_of(
    "What is wrong with a request.", {"error": _text("One sentence, and what to do.")}
)
_PREDICTION = object_of(
    "A class that the model sees in an image.",
    {
        "index": {"type": "integer", "minimum": 0, "description": "The class, from 0."},
        "label": _text("Its name."),
        "probability": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "Those of all classes sum to 1, but not those of a multi-label model: "
            "each is that of its class to be in the image.",
        },
    },
)
_CLASSIFIED = object_of(
    "The most probable classes of an image.",
    {
        "path": _PATH,
        "predictions": {
            "type": "array",
            "minItems": 1,
            "items": ref("schemas", "Prediction"),
            "description": "The most probable first.",
        },
    },
)
_DETECTION = object_of(
    "A box that the model found.",
    {
        "box": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 4,
            "maxItems": 4,
            "description": "Left, top, width and height in pixels of the image.",
        },
        "index": {"type": "integer", "minimum": 0, "description": "The class, from 0."},
        "label": _text("Its name."),
        "score": {"type": "number", "minimum": 0, "maximum": 1, "description": "How sure it is."},
    },
)
_SIDE: Json = {"type": "integer", "minimum": 1}
_DETECTED = object_of(
    "The boxes in an image.",
    {
        "path": _PATH,
        "width": {**_SIDE, "description": "Of the image as it is shown, in pixels."},
        "height": {**_SIDE, "description": "The same."},
        "detections": {
            "type": "array",
            "items": ref("schemas", "Detection"),
            "description": "The highest score first; there may be none.",
        },
    },
)
_EMBEDDED = object_of(
    "An image as a vector: what enters the last layer of the network.",
    {"path": _PATH, "embedding": {"type": "array", "minItems": 1, "items": {"type": "number"}}},
)
_UNREADABLE = object_of(
    "A file that is no image, is damaged, or has too many pixels.",
    {"path": _PATH, "error": _text("What is wrong with it, in one sentence.")},
)
_MODELS = object_of(
    "What is served.",
    {
        "models": {"type": "array", "minItems": 1, "items": ref("schemas", "Model")},
        "limits": ref("schemas", "Limits"),
    },
)
_LIMITS = object_of(
    "What the service accepts at most.",
    {
        name: {"type": "number", "minimum": 0, "description": text}
        for name, text in {
            "request_bytes": "Bytes of a body.",
            "pixels": "Pixels of an image.",
            "request_pixels": "Pixels of all images of a request.",
            "images": "Images of a request.",
            "waiting": "Images that a process has accepted and not answered.",
            "held_bytes": "Bytes of bodies that a process holds.",
            "seconds": "Seconds that a request takes.",
            "batch": "Images that are computed at once.",
            "batch_wait_ms": "Milliseconds that a decoded image waits for others.",
        }.items()
    },
)
_CARD: Json = {
    "type": "object",
    "description": "All that is known of a model: its network, how images are prepared for it, "
    "its classes, where it comes from and what it was measured to do.",
    "required": ["format", "name", "network", "preprocess", "labels", "origin"],
    "properties": {
        "format": {"type": "integer", "minimum": 1},
        "name": {"type": "string"},
        "network": {"type": "object"},
        "preprocess": {"type": "object"},
        "labels": {
            "type": "array",
            "items": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 2,
                "maxItems": 2,
                "description": "A class's id and its name.",
            },
        },
        "origin": {"type": "object"},
        "accuracy": {
            "type": ["object", "null"],
            "description": "How many of so many images it classified correctly.",
        },
    },
}
_MODEL = object_of(
    "A model that is served.",
    {
        "name": _text("What requests ask for."),
        "default": {"type": "boolean", "description": "Whether a request without a name means it."},
        "task": {
            "enum": list(get_args(Task)),
            "description": "What it answers; boxes are found by detection alone.",
        },
        "runtime": _text("What computes it."),
        "embeds": {"type": "boolean", "description": "Whether it computes embeddings."},
        "parameters": {"type": "integer", "minimum": 1, "description": "Weights of its network."},
        "card": ref("schemas", "Card"),
    },
)
