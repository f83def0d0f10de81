"""A model that is served, and the name it is asked for by."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shufflenet import open_model
from shufflenet.errors import FindsBoxes, ModelNotServed, NeedsSuffix, NoLastLayer, SpecError
from shufflenet.runtimes import Embedder, Model, open_embedder
from shufflenet.spec import Card
from shufflenet.zoo import run_checkpoint

__all__ = ["Served", "find_served", "list_served", "name_and_file", "open_served"]


@dataclass(frozen=True, slots=True)
class Served:
    """One model of the service.

    Attributes:
        name: The name by which requests ask for it.
        model: The model, which uses one thread a call.
        embedder: The same network up to its last layer; None if its file gives only logits, or it
            is a detector.
    """

    name: str
    model: Model
    embedder: Embedder | None = None

    @property
    def card(self) -> Card:
        """The model's card."""
        return self.model.card


def open_served(argument: str | Path, *, runtime: str = "auto") -> Served:
    """Open a model to serve, with one thread a call.

    Args:
        argument: ``NAME|FILE`` as ``open_model`` takes it, or ``NAME=FILE``.
        runtime: As ``open_model`` takes it.

    Raises:
        ShuffleNetError: as ``open_model`` raises them.
    """
    name, file = name_and_file(argument)
    model = open_model(file, runtime=runtime, threads=1)
    return Served(name, model, _embedder(model))


def _embedder(model: Model) -> Embedder | None:
    """Return what embeds by a model's file; None if that gives only logits."""
    with contextlib.suppress(NeedsSuffix, NoLastLayer, FindsBoxes):
        return open_embedder(model.path, threads=1) if model.path else None
    return None


def name_and_file(argument: str | Path) -> tuple[str, str | Path]:
    """Return the name that a model is served by, and what ``open_model`` is given.

    >>> name_and_file("birds=runs/7/best.onnx"), name_and_file("models/birds.onnx")
    (('birds', 'runs/7/best.onnx'), ('birds', 'models/birds.onnx'))
    >>> name_and_file("shufflenet_v2_x1_0.torchvision_in1k")[0]
    'shufflenet_v2_x1_0.torchvision_in1k'
    """
    name, equals, file = str(argument).partition("=")
    if equals and name and file and not Path(argument).exists():
        return name, file
    path = Path(argument)
    if run_checkpoint(path):
        return path.resolve().name, argument
    is_file = path.name != str(argument) or path.is_file()
    return path.stem if is_file else str(argument), argument


def list_served(models: Mapping[str, Model] | Iterable[str | Path | Served]) -> dict[str, Served]:
    """Return models by the names they are served by; those that are not open are opened.

    Raises:
        SpecError: there are none, two have one name, or a name has a slash.
        ShuffleNetError: as ``open_model`` raises them.
    """
    if isinstance(models, Mapping):
        opened = [Served(name, model) for name, model in models.items()]
    else:
        opened = [each if isinstance(each, Served) else open_served(each) for each in models]
    by_name = {each.name: each for each in opened}
    if not by_name:
        raise SpecError("models", [], "at least one")
    if len(by_name) < len(opened):
        names = [each.name for each in opened]
        raise SpecError("the list of names", names, "of different names; name one by NAME=FILE")
    for name in by_name:
        if "/" in name:  # /v2/models/NAME/infer would lead elsewhere, even where it is %2F
            raise SpecError("a model's name", name, "without a slash")
    return by_name


def find_served(models: Mapping[str, Served], name: str | None) -> Served:
    """Return a model by its name; without a name, or for ``default``, the first one.

    Raises:
        ModelNotServed: no model has that name.
    """
    if name is not None and name in models:
        return models[name]
    if name is None or name == "default":
        return next(iter(models.values()))
    raise ModelNotServed(name, models)
