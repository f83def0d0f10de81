"""Converting torchvision's quantized files to int8 files of this package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shufflenet.convert._foreign_card import assumptions, foreign_card
from shufflenet.convert._layouts import LAYOUTS
from shufflenet.convert._pickled_values import QuantizedArray
from shufflenet.convert._quantized_graph import quantized_model
from shufflenet.convert._quantized_state import read_state
from shufflenet.convert._read import foreign_errors
from shufflenet.convert._torch_file import read_torch_file
from shufflenet.errors import NotQuantized
from shufflenet.files import write_atomic
from shufflenet.outside import open_regular
from shufflenet.spec import CARD_KEY, MAX_MODEL_BYTES, Accuracy, Card, Int8, Label
from shufflenet.zoo import Weights, find_published

__all__ = ["ConvertedInt8", "convert_quantized"]

_UNKNOWN = Accuracy(images=0, top1=0, top5=0)
_OTHERS = (".onnx", ".safetensors")  # which hold no quantized tensors of torch's


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedInt8:
    """An int8 file that was written.

    Attributes:
        path: The file.
        bytes: Its size.
        card: Its card.
        remarks: What a user should know, one sentence each.
    """

    path: str
    bytes: int
    card: Card
    remarks: tuple[str, ...] = ()


def convert_quantized(
    path: str | Path,
    target: str | Path,
    *,
    labels: Sequence[Label] | None = None,
    weights: Weights | None = None,
) -> ConvertedInt8:
    """Convert a quantized V2 of torchvision to an ONNX file that computes what torch computes.

    Weights, scales and zero points are taken as they are stored. Only a channel whose bias has more
    steps than 32 bits hold gets a larger scale for its weights; torch adds such a bias in float.

    Args:
        path: A file such as ``shufflenetv2_x1_fbgemm-1e62bb32.pth``: the state of a quantized
            network, saved by ``torch.save``.
        target: The ``.onnx`` file to write.
        labels: The classes in order; by default ImageNet's 1,000, or the published file's.
        weights: The file's entry in the catalogue; by default it is found by the file's hash.

    Raises:
        NotQuantized: the file holds no quantized weights.
        ImpossibleScale: a scale, a zero point or an array is missing or damaged.
        UnknownSource: its names are not those of torchvision's quantized V2.
        CheckpointMismatch: its widths are not those of a network of torchvision's.
        CheckpointError: it cannot be read, or the labels of its classes are unknown.
        WriteError: the target cannot be written; an existing file is left as it was.
    """
    path = Path(path)
    if path.suffix.lower() in _OTHERS and path.exists():
        raise NotQuantized(path)
    with foreign_errors(path), open_regular(path, MAX_MODEL_BYTES) as stream:
        saved = read_torch_file(stream, quantized=True)
        if not _holds_quantized(saved):
            raise NotQuantized(path)
        state, spec = read_state(path, saved)
        model = quantized_model(state, spec)
    weights = weights or find_published(path)
    layout = next(each for each in LAYOUTS if each.name == "torchvision")
    facts = Int8(
        weight_range="full",
        calibrator="torch",
        calibration_images=0,
        judged_by="labels",
        float_accuracy=_UNKNOWN,
        int8_accuracy=_UNKNOWN,
    )
    card = replace(foreign_card(path, spec, layout, labels, weights), int8=facts)
    model.metadata_props.add(key=CARD_KEY, value=card.to_json())
    content = model.SerializeToString()
    write_atomic(target, content)
    remarks = () if weights else (assumptions(spec, layout, labels),)
    return ConvertedInt8(path=str(target), bytes=len(content), card=card, remarks=remarks)


def _holds_quantized(saved: object) -> bool:
    """Whether there is a quantized tensor in what was saved, or in a dictionary in it."""
    if not isinstance(saved, Mapping):
        return False
    inner = [each.values() for each in saved.values() if isinstance(each, Mapping)]
    groups = [saved.values(), *inner]
    return any(isinstance(each, QuantizedArray) for values in groups for each in values)
