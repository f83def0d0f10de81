"""The memory that a caller of a compiled network gives: what lies where in it."""

import math
from dataclasses import dataclass

import numpy as np

from shufflenet.codegen._module import Module
from shufflenet.codegen.kernels import LINE_BYTES
from shufflenet.codegen.plan import lowest_place

__all__ = ["WorkingMemory"]


@dataclass(frozen=True, slots=True)
class WorkingMemory:
    """The places in the memory that a caller gives, as bytes. A line with a stamp comes first.

    Maps are not needed before the photo is read, nor any but the features when logits are written:
    these lie where the arena is free, and beyond it only if that does not suffice.

    Attributes:
        arena: Where the arena begins.
        logits: Where logits begin, padded to whole panels.
        cropped: Where the resized and cropped photo begins.
        scratch: Where the scratch of the resize begins.
        constants: Where constants begin, if they are stored as float16.
        end: Where everything ends.
    """

    arena: int
    logits: int
    cropped: int
    scratch: int
    constants: int
    end: int

    @classmethod
    def of(cls, module: Module, scratch_bytes: int | None, constants_bytes: int) -> "WorkingMemory":
        """Return the places for a module, its constants, and the scratch of a resize, if any."""
        arena = (0, module.arena_bytes)
        features = module.features_pitch * np.dtype(module.dtype).itemsize
        kept = [] if module.while_reading else [arena]
        logits = _lines(4 * module.logits_pitch)
        logits_at = lowest_place(kept or [(module.features_at, _lines(features))], logits)
        parts = [arena, (logits_at, logits)]
        cropped_at = scratch_at = 0
        if scratch_bytes is not None:
            photo = _lines(math.prod(module.shape))
            cropped_at = lowest_place(kept or module.while_reading, photo)
            scratch_at = lowest_place([*kept, (cropped_at, photo)], _lines(scratch_bytes))
            parts += [(cropped_at, photo), (scratch_at, _lines(scratch_bytes))]
        constants = LINE_BYTES + _lines(max(at + size for at, size in parts))
        return cls(
            arena=LINE_BYTES,
            logits=LINE_BYTES + logits_at,
            cropped=LINE_BYTES + cropped_at,
            scratch=LINE_BYTES + scratch_at,
            constants=constants,
            end=constants + constants_bytes,
        )


def _lines(size: int) -> int:
    """Return a number of bytes, rounded up to whole cache lines."""
    return -(-size // LINE_BYTES) * LINE_BYTES
