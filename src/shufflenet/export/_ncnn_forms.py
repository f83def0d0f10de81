"""How an ncnn network holds the tensors of an int8 network: shifted, so that a signed byte fits.

ncnn's bytes are symmetric: a code of -127 to 127 means ``code * scale``. Those of ONNX files mean
``(byte - zero_point) * scale``, and after a ReLU only 128 of ncnn's codes would be used. So a
tensor is held as another number, ``sign * (real + offset)`` with an offset of
``(zero_point - 127) * scale``, whose code is ``sign * (byte - 127)``: 255 of the 256 bytes fit, and
to clip at -127 is the ReLU. (128 takes the place of 127 where the zero point is larger.) Who makes
the tensor adds the offset by its bias, and who reads it removes it by its own.

A convolution pads its input with 0, whose code is ``sign * (zero_point - 127)``. ncnn 1.0.20261020
writes negative codes there wrongly (``v8 | v8 << 8`` in src/layer/x86/padding_x86.cpp fills a
negative ``v8`` up with ones), so that the sign is -1 where such a code would be.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from shufflenet.graph import Node, Program, QuantParams

__all__ = ["MOVES", "REAL", "Form", "Forms", "Step"]

MOVES = (  # operations that take numbers to other places, and change none
    *("ChannelShuffle", "Concat", "Flatten", "Gather", "MaxPool", "Requantize", "Split"),
)
_WEIGHTED = ("Conv", "Gemm")
_MIDDLES = 127, 128  # the byte whose code is 0: the one that makes a code of the byte for 0


@dataclass(frozen=True, slots=True)
class Step:
    """A node of a program, with the activation that ncnn computes in the same layer.

    Attributes:
        node: The node, whose output is that of the activation.
        activation: The operation of the activation; empty for none.
    """

    node: Node
    activation: str = ""

    @property
    def groups(self) -> int:
        """The number of groups of a convolution, 1 for all other nodes."""
        return int(self.node.attributes.get("group", 1))

    @property
    def padded(self) -> bool:
        """Whether a convolution pads its input."""
        return self.node.op == "Conv" and any(self.node.attributes["pads"])


@dataclass(frozen=True, slots=True)
class Form:
    """What an ncnn network holds for a tensor: ``sign * (real + offset)``."""

    offset: float = 0.0
    sign: int = 1

    def of(self, real: float) -> float:
        """Return what is held for a number.

        >>> Form(offset=-2.0, sign=-1).of(0.5)
        1.5
        """
        return self.sign * (real + self.offset)


REAL = Form()


class Forms:
    """The form of each tensor of a program, and of what each layer in int8 reads."""

    def __init__(self, steps: Sequence[Step], program: Program) -> None:
        """Choose a form for each group of tensors that hold the same numbers, moved only.

        Args:
            steps: The program's steps.
            program: The program.
        """
        self._constants, self._params = program.constants, program.params
        self._group_of: dict[str, str] = {}  # a tensor that stands for all of its group
        for step in steps:
            if step.node.op in MOVES:
                self._join([*self._tensors_read(step), *step.node.outputs])
        self._readers: dict[str, list[Step]] = {}
        for step in steps:
            for tensor in self._tensors_read(step):
                self._readers.setdefault(tensor, []).append(step)
        self._forms: dict[str, Form] = {}
        self._as_bytes: set[str] = set()
        for name, members in self._groups(steps).items():
            self._choose(name, members, steps)
        if program.takes_bytes:  # held as the byte times the scale
            params = self._params[program.images]
            self._forms[self._find(program.images)] = Form(params.zero_point * params.scale)

    def of(self, tensor: str) -> Form:
        """Return the form in which a tensor is held."""
        return self._forms.get(self._find(tensor), REAL)

    def in_int8(self, step: Step) -> bool:
        """Return whether a step multiplies bytes."""
        node = step.node
        is_weighted = node.op in _WEIGHTED
        return is_weighted and self._constants[node.inputs[1]].dtype == np.int8

    def wanted(self, step: Step) -> Form:
        """Return the form in which a step reads its first input."""
        if step.node.op in MOVES:
            return self.of(step.node.inputs[0])
        if not self.in_int8(step):
            return REAL
        tensor = step.node.inputs[0]
        params = self._params[tensor]
        sign = self._sign_wanted(step, params) or self.of(tensor).sign
        return Form(_offset(params), sign)

    def clips(self, tensor: str) -> bool:
        """Return whether all that reads a tensor clips it to its bytes."""
        readers = self._readers.get(tensor, [])
        return self._find(tensor) in self._forms or all(map(self.in_int8, readers))

    def is_one_layer(self, step: Step) -> bool:
        """Return whether a step is one layer of ncnn: convolutions of groups in int8 are several.

        ncnn has one scale for all weights of a group.
        """
        weight = self._constants[step.node.inputs[1]]
        is_depthwise = weight.shape[1] == 1 and len(weight) == step.groups
        return step.groups == 1 or is_depthwise or not self.in_int8(step)

    def passes_bytes(self, tensor: str) -> bool:
        """Return whether a tensor goes from one layer in int8 to others as bytes."""
        return tensor in self._as_bytes

    def _sign_wanted(self, step: Step, params: QuantParams) -> int:
        """Return the sign that makes the code of 0 positive where a step pads; 0 for any."""
        return int(np.sign(_offset(params))) if step.padded else 0

    def _choose(self, name: str, members: set[str], steps: Sequence[Step]) -> None:
        """Choose the form of a group: real, unless layers in int8 read all of it alike."""
        readers = [s for s in steps if not members.isdisjoint(self._tensors_read(s))]
        makers = [s for s in steps if not members.isdisjoint(s.node.outputs)]
        moves = [s.node.op for s in makers if s.node.op in MOVES]
        reading = [s for s in readers if s.node.op not in MOVES]
        params = {self._params.get(tensor) for tensor in members}
        (one, *others) = params
        is_made = all(s.node.op in (*_WEIGHTED, *MOVES) for s in makers) and makers
        if one is None or others or not is_made or not reading:
            return
        if not all(map(self.in_int8, reading)):
            return
        signs = {self._sign_wanted(step, one) for step in reading} - {0}
        sign = min(signs) if signs and "MaxPool" not in moves else 1
        self._forms[name] = form = Form(_offset(one), sign)
        are_bytes = all(self.wanted(s) == form and self.is_one_layer(s) for s in reading)
        if not moves and are_bytes and all(self.in_int8(s) for s in makers):
            self._as_bytes |= {t for s in makers if self.is_one_layer(s) for t in members}

    def _tensors_read(self, step: Step) -> list[str]:
        return [name for name in step.node.inputs if name and name not in self._constants]

    def _groups(self, steps: Iterable[Step]) -> dict[str, set[str]]:
        groups: dict[str, set[str]] = {}
        for step in steps:
            for tensor in (*self._tensors_read(step), *step.node.outputs):
                groups.setdefault(self._find(tensor), set()).add(tensor)
        return groups

    def _join(self, tensors: Sequence[str]) -> None:
        first = self._find(tensors[0])
        for tensor in tensors[1:]:
            self._group_of[self._find(tensor)] = first

    def _find(self, tensor: str) -> str:
        while (above := self._group_of.get(tensor, tensor)) != tensor:
            tensor = above
        return tensor


def _offset(params: QuantParams) -> float:
    """Return what is added to a tensor's numbers so that signed bytes fit, 0 among them.

    >>> _offset(QuantParams(0.5, 0)), _offset(QuantParams(0.5, 255))
    (-63.5, 63.5)
    """
    return (params.zero_point - _MIDDLES[params.zero_point > _MIDDLES[0]]) * params.scale
