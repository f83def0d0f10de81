"""Networks compiled to objects for other processors, and run on images there."""

from pathlib import Path

import numpy as np

from cross import build_program, run_program
from shufflenet.codegen import Module, object_file
from shufflenet.graph import Floats

_SOURCE = """
#include <stdint.h>
#include <stdio.h>

extern const int64_t shufflenet_arena_bytes;
void shufflenet_prepare(void *arena);
void shufflenet_run(void *arena, const float *image, float *logits);

static _Alignas(64) unsigned char arena[%(arena)d];
static float image[%(image)d], logits[%(logits)d];

int main(void)
{
    if (shufflenet_arena_bytes != sizeof arena)
        return 1;
    shufflenet_prepare(arena);
    while (fread(image, sizeof image, 1, stdin) == 1) {
        shufflenet_run(arena, image, logits);
        fwrite(logits, sizeof logits, 1, stdout);
    }
    return 0;
}
"""


def logits_elsewhere(machine: str, module: Module, images: Floats, folder: Path) -> Floats:
    """Compute logits, ``(n, classes)``, of images on a machine of ``cross.MACHINES``."""
    sizes = {
        "arena": module.arena_bytes,
        "image": images[0].size,
        "logits": module.logits_pitch,
    }
    main, compiled = folder / "main.c", folder / "network.o"
    main.write_text(_SOURCE % sizes)
    compiled.write_bytes(object_file(module))
    program = build_program(machine, [main, compiled], folder / "program")
    output = run_program(machine, program, content=images.astype("<f4").tobytes())
    return np.frombuffer(output, "<f4").reshape(len(images), -1)[:, : module.classes]
