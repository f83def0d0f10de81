"""A network to a file of the format that the file's name ends in."""

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from shufflenet.errors import MissingDependency, NeedsInt8, NotExportable, SpecError, WriteError
from shufflenet.export._gate import Agreement, compare
from shufflenet.export._onnx_file import check_opset, opset_of
from shufflenet.export._options import Exported, ExportOptions, Request
from shufflenet.export._source import Source, file_source, is_pixels, pictures
from shufflenet.files import (
    SEAL_KEY,
    UNSEALED,
    card_from_metadata,
    read_onnx_metadata,
    seal,
    sidecar_content,
    write_together,
)
from shufflenet.graph import Program, Unsound, load_onnx, parse_onnx, read_program
from shufflenet.runtimes import FLOAT_CHECK_KEY, PRECISION_KEY, proof_of, rounded_logits
from shufflenet.spec import CARD_KEY, FORMATS, Card, Format, Precision

if TYPE_CHECKING:
    from torch import nn

__all__ = ["export_file", "export_onnx", "export_onnx_file", "find_format"]

_DETECTOR_OPSET = 18  # of the operators that decode


def find_format(path: str | Path) -> Format:
    """Return the format that a file's name ends in.

    Raises:
        SpecError: there is none.
    """
    formats = {form.suffix: form for form in FORMATS.values()}
    suffix = Path(path).suffix.lower()
    if suffix not in formats:
        raise SpecError("the file's suffix", suffix, " or ".join(formats))
    return formats[suffix]


def export_file(
    net: "nn.Module", card: Card, path: str | Path, options: ExportOptions | None = None
) -> Exported:
    """Write a network in the format that the file's name ends in, if it computes the same.

    Args:
        net: The network, on any device and in any mode, also as ``torch.compile`` and
            ``DataParallel`` wrap it; it is left as it is.
        card: The network's card; it is stored in the file, or beside it.
        path: Where to write; its suffix is one of ``spec.FORMATS``.
        options: How; the defaults unless given.

    Raises:
        SpecError: no format has that suffix, an option is outside its range, or the network is
            none of this package.
        CheckpointMismatch: the card is of another network.
        ClassesDisagree: the network's logits are not as many as the card's labels.
        NotDeployable: the network was changed beyond what ``deploy`` knows.
        NotExportable: the format cannot hold the network.
        MissingDependency: the format's package is not installed.
        ParityError: the file's logits differ from the network's; nothing is written.
        WriteError: the file cannot be written; a file that was there before is unchanged.
    """
    from shufflenet.export._onnx import onnx_source  # noqa: PLC0415  # it loads torch

    options, form = options or ExportOptions(), find_format(path)
    _check_options(form, options)
    card = _check_detector(card, form, options)
    return _write(onnx_source(net, card, options), form, Path(path), options)


def export_onnx_file(
    onnx: str | Path, path: str | Path, options: ExportOptions | None = None
) -> Exported:
    """Write an exported or quantized ONNX file in another format, without torch.

    Args:
        onnx: A file that ``export`` or ``quantize`` wrote, float32 or int8.
        path: Where to write; its suffix is one of ``spec.FORMATS``.
        options: How; the defaults unless given.

    Raises:
        SpecError: no format has that suffix, or an option is outside its range.
        CheckpointError: the file is missing, damaged or changed, or has no card.
        NotExportable: the format cannot hold the network.
        NeedsInt8: int8 is asked for, and the file is in float32.
        MissingDependency: the format's package is not installed.
        ParityError: the new file's logits differ; nothing is written.
        WriteError: the file cannot be written; a file that was there before is unchanged.
    """
    options, form, onnx = options or ExportOptions(), find_format(path), Path(onnx)
    _check_options(form, options)
    if options.shuffle != "free":
        raise SpecError("shuffle", options.shuffle, "'free' for an ONNX file, which stays as it is")
    metadata = read_onnx_metadata(onnx)
    card, _ = card_from_metadata(onnx, metadata)
    if card.detector and (options.image_px or options.nms):
        what = "image_px" if options.image_px else "nms"
        raise SpecError(
            what, getattr(options, what), "left out for a detector's file; export the checkpoint"
        )
    card = _check_detector(card, form, options)
    content = load_onnx(onnx).SerializeToString()
    done = _write(file_source(onnx, content, card), form, Path(path), options)
    return replace(done, shuffle=None)


def export_onnx(
    net: "nn.Module",
    card: Card,
    path: str | Path,
    *,
    shuffle: Literal["free", "keep"] = "free",
    opset: int | None = None,
) -> Exported:
    """Write a network as ONNX; batch, height and width may vary when it runs.

    Args:
        net: The network; see ``export_file``, whose errors this raises too.
        card: The network's card; it is stored in the file's metadata.
        path: Where to write.
        shuffle: ``free`` for the deployed network, ``keep`` for the one with shuffles, whose
            structure other tools may recognize; batch norms are folded in both.
        opset: The version of ONNX's operators; 18 unless given.
    """
    from shufflenet.export._onnx import onnx_source  # noqa: PLC0415  # it loads torch

    options = ExportOptions(shuffle=shuffle, opset=opset)
    card = _check_detector(card, FORMATS["onnx"], options)
    return _write(onnx_source(net, card, options), FORMATS["onnx"], Path(path), options)


def _check_options(form: Format, options: ExportOptions) -> None:
    """Check that a format takes the options that differ from the defaults.

    Raises:
        SpecError: it does not.
    """
    usual = ExportOptions()
    if form.name == "onnx":
        check_opset(options)
    for name in ("opset", "batch", "image_px"):
        value = getattr(options, name)
        if value != getattr(usual, name) and name not in form.options:
            raise SpecError(name, value, f"left out, for {form.title} files have none")
    if options.precision not in (None, *form.tolerances):
        expected = " or ".join(f"'{each}'" for each in form.tolerances)
        raise SpecError("precision", options.precision, f"{expected} for {form.title} files")


def _check_detector(card: Card, form: Format, options: ExportOptions) -> Card:
    """Check that a format and options are for a detector, if a card is of one.

    Returns:
        The card, of a detector for the size that is asked for, which its file is of.

    Raises:
        NotExportable: detectors are not written in this format.
        SpecError: an option is for classifiers alone, or for detectors alone; a detector takes
            no images of this size.
    """
    if card.detector is None:
        if options.nms:
            raise SpecError("nms", options.nms, "left out, for a classifier finds no boxes")
        return card
    if form.name != "onnx":
        raise NotExportable(card.name, form.title, "is a detector, which is written as ONNX alone")
    for name, usual in (("opset", _DETECTOR_OPSET), ("precision", "float32"), ("batch", None)):
        value = getattr(options, name)
        if value not in (None, usual) and not (name == "precision" and card.int8):
            expected = "left out" if usual is None else f"{usual!r} or left out"
            raise SpecError(name, value, f"{expected} for a detector")
    if not options.image_px:
        return card
    return replace(card, preprocess=card.preprocess.cropped_to(options.image_px))


def _write(source: Source, form: Format, path: Path, options: ExportOptions) -> Exported:
    """Write a file, once it computed what the source does."""
    precision, card = _precision(source, form, options), source.card
    if options.image_px:
        card = replace(card, preprocess=card.preprocess.cropped_to(options.image_px))
    images = pictures(card, options.photos)
    if options.batch:  # a file of a fixed batch is given whole batches
        images = np.resize(
            images, (-(-len(images) // options.batch) * options.batch, *images.shape[1:])
        )
    expected = source.compute(images)
    proof = proof_of(expected, card) if is_pixels(images) else None
    metadata = _metadata(card, precision, proof)
    request = Request(
        card=card,
        metadata=metadata,
        stem=path.stem,
        precision=precision,
        size=card.preprocess.size_px,
        options=options,
        onnx=source.onnx,
    )
    module = _module(form)
    if card.detector:
        written = {f"{path.stem}{form.suffix}": source.onnx}
    else:
        written = module.write(_program(source, form, request), request)
    contents = _sealed(form, module, written, request)
    named = {_renamed(name, form, path): content for name, content in contents.items()}
    _check_beside(path, named)
    agreement = compare(form, precision, contents, images, expected)
    write_together({path.parent / name: content for name, content in named.items()})
    return _exported(form, path, request, named, agreement)


def _renamed(name: str, form: Format, path: Path) -> str:
    """Return the name of one of a format's files with the ending as the user wrote it.

    >>> _renamed("net.param.json", FORMATS["ncnn"], Path("a/net.PARAM"))
    'net.PARAM.json'
    """
    usual = f"{path.stem}{form.suffix}"
    return f"{path.name}{name.removeprefix(usual)}" if name.startswith(usual) else name


def _check_beside(path: Path, contents: Mapping[str, bytes]) -> None:
    """Check that no file of another model is overwritten: ``a.bin`` may be that of ``a.xml``.

    Raises:
        WriteError: one would be.
    """
    for name in contents:
        beside = path.parent / name
        if not path.exists() and beside.exists():
            raise WriteError(beside, f"it may belong to another model, for there is no {path.name}")


def _precision(source: Source, form: Format, options: ExportOptions) -> Precision:
    """Return the numbers in which the file is to compute.

    Raises:
        NeedsInt8: the source is in float32.
        SpecError: the source is in int8, or the format has no int8.
    """
    if source.card.int8 is None:
        if options.precision == "int8":
            raise NeedsInt8(source.name)
        floats: list[Precision] = [each for each in form.tolerances if each != "int8"]
        return options.precision or floats[0]
    if options.precision not in (None, "int8"):
        raise SpecError("precision", options.precision, "left out: the model is in int8 already")
    if "int8" not in form.tolerances:
        expected = f"one that {form.title} files have: {', '.join(form.tolerances)}"
        raise SpecError("precision", "int8", f"{expected}; export the float model")
    return "int8"


def _metadata(
    card: Card, precision: Precision, logits: npt.NDArray[np.float32] | None
) -> dict[str, str]:
    """Return what a file holds of itself: also the logits of ``check_image``."""
    metadata = {CARD_KEY: card.to_json(), PRECISION_KEY: precision}
    if logits is not None:
        metadata[FLOAT_CHECK_KEY] = json.dumps(rounded_logits(logits))
    return {**metadata, SEAL_KEY: UNSEALED}


def _module(form: Format) -> ModuleType:
    """Return the module that writes a format.

    Raises:
        MissingDependency: a package that it needs is not installed.
    """
    try:
        return import_module(form.module)
    except ModuleNotFoundError as error:
        package = error.name or form.package
        raise MissingDependency(f"Writing {form.title} files", package, form.extra) from error


def _program(source: Source, form: Format, request: Request) -> Program:
    """Read the network as operations.

    Raises:
        NotExportable: it has some that no format is written for.
    """
    model = parse_onnx(source.onnx, source.name)
    try:
        return read_program(model, request.options.batch or 1, request.size)
    except Unsound as error:
        raise NotExportable(source.name, form.title, error) from error


def _sealed(
    form: Format, module: ModuleType, contents: Mapping[str, bytes], request: Request
) -> dict[str, bytes]:
    """Return files with the card beside them, if it is not inside, and with their hash."""
    if form.card == "beside":
        name = f"{request.stem}{form.suffix}.json"
        contents = {**contents, name: sidecar_content(request.metadata)}
    return dict(getattr(module, "seal", seal)(contents))


def _exported(
    form: Format,
    path: Path,
    request: Request,
    contents: Mapping[str, bytes],
    agreement: Agreement,
) -> Exported:
    return Exported(
        path=str(path),
        files=tuple(dict.fromkeys(str(path.parent / Path(each).parts[0]) for each in contents)),
        format=form.name,
        task=request.card.task,
        precision=request.precision,
        bytes=sum(map(len, contents.values())),
        shuffle=request.options.shuffle,
        opset=opset_of(contents[path.name]) if form.name == "onnx" else None,
        max_abs_difference=agreement.max_abs_difference,
        max_abs_logit=agreement.max_abs_logit,
        tolerance=agreement.tolerance,
        images=agreement.images,
        same_top1=agreement.same_top1,
    )
