"""Layers of ncnn, added one by one; their tensors are named after those of a program."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shufflenet.files import NcnnLayer, NcnnValue

__all__ = ["Builder"]

_LONGEST = 100
_NO_WORD = re.compile(r"[^A-Za-z0-9_./-]")


class Builder:
    """The layers added so far, and what ncnn calls a program's tensors."""

    def __init__(self, wished: Mapping[str, str]) -> None:
        """Begin without a layer; ``wished`` has ncnn's names of some tensors."""
        self._wished = wished
        self._layers: list[NcnnLayer] = []
        self._names: dict[str, str] = {}
        self._taken = set(wished.values())
        self._vectors: set[str] = set()

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        parameters: Mapping[int, NcnnValue] | None = None,
        numbers: bytes = b"",
    ) -> None:
        """Add a layer.

        Args:
            kind: Its kind, such as ``Convolution``.
            inputs: The program's names of the tensors that it reads.
            outputs: Those of the tensors that it writes.
            parameters: Its parameters by their numbers.
            numbers: Its weights as ncnn stores them.
        """
        reads = tuple(self._names[name] for name in inputs)
        writes = tuple(map(self._new_name, outputs))
        layer = NcnnLayer(kind, writes[0], reads, writes, parameters or {}, numbers)
        self._layers.append(layer)
        if kind == "InnerProduct" or (reads and self._vectors.issuperset(inputs)):
            self._vectors.update(outputs)

    def rename(self, tensor: str, same: str) -> None:
        """Note that a tensor holds the same numbers as another one."""
        self._names[tensor] = self._names[same]
        if same in self._vectors:
            self._vectors.add(tensor)

    def note_vector(self, tensor: str) -> None:
        """Note that a tensor has one pixel, which is a vector in ncnn."""
        self._vectors.add(tensor)

    def is_vector(self, tensor: str) -> bool:
        """Return whether a tensor is a vector."""
        return tensor in self._vectors

    def finish(self) -> list[NcnnLayer]:
        """Return all layers; a Split stands behind each tensor that several layers read.

        ncnn frees a tensor once one layer has read it.
        """
        readers: dict[str, list[int]] = {}
        for number, layer in enumerate(self._layers):
            for name in layer.inputs:
                readers.setdefault(name, []).append(number)
        copies = {
            name: [f"{name}:{copy}" for copy in range(len(numbers))]
            for name, numbers in readers.items()
            if len(numbers) > 1
        }
        left = {name: iter(each) for name, each in copies.items()}
        layers = []
        for layer in self._layers:
            inputs = tuple(next(left[x]) if x in left else x for x in layer.inputs)
            layers.append(replace(layer, inputs=inputs))
            for name in filter(copies.__contains__, layer.outputs):
                layers.append(NcnnLayer("Split", f"{name}:split", (name,), tuple(copies[name])))
        return layers

    def _new_name(self, tensor: str) -> str:
        """Return a name that ncnn reads, and that no other tensor has."""
        name = plain = _NO_WORD.sub("_", tensor)[-_LONGEST:] or "_"
        while name in self._taken:
            name = f"{plain}::{len(self._taken)}"
        name = self._wished.get(tensor, name)
        self._taken.add(name)
        self._names[tensor] = name
        return name
