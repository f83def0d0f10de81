"""The functions by which several threads compute the logits of one image together."""

from shufflenet.codegen._classifier import write_logits_of_one
from shufflenet.codegen._input import InputPlanes
from shufflenet.codegen._network import NetworkCalls
from shufflenet.codegen.kernels import (
    BYTES,
    FLOATS,
    INDEX,
    OFFSETS,
    Claims,
    Function,
    Kernel,
    Signature,
    Value,
    index,
)
from shufflenet.codegen.plan import TEAM, Team, Writer
from shufflenet.graph import Linear
from shufflenet.spec import Preprocess, Target

__all__ = ["Together"]

_BLOCKS = Signature({"arena": BYTES, "constants": BYTES, "tables": OFFSETS})
_PORTION = Signature({"portion": INDEX.as_pointer()})


class Together:
    """Writes the functions that threads call to compute one image (see ``Module``).

    Args:
        network: The steps of the network.
        images: The planes of the images.
        target: The processor.
    """

    def __init__(self, network: NetworkCalls, images: InputPlanes, target: Target) -> None:
        self._network = network
        self._images = images
        self._of_images = network.kernels[images.planes.dtype]
        architecture = target.triple.partition("-")[0]
        self._claims = Claims(self._of_images.library, _ARCHITECTURES.get(architecture, ""))
        self._counters_at = network.memory.reserve(Claims.counters_bytes)
        self._input_parts = min(images.planes.height, network.memory.threads)

    def write(self, classifier: Linear, preprocess: Preprocess | None) -> None:
        """Write all functions; of pixels only with a preprocessing."""
        network = self._write_network(classifier)
        for how in dict.fromkeys([None, preprocess]):
            self._write_part(network, how)
        signature = Signature({"arena": BYTES, "image_number": INDEX})
        f = self._of_images.library.function("begin_image", signature)
        self._claims.begin().forward(f, counters=self._counters(f))
        f.ret_void()

    def _write_network(self, classifier: Linear) -> Kernel:
        """Write the function that computes an image in its planes, all but the input's portions."""
        signature = _BLOCKS | Signature({"logits": FLOATS}) | TEAM | _PORTION
        f = self._of_images.library.function("network_part", signature)
        f.function.linkage = "internal"
        f.function.attributes.add("optnone")  # it only calls kernels: nothing would be gained
        team = self._team(f, f.arguments.portion)
        team.written = self._input_parts
        self._network.write(f, team)
        features = self._network.features
        kernels = self._network.kernels[features.dtype]
        w = Writer(f, kernels, self._network.memory, team=team)
        write_logits_of_one(w, classifier, w.place(features))
        with f.if_then(f.icmp_signed("==", f.arguments.thread, index(0))):
            team.wait()
        f.ret_void()
        return Kernel(f.function, signature)

    def _write_part(self, network: Kernel, preprocess: Preprocess | None) -> None:
        """Write the function that a thread calls, of float32 images or of RGB bytes."""
        name = "logits_of_pixels_part" if preprocess else "logits_of_image_part"
        argument = self._images.argument(preprocess)
        signature = _BLOCKS | argument | Signature({"logits": FLOATS}) | TEAM
        f = self._of_images.library.function(name, signature)
        portion = f.alloca(INDEX)
        team = self._team(f, portion)
        team.claim()
        w = Writer(f, self._of_images, self._network.memory)
        for rows in team.choose(self._images.planes.height, self._input_parts):
            self._images.write(w, preprocess, rows)
        network.forward(f, portion=portion)
        f.ret_void()

    def _team(self, f: Function, portion: Value) -> Team:
        threads = self._network.memory.threads
        return Team(f, self._claims, self._counters(f), portion, threads)

    def _counters(self, f: Function) -> Value:
        return f.at(f.arguments.arena, self._counters_at)


_ARCHITECTURES = {"x86_64": "x86", "i686": "x86", "aarch64": "aarch64", "arm64": "aarch64"}
