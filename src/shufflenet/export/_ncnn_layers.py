"""The nodes of a program as layers of ncnn.

ncnn has no batch: an image is ``(channels, height, width)``, and its mean over all pixels a vector.
"""

from collections.abc import Callable, Mapping, Sequence

from shufflenet.export._ncnn_builder import Builder
from shufflenet.export._ncnn_channels import add_selection
from shufflenet.export._ncnn_forms import MOVES, Form, Forms, Step
from shufflenet.export._ncnn_weighted import HARD_SWISH, Plan, add_weighted
from shufflenet.export._ncnn_window import window_of
from shufflenet.files import NcnnLayer, NcnnValue
from shufflenet.graph import LARGEST_BYTE, Node, Program

__all__ = ["to_layers"]

_ADD, _MULTIPLY, _SUBTRACT_FROM = 0, 2, 7  # ncnn's numbers of a BinaryOp
_FUSED = ("HardSwish", "Relu", "Sigmoid")


def to_layers(program: Program, *, half: bool) -> list[NcnnLayer]:
    """Return a program as layers of ncnn.

    Args:
        program: The program.
        half: Whether weights are stored in float16 even where that loses something.

    Raises:
        ValueError: ncnn has no layer for a node; the message is a predicate.
    """
    steps = _fuse(program)
    plan = Plan(program, Forms(steps, program), half)
    return _Lowering(plan).lower(steps)


def _fuse(program: Program) -> list[Step]:
    """Return the steps of a program: activations join the layer whose output they alone read.

    The product of ``x`` and its sigmoid becomes a Swish.
    """
    readers: dict[str, list[Node]] = {}
    for node in program.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    steps: list[Step] = []
    fused: dict[str, Step | None] = {}  # what takes a node's place, by the node's output
    for node in program.nodes:
        if node.output in fused:
            if (step := fused[node.output]) is not None:
                steps.append(step)
            continue
        reading = readers.get(node.output, [])
        after = reading[0] if len(reading) == 1 else None
        if node.output in program.params or after is None:
            steps.append(Step(node))
        elif node.op in ("Conv", "Gemm") and after.op in _FUSED:
            fused[after.output] = None
            steps.append(Step(_joined(node.op, node, after), after.op))
        elif node.op == "Sigmoid" and {*after.inputs} == {*node.inputs, node.output}:
            fused[after.output] = Step(_joined("Swish", node, after))
        else:
            steps.append(Step(node))
    return steps


def _joined(op: str, first: Node, last: Node) -> Node:
    return Node(first.name, op, first.inputs, last.outputs, first.attributes)


_Lower = Callable[[Builder, Program, Node, Sequence[str]], None]


class _Lowering:
    """The layers of the steps so far."""

    def __init__(self, plan: Plan) -> None:
        self._plan, program = plan, plan.program
        self._held: dict[tuple[str, Form], str] = {}  # tensors in other forms than their own
        images = "pixels" if program.takes_bytes else "images"
        self._builder = Builder({program.images: images, program.logits: "logits"})
        self._builder.add("Input", (), [program.images], {2: program.shapes[program.images][1]})
        if program.takes_bytes:
            self._scale_pixels(program.images)

    def _scale_pixels(self, images: str) -> None:
        """Hold the images, which are bytes, as what these mean, but for the zero point."""
        params, scaled = self._plan.program.params[images], f"{images} scaled"
        parameters = {0: _MULTIPLY, 1: 1, 2: params.scale}
        self._builder.add("BinaryOp", [images], [scaled], parameters)
        self._builder.rename(images, scaled)

    def lower(self, steps: Sequence[Step]) -> list[NcnnLayer]:
        """Return the layers of all steps.

        Raises:
            ValueError: ncnn has no layer for a node.
        """
        for step in steps:
            node, constants = step.node, self._plan.program.constants
            wanted = self._plan.forms.wanted(step)
            read = [self._in_form(x, wanted) for x in node.inputs if x and x not in constants]
            if node.op in ("Conv", "Gemm"):
                add_weighted(self._builder, self._plan, step, *read)
            elif node.op in _LOWERED:
                _LOWERED[node.op](self._builder, self._plan.program, node, read)
                self._clip(node)
            else:
                raise ValueError(f"has a {node.op}")
        return self._builder.finish()

    def _in_form(self, tensor: str, wanted: Form) -> str:
        """Return the tensor that holds another one in a form, which is added if there is none."""
        form, key = self._plan.forms.of(tensor), (tensor, wanted)
        if form == wanted:
            return tensor
        if key not in self._held:
            self._held[key] = held = f"{tensor} held {len(self._held)}"
            operation = _ADD if wanted.sign == form.sign else _SUBTRACT_FROM
            shift = wanted.sign * (wanted.offset - form.offset)
            self._builder.add("BinaryOp", [tensor], [held], {0: operation, 1: 1, 2: shift})
        return self._held[key]

    def _clip(self, node: Node) -> None:
        """Clip what a node without weights computes to its bytes, if nothing that reads it does."""
        name, program = node.output, self._plan.program
        params = program.params.get(name)
        if params is None or node.op in MOVES or self._plan.forms.clips(name):
            return
        low, high = (params.scale * (byte - params.zero_point) for byte in (0, LARGEST_BYTE))
        self._builder.add("Clip", [name], [f"{name} clipped"], {0: low, 1: high})
        self._builder.rename(name, f"{name} clipped")


def _concat(builder: Builder, program: Program, node: Node, read: Sequence[str]) -> None:
    builder.add("Concat", read, node.outputs)


def _split(builder: Builder, program: Program, node: Node, read: Sequence[str]) -> None:
    builder.add("Slice", read, node.outputs, {0: node.attributes["sizes"]})


def _gather(builder: Builder, program: Program, node: Node, read: Sequence[str]) -> None:
    channels = program.shapes[node.inputs[0]][1]
    add_selection(builder, read[0], node.output, node.attributes["indices"], channels)


def _pool(builder: Builder, program: Program, node: Node, read: Sequence[str]) -> None:
    window = window_of(node, node.attributes["kernel_shape"][0])
    parameters: dict[int, NcnnValue] = {0: int(node.op == "AveragePool"), 1: window.side}
    parameters |= {2: window.stride, 3: window.side // 2, 5: 1}  # 5: no padding but this
    if node.op == "AveragePool":
        parameters |= {6: node.attributes["count_include_pad"]}
    builder.add("Pooling", read, node.outputs, parameters)


def _mean(builder: Builder, program: Program, node: Node, read: Sequence[str]) -> None:
    builder.add("Pooling", read, node.outputs, {0: 1, 4: 1})
    builder.note_vector(node.output)


def _same(builder: Builder, program: Program, node: Node, read: Sequence[str]) -> None:
    builder.rename(node.output, read[0])


def _plain(
    kind: str, parameters: Callable[[Node], Mapping[int, NcnnValue]], reads: int = 1
) -> _Lower:
    """Return what adds a layer that needs its node alone."""

    def add(builder: Builder, program: Program, node: Node, read: Sequence[str]) -> None:
        if len(read) != reads:
            raise ValueError(f"has a {node.op} of a constant")
        builder.add(kind, read, node.outputs, parameters(node))

    return add


_LOWERED: dict[str, _Lower] = {
    "Add": _plain("BinaryOp", lambda _: {0: _ADD}, 2),
    "AveragePool": _pool,
    "ChannelShuffle": _plain("ShuffleChannel", lambda node: {0: node.attributes["groups"]}),
    "Concat": _concat,
    "Flatten": _same,
    "Gather": _gather,
    "GlobalAveragePool": _mean,
    "HardSigmoid": _plain("HardSigmoid", lambda _: dict(enumerate(HARD_SWISH))),
    "HardSwish": _plain("HardSwish", lambda _: dict(enumerate(HARD_SWISH))),
    "MaxPool": _pool,
    "Mul": _plain("BinaryOp", lambda _: {0: _MULTIPLY}, 2),
    "Relu": _plain("ReLU", lambda _: {}),
    "Requantize": _same,
    "Sigmoid": _plain("Sigmoid", lambda _: {}),
    "Split": _split,
    "Swish": _plain("Swish", lambda _: {}),
}
