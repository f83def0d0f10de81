"""Detectors as graphs of ONNX's operators: what torch traced, and the decoding of its logits.

``Detector.boxes`` says what is decoded; here it is in operators that runtimes compute fast. See
``_sides``.
"""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from torch import Tensor, nn

from shufflenet.export._pad_stem import pad_stem
from shufflenet.export._trace import finish, is_of_any_size, open_sizes, trace
from shufflenet.networks import Detector, cell_centers
from shufflenet.spec import STRIDES

__all__ = ["traced_detector"]

_MIN_SCORE, _MAX_IOU, _MOST = 0.3, 0.6, 100  # of the boxes that a file itself chooses
_AWAY = np.array([[-1], [-1], [1], [1]], np.float32)  # left and top lie at less than the center
_BINS = 2  # the axis of bins in logits (n, 4, bins, cells)


def traced_detector(deployed: Detector, size: tuple[int, int], *, nms: bool) -> ir.Model:
    """Return a detector as a graph that takes any number of images of one size.

    Its output ``boxes`` is what ``Detector.forward`` returns, ``(n, cells, 4 + classes)``.

    Args:
        deployed: The detector, in evaluation mode.
        size: The height and the width of the images.
        nms: Whether it has a second output, ``detections``, ``(k, 7)``: of the boxes that remain,
            the image, the class, the score, then left, top, right and bottom. Those remain whose
            score is more than 0.3, and which overlap no better one of their class in their image
            by an IoU of more than 0.6; of each class the best 100.
    """
    names, maps = [f"logits_{stride}" for stride in STRIDES], _Maps(deployed)
    model = trace(maps, deployed, outputs=names)
    if not is_of_any_size(model):
        model = trace(maps, deployed, outputs=names, sizes={0: "batch"}, size=size)
    pad_stem(model.graph)
    nodes = _Nodes(model.graph)
    logits = list(model.graph.outputs)
    model.graph.outputs.clear()
    boxes, scores = _decode(nodes, logits, deployed, size)
    rows = nodes.add("Concat", [boxes, scores], axis=1)
    outputs = [nodes.add("Transpose", [rows], "boxes", perm=[0, 2, 1])]
    if nms:
        outputs.append(_choose(nodes, boxes, scores))
    for value in outputs:
        value.dtype = ir.DataType.FLOAT
    outputs[0].shape = ir.Shape(["batch", len(cell_centers(*size)), 4 + deployed.spec.classes])
    model.graph.outputs.extend(outputs)
    open_sizes(model, {0: "batch", 2: size[0], 3: size[1]})
    return finish(model)


class _Maps(nn.Module):
    """A detector up to the logits of each of its heads, ``(n, classes + 4 * bins, h, w)``."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images ``(n, in_channels, h, w)`` to the logits of every stride."""
        maps = self.detector.neck_maps(images)
        return tuple(head(each) for head, each in zip(self.detector.heads, maps, strict=True))


class _Nodes:
    """Appends nodes and constants to a graph."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._count = 0

    def add(
        self,
        op: str,
        inputs: list[ir.Value],
        name: str | None = None,
        **attributes: int | list[int],
    ) -> ir.Value:
        """Append a node, and return its output, which gets a name unless it is given."""
        return self.split(op, inputs, [name or self._new(op)], **attributes)[0]

    def split(
        self, op: str, inputs: list[ir.Value], names: list[str], **attributes: int | list[int]
    ) -> list[ir.Value]:
        """Append a node of several outputs."""
        outputs = [ir.Value(name=name) for name in names]
        self._graph.append(ir.node(op, inputs, attributes, outputs=outputs, name=names[0]))
        return outputs

    def constant(self, values: npt.ArrayLike, kind: type[np.generic] = np.float32) -> ir.Value:
        """Add a constant of floats, or of another type."""
        array = np.ascontiguousarray(np.asarray(values, kind))
        tensor = ir.tensor(array)
        value = ir.Value(name=self._new("constant"), const_value=tensor)
        value.dtype, value.shape = tensor.dtype, ir.Shape(array.shape)
        self._graph.register_initializer(value)
        return value

    def reshape(self, value: ir.Value, shape: list[int]) -> ir.Value:
        """Reshape a value; 0 keeps a size, -1 is what remains."""
        return self.add("Reshape", [value, self.constant(shape, np.int64)])

    def _new(self, what: str) -> str:
        self._count += 1
        return f"decode_{self._count}_{what.lower()}"


def _decode(
    nodes: _Nodes, maps: list[ir.Value], detector: Detector, size: tuple[int, int]
) -> tuple[ir.Value, ir.Value]:
    """Add the decoding of logits, each ``(n, classes + 4 * bins, h, w)``.

    Returns:
        Left, top, right and bottom in pixels, ``(n, 4, cells)``, and ``(n, classes, cells)``, the
        scores.
    """
    classes, bins = detector.spec.classes, detector.detector.bins
    flat = [nodes.reshape(each, [0, classes + 4 * bins, -1]) for each in maps]
    logits = nodes.add("Concat", flat, axis=2)
    sizes = nodes.constant([classes, 4 * bins], np.int64)
    names = ["scores_logits", "sides_logits"]
    scores, sides = nodes.split("Split", [logits, sizes], names, axis=1)
    centers = cell_centers(*size).numpy().T
    expected = _expected_bin(nodes, nodes.reshape(sides, [0, 4, bins, -1]), bins)
    away = nodes.add("Mul", [expected, nodes.constant((_AWAY * centers[2])[None])])
    boxes = nodes.add("Add", [away, nodes.constant(centers[[0, 1, 0, 1]][None])])
    return boxes, nodes.add("Sigmoid", [scores])


def _expected_bin(nodes: _Nodes, logits: ir.Value, bins: int) -> ir.Value:
    """Add the expectation, ``(n, 4, cells)``, of the softmax of logits ``(n, 4, bins, cells)``.

    Cells are the last axis, along which processors compute several at once. With ``d`` what a logit
    is below the largest, ``exp(d) = s / (1 - s)`` where ``s = sigmoid(d)`` is 1/2 at most: ONNX
    Runtime computes Sigmoid in vectors, and Exp and Softmax several times slower. The whole
    decoding took 0.1 to 0.2 ms so, with Exp 0.6, and 1.0 with Softmax over the last axis (2,100
    cells, ONNX Runtime 1.32, one thread; OpenVINO takes as long for each).
    """
    axis = nodes.constant([_BINS], np.int64)
    largest = nodes.add("ReduceMax", [logits, axis], keepdims=1)
    s = nodes.add("Sigmoid", [nodes.add("Sub", [logits, largest])])
    powers = nodes.add("Div", [s, nodes.add("Sub", [nodes.constant(1), s])])
    weighted = nodes.add("Mul", [powers, nodes.constant(np.arange(bins)[:, None])])
    sums = [nodes.add("ReduceSum", [each, axis], keepdims=0) for each in (weighted, powers)]
    return nodes.add("Div", sums)


def _choose(nodes: _Nodes, boxes: ir.Value, scores: ir.Value) -> ir.Value:
    """Add non-maximum suppression; see ``traced_detector``.

    Args:
        nodes: Where to add it.
        boxes: ``(n, 4, cells)``.
        scores: ``(n, classes, cells)``.

    Returns:
        The output ``detections``.
    """
    corners = nodes.add("Transpose", [boxes], perm=[0, 2, 1])
    limits = [nodes.constant(_MOST, np.int64), nodes.constant(_MAX_IOU), nodes.constant(_MIN_SCORE)]
    chosen = nodes.add("NonMaxSuppression", [corners, scores, *limits])  # image, class, cell
    cells = nodes.add("Gather", [chosen, nodes.constant([0, 2], np.int64)], axis=1)
    columns = [
        nodes.add("Gather", [chosen, nodes.constant([0, 1], np.int64)], axis=1),
        nodes.reshape(nodes.add("GatherND", [scores, chosen]), [-1, 1]),
        nodes.add("GatherND", [corners, cells]),
    ]
    columns[0] = nodes.add("Cast", [columns[0]], to=int(ir.DataType.FLOAT))
    return nodes.add("Concat", columns, "detections", axis=1)
