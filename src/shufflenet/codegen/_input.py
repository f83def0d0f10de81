"""What brings an image into the planes that the first convolution reads."""

from dataclasses import dataclass

import numpy as np

from shufflenet.codegen.kernels import BYTES, FLOATS, Signature
from shufflenet.codegen.plan import Planes, Row, Writer
from shufflenet.graph import QuantParams
from shufflenet.preprocess import affine
from shufflenet.spec import Preprocess

__all__ = ["InputPlanes"]


@dataclass(frozen=True, slots=True)
class InputPlanes:
    """The planes of the images.

    Attributes:
        planes: Where they lie.
        params: The quantization parameters of the images, if they are read as bytes.
        height: Rows of the images, of which the planes may hold a strip.
    """

    planes: Planes
    params: QuantParams | None
    height: int

    def argument(self, preprocess: Preprocess | None) -> Signature:
        """Return the argument that ``write`` reads."""
        return Signature({"pixels": BYTES} if preprocess else {"image": FLOATS})

    def write(self, w: Writer, preprocess: Preprocess | None, rows: range, before: Row = 0) -> None:
        """Write what brings some rows of float32 images, or of bytes, into the planes.

        Args:
            w: The function that is written; its argument ``image`` points to float32
                ``(channels, height, width)``, or ``pixels`` to bytes ``(height, width,
                channels)``.
            preprocess: How bytes become images; None for float32 images.
            rows: Which rows of every plane.
            before: Rows of the images before those of the planes.
        """
        images, channels = self.planes, np.arange(self.planes.channels)[:, None]
        numbers = (channels * images.height + rows).ravel()
        encoding = {
            "scale": 1 / self.params.scale if self.params else 1.0,
            "zero": float(self.params.zero_point) if self.params else 0.0,
        }
        if preprocess is None:
            w.kernels.input.images().call(
                w.f,
                source=w.f.at(w.f.arguments.image, w.times(before, images.width)),
                source_offsets=w.table((channels * self.height + rows).ravel() * images.width),
                output=w.place(images),
                output_offsets=w.table(images.rows()[numbers]),
                rows=len(numbers),
                elements=images.width,
                **encoding,
            )
            return
        order = range(images.channels)[:: -1 if preprocess.channels == "bgr" else 1]
        w.kernels.input.pixels(order).call(
            w.f,
            source=w.f.at(
                w.f.arguments.pixels,
                w.times(w.plus(before, rows.start), images.width * images.channels),
            ),
            output=w.place(images),
            output_offsets=w.table(images.rows()[numbers]),
            rows=len(rows),
            columns=images.width,
            colors=w.constant(np.concatenate(affine(preprocess)).astype(np.float32)),
            **encoding,
        )
