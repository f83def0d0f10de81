"""ONNX files, written from a network with its card inside and compared with it."""

import hashlib
import json
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import onnxruntime
import torch
from torch import nn

from shufflenet.deploy import deploy, fold_batch_norms
from shufflenet.export._check_card import check_card
from shufflenet.export._detector_graph import traced_detector
from shufflenet.export._options import ExportOptions
from shufflenet.export._parity import check_parity
from shufflenet.export._source import Compute, Images, Source, is_pixels
from shufflenet.export._trace import traced_classifier
from shufflenet.files import SEAL_KEY
from shufflenet.networks import AnyNetwork, Detector, float_copy
from shufflenet.preprocess import normalize
from shufflenet.runtimes import FLOAT_CHECK_KEY, check_image, proof_of, rounded_logits
from shufflenet.spec import CARD_KEY, FLOAT32_TOLERANCE, Card

__all__ = ["onnx_source"]


def onnx_source(net: nn.Module, card: Card, options: ExportOptions) -> Source:
    """Return a network as ONNX in memory, which computes the same as the network.

    Classifiers are compared at two sizes of images; detectors take images of one size.

    Args:
        net: The network; see ``export_file``.
        card: Its card; it is stored in the file's metadata.
        options: Whether shuffles stay, and what a detector computes.

    Raises:
        SpecError: the network is none of this package.
        CheckpointMismatch: the card is of another network.
        ClassesDisagree: the network's logits are not as many as the card's labels.
        NotDeployable: the network was changed beyond what ``deploy`` knows.
        ParityError: the logits differ from the network's.
    """
    net = float_copy(net)
    check_card(net, card)
    model = _graph(net, card, options)
    model.metadata_props.update({CARD_KEY: card.to_json(), **_proof(net, card)})
    proto = ir.to_proto(model)
    graph_hash = hashlib.sha256(proto.graph.SerializeToString()).hexdigest()
    proto.metadata_props.add(key=SEAL_KEY, value=graph_hash)
    content = proto.SerializeToString()
    check_parity(net, _onnxruntime_logits(content), card, FLOAT32_TOLERANCE)
    return Source(card.name, card, content, partial(_compute, net, card))


def _graph(net: AnyNetwork, card: Card, options: ExportOptions) -> ir.Model:
    keeps = options.shuffle == "keep"
    if isinstance(net, Detector):
        deployed = fold_batch_norms(net) if keeps else deploy(net)
        return traced_detector(deployed, card.preprocess.size_px, nms=options.nms)
    return traced_classifier(fold_batch_norms(net) if keeps else deploy(net), net)


def _compute(net: AnyNetwork, card: Card, images: Images) -> npt.NDArray[np.float32]:
    """Compute pixels ``(n, h, w, c)`` or prepared images ``(n, c, h, w)`` by the network itself."""
    batch = normalize(images, card.preprocess) if is_pixels(images) else images
    with torch.inference_mode():
        return net(torch.from_numpy(batch)).numpy()


def _proof(net: AnyNetwork, card: Card) -> dict[str, str]:
    """Return the entry that ``verify`` reads: logits of an image, if the card has its channels."""
    if card.network.in_channels != card.preprocess.in_channels:
        return {}
    logits = _compute(net, card, check_image(card.preprocess))
    return {FLOAT_CHECK_KEY: json.dumps(rounded_logits(proof_of(logits, card)))}


def _onnxruntime_logits(content: bytes) -> Compute:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def compute(images: Images) -> npt.NDArray[np.float32]:
        return np.asarray(session.run(None, {"images": images})[0], np.float32)

    return compute
