"""How busy the inner loops keep an ARM core's multiply-add units, by a model of the core.

    pip install -e '.[llvm]'
    apt install llvm-19                     # for llvm-mca; later ones will do, older ones not
    python benchmarks/arm_loops.py

No ARM machine is needed, and none was at hand: nothing here was measured. ``llvm-mca`` simulates
how a core issues the instructions of a loop again and again, with all data in the first cache.
A core's peak is what the same model makes of multiply-adds that wait for nothing. For the
Cortex-A76, LLVM has the model of an older core, the Cortex-A57; the Neoverse N1 is the A76 for
servers, with the same multiply-add units, and LLVM's model of it is its own. What is printed is
written beside this script as JSON.
"""

import argparse
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from llvmlite import ir

from shufflenet.codegen._llvm import optimize, target_machine
from shufflenet.codegen.kernels import Kernels, Multiplier, float_multiplier, int8_multiplier
from shufflenet.spec import TARGETS, Target

ITERATIONS = 200
INDEPENDENT = 16  # multiply-adds that wait for nothing, by registers of their own
MULTIPLY = r"fmla|[us]dot|sudot|usdot|usmmla|smull2?|smlal2?"
TITLES = {"": "product", "runs": "product of inputs in runs"}

Row = dict[str, object]


def main() -> None:
    """Simulate the loops of every kind and core; print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mca", default=shutil.which("llvm-mca-19") or "llvm-mca")
    mca = parser.parse_args().mca
    rows = []
    for cpu, name, is_int8 in (
        ("neoverse-n1", "aarch64-linux", False),
        ("cortex-a76", "aarch64-linux", False),
        ("neoverse-n1", "aarch64-linux", True),
        ("cortex-a76", "aarch64-linux", True),
        ("neoverse-n1", "aarch64-linux-dotprod", True),
        ("cortex-a76", "aarch64-linux-dotprod", True),
        ("neoverse-v1", "aarch64-linux-i8mm", True),
    ):
        target = replace(TARGETS[name], cpu=cpu)
        multiplier = (
            int8_multiplier(target, least_weight=-127) if is_int8 else float_multiplier(target)
        )
        for row in simulated(mca, target, multiplier):
            by = target.multiplies_bytes if is_int8 else "float32"
            rows.append({"core": cpu, "by": by} | row)
            print(*rows[-1].values(), sep="  ")
    first_line = subprocess.run([mca, "--version"], capture_output=True, text=True, check=True)
    result = {
        "what": "simulated by llvm-mca; no ARM machine was at hand, so nothing was measured",
        "mca": " ".join(first_line.stdout.split()[:5]),
        "llvmlite": version("llvmlite"),
        "rows": rows,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


def simulated(mca: str, target: Target, multiplier: Multiplier) -> Iterator[Row]:
    """Return a row for the inner loop of each tile that is as large as they get."""
    assembly = assembly_of(target, multiplier)
    for kind, title in TITLES.items():
        for vectors, pixels in multiplier.layout.most_pixels.items():
            yield row_of(mca, target, assembly, f"tiles_{pixels}_{vectors}_{kind}") | {
                "loop": f"{title}: {pixels} pixels by {vectors} vectors"
            }
    yield row_of(mca, target, assembly, "depthwise_3") | {"loop": "depthwise 3x3"}


def assembly_of(target: Target, multiplier: Multiplier) -> str:
    """Compile the kernels to assembly, each as a function of its own name."""
    module = ir.Module()
    kernels = Kernels.create(module, multiplier)
    for kernel in (kernels.gemm.product(), kernels.gemm.product("runs"), kernels.depthwise(3)):
        kernel.function.linkage = "external"
    machine = target_machine(target, jit=False)
    text: str = machine.emit_assembly(optimize(module, target, machine))
    return text


def row_of(mca: str, target: Target, assembly: str, function: str) -> Row:
    """Simulate a function's innermost loop with the most multiply-adds."""
    loop = max(loops(assembly, function), key=lambda lines: len(multiplies(lines)))
    count = len(multiplies(loop))
    cycles = cycles_of(mca, target, loop)
    # The same instruction with other sums each time, which no other waits for.
    operation = re.sub(r"v\d+", "v{}", multiplies(loop)[0], count=1)
    operation = re.sub(r",\s*v\d+", ", v15", operation)
    free = [operation.format(16 + number) for number in range(INDEPENDENT)]
    peak = INDEPENDENT / cycles_of(mca, target, free)
    return {
        "instructions": len(loop),
        "multiply-adds": count,
        "cycles": round(cycles, 1),
        "multiply-adds a cycle": round(count / cycles, 2),
        "peak": round(peak, 2),
        "share": round(count / cycles / peak, 2),
    }


def loops(assembly: str, function: str) -> Iterator[list[str]]:
    """Return the instructions of each loop of a function that has no loop or branch inside."""
    text = assembly[assembly.index(f"\n{function}:") :].split(".Lfunc_end", 1)[0]
    labels: dict[str, int] = {}
    instructions: list[str] = []
    for line in text.splitlines():
        if label := re.match(r"(\.LBB\w+):", line):
            labels[label[1]] = len(instructions)
        elif re.match(r"\s+[a-z]", line):
            instructions.append(line)
            jump = re.search(r"\sb\.\w+\s+(\.LBB\w+)", line)
            if jump and jump[1] in labels:
                first = labels[jump[1]]
                if not any(first < place < len(instructions) for place in labels.values()):
                    yield instructions[first:]


def multiplies(lines: list[str]) -> list[str]:
    """Return the instructions that multiply and add."""
    return [line for line in lines if re.match(rf"\s+({MULTIPLY})\s", line)]


def cycles_of(mca: str, target: Target, lines: list[str]) -> float:
    """Return the cycles that a core takes for instructions each time it repeats them.

    Raises:
        SystemExit: the output is another than expected.
    """
    cycles = []
    for iterations in (ITERATIONS, 2 * ITERATIONS):  # their difference is without the start
        command = [mca, "-march=aarch64", f"-mcpu={target.cpu}", f"-iterations={iterations}"]
        text = "\n".join(lines)
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        found = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
        if not found:
            raise SystemExit(f"{mca} printed no cycles")
        cycles.append(int(found[1]))
    return (cycles[1] - cycles[0]) / ITERATIONS


if __name__ == "__main__":
    main()
