"""The functions of a module that are called from outside."""

import numpy as np

from shufflenet.codegen._classifier import write_logits_of_many, write_logits_of_one
from shufflenet.codegen._input import InputPlanes
from shufflenet.codegen._network import NetworkCalls
from shufflenet.codegen.kernels import BYTES, FLOATS, INDEX, OFFSETS, Kernel, Signature, index
from shufflenet.codegen.plan import Buffer, Planes, Writer
from shufflenet.graph import Linear
from shufflenet.spec import Preprocess

__all__ = ["Entries"]


class Entries:
    """Writes the functions of a module that are called from outside.

    Args:
        network: The steps of the network.
        images: The planes of the images.
    """

    def __init__(self, network: NetworkCalls, images: InputPlanes) -> None:
        self._network = network
        self._kernels = network.kernels
        self._memory = network.memory
        self._images = images
        self._of_images = network.kernels[images.planes.dtype]
        self._blocks = Signature({"arena": BYTES, "constants": BYTES, "tables": OFFSETS})

    def write(self, classifier: Linear, preprocess: Preprocess | None, *, batches: bool) -> None:
        """Write all functions (see ``Module``); of pixels only with a preprocessing."""
        network = self._write_network()
        for how in dict.fromkeys([None, preprocess]):
            self._write_features(network, how)
        self._write_logits(self._network.features, classifier, batches=batches)
        self._write_prepare()

    def _write_network(self) -> Kernel:
        """Write the function that computes features of the images in their planes."""
        f = self._of_images.library.function("network", self._blocks)
        f.function.linkage = "internal"
        f.function.attributes.add("optnone")  # it only calls kernels: nothing would be gained
        self._network.write(f)
        f.ret_void()
        return Kernel(f.function, self._blocks)

    def _write_features(self, network: Kernel, preprocess: Preprocess | None) -> None:
        """Write the function that computes features of float32 images, or of RGB bytes."""
        name = "features_of_pixels" if preprocess else "features"
        signature = self._blocks | self._images.argument(preprocess)
        f = self._of_images.library.function(name, signature)
        w = Writer(f, self._of_images, self._memory)
        images = self._images
        if self._network.turns[0].of_images:
            self._network.write_images(
                f, images.planes, lambda row, rows: images.write(w, preprocess, range(rows), row)
            )
        else:
            if self._memory.shares_bytes:  # the borders of planes were bytes of maps
                self._fill(w, images.planes)
            images.write(w, preprocess, range(images.height))
        network.forward(f)
        f.ret_void()

    def _fill(self, w: Writer, planes: Buffer | Planes) -> None:
        fill = w.kernels.moves.fill()
        fill.call(w.f, output=w.place(planes), elements=planes.size, value=planes.outside)

    def _write_logits(self, features: Buffer, layer: Linear, *, batches: bool) -> None:
        """Write the function that computes logits: of one image, or of many, which share weights.

        Args:
            features: The map that the classifier reads of one image.
            layer: The classifier.
            batches: Whether also of many: their weights are stored in another order, once more.
        """
        kernels = self._kernels[features.dtype]
        signature = Signature(
            {
                "features": kernels.numbers.element.as_pointer(),
                "constants": BYTES,
                "tables": OFFSETS,
                "logits": FLOATS,
                "images": INDEX,
            }
        )
        f = kernels.library.function("logits", signature)
        w = Writer(f, kernels, self._memory)
        if not batches:
            write_logits_of_one(w, layer, f.arguments.features)
            f.ret_void()
            return
        with f.if_else(f.icmp_signed("==", f.arguments.images, index(1))) as (one, many):
            with one:
                write_logits_of_one(w, layer, f.arguments.features)
            with many:
                write_logits_of_many(w, layer, features.pitch)
        f.ret_void()

    def _write_prepare(self) -> None:
        """Write the function that fills an arena: zeros, and the borders of maps."""
        f = self._of_images.library.function("prepare", Signature({"arena": BYTES}))
        dtype = self._images.planes.dtype
        whole = Planes(
            channels=1,
            height=1,
            width=self._memory.length // np.dtype(dtype).itemsize,
            border=0,
            dtype=dtype,
            at=0,
        )
        outside = [each for each in self._memory.bordered if each.outside]
        for each in (whole, *outside):
            for own in self._network.own_parts(f, each):
                self._fill(Writer(f, self._kernels[each.dtype], self._memory, own=own), each)
        f.ret_void()
