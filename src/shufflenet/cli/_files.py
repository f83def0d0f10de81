"""From what a user names to the file that a runtime opens, made where there is none."""

from pathlib import Path

from shufflenet.cli._output import say
from shufflenet.zoo import NETWORKS, WeightFiles

__all__ = ["file_for"]


def file_for(name: str, runtime: str, folder: Path) -> Path:
    """Find or make the file of a model that a runtime opens.

    A network of the catalogue gets random weights, with which it takes the same time.

    Args:
        name: A network's name, a checkpoint's, or a file.
        runtime: One that ``open_model`` knows, but not ``auto``.
        folder: Where to write what is made of this model; it is looked for there first.

    Raises:
        UnknownName: nothing goes by that name.
        CheckpointError: the runtime cannot open such a file.
        DownloadError: published weights cannot be had.
        MissingDependency: a file must be made, and torch is not installed.
        WriteError: the disk is full.
    """
    from shufflenet.errors import CheckpointError
    from shufflenet.hub import obtain

    if name in NETWORKS:
        files = _untrained(name, folder)
    else:
        files = obtain(name, as_checkpoint=runtime == "torch")
    if runtime != "torch":
        return files.onnx or _exported(files, folder)
    if files.checkpoint is None:
        remedy = "Name its .safetensors too."
        raise CheckpointError(name, "is no checkpoint that torch can load", remedy)
    return files.checkpoint


def _untrained(name: str, folder: Path) -> WeightFiles:
    """Write a checkpoint of a network with random weights, for images of 224 px.

    Raises:
        MissingDependency: torch is not installed.
    """
    from shufflenet.errors import MissingDependency
    from shufflenet.files import Checkpoint, write_checkpoint
    from shufflenet.labels import label_set
    from shufflenet.recipes import preprocess_for
    from shufflenet.spec import Card, Origin

    path = folder / f"{name}.safetensors"
    if not path.exists():
        try:
            from shufflenet.models import create_model
            from shufflenet.networks import state_arrays
        except ModuleNotFoundError as error:
            what = "A network without weights"
            raise MissingDependency(what, error.name or "torch", "torch") from error
        net = create_model(name)
        card = Card(
            name=name,
            network=net.spec,
            preprocess=preprocess_for(224),
            labels=label_set("imagenet-1k"),
            origin=Origin(data="nothing: weights are random", licence="none"),
        )
        write_checkpoint(path, Checkpoint(card, state_arrays(net)))
    return WeightFiles(name=name, checkpoint=path)


def _exported(files: WeightFiles, folder: Path) -> Path:
    """Export a checkpoint: a published one where it is kept, others into the folder.

    Raises:
        MissingDependency: torch is not installed.
    """
    from shufflenet.errors import MissingDependency

    path = folder / f"{files.name}.onnx"
    if files.checkpoint is None or path.exists():
        return path
    try:
        from shufflenet.export import export_kept, export_onnx
        from shufflenet.models import load_model_and_card
    except ModuleNotFoundError as error:
        raise MissingDependency("Exporting", error.name or "torch", "torch") from error
    if files.published:
        return export_kept(files).onnx or path
    say(f"Exporting {files.name}; torch takes some seconds for it ...")
    export_onnx(*load_model_and_card(files.checkpoint), path)
    return path
