"""Networks compiled to objects for other processors, and run on images there."""

from pathlib import Path

import numpy as np

from cross import build_program, run_program
from shufflenet.codegen import Facts, Module, object_file
from shufflenet.graph import Floats
from shufflenet.spec import Label

_SOURCE = """
#include <stdint.h>
#include <stdio.h>

int32_t shufflenet_prepare(void *memory, size_t bytes);
int32_t shufflenet_logits_of_image(void *memory, const float *image, float *logits);

static _Alignas(64) unsigned char memory[%(memory)d];
static float image[%(image)d], logits[%(logits)d];

int main(void)
{
    if (shufflenet_prepare(memory, sizeof memory))
        return 1;
    while (fread(image, sizeof image, 1, stdin) == 1) {
        if (shufflenet_logits_of_image(memory, image, logits))
            return 2;
        fwrite(logits, sizeof logits, 1, stdout);
    }
    return 0;
}
"""


def logits_elsewhere(machine: str, module: Module, images: Floats, folder: Path) -> Floats:
    """Compute logits, ``(n, classes)``, of images on a machine of ``cross.MACHINES``."""
    labels = [Label(f"n{number}", f"class {number}") for number in range(module.classes)]
    compiled = object_file(module, Facts(labels=labels, card="{}"))
    sizes = {
        "memory": compiled.memory_bytes,
        "image": images[0].size,
        "logits": module.classes,
    }
    main, network = folder / "main.c", folder / "network.o"
    main.write_text(_SOURCE % sizes)
    network.write_bytes(compiled.content)
    program = build_program(machine, [main, network], folder / "program")
    output = run_program(machine, program, content=images.astype("<f4").tobytes())
    return np.frombuffer(output, "<f4").reshape(len(images), -1)
