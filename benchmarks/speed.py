"""How fast ShuffleNet is without its shuffle, beside what one would run instead.

    python benchmarks/speed.py
    python benchmarks/speed.py --quick
    python benchmarks/speed.py --networks shufflenet_v2_x1_0 --batches 1 --threads 1

needs the extras ``torch``, ``openvino`` and ``llvm`` (what is not installed is left out, and said).
V2 1.0 has the weights of the model that ships, other networks have random ones. All contenders of a
network, batch and number of threads take turns in one process (see ``shufflenet.benchmark``), with
products of matrices among them, to tell what the machine could give at that time. Where others use
the machine too, ``--rounds 40`` finds times when they do little: of those rounds the ten count in
which the products of matrices were fastest. What is measured is added to ``speed.json`` beside this
script, in place of what was measured before on the same machine with the same packages; results of
another machine are replaced. ``speed-vnni.json`` keeps those of the same machine without AMX, which
``without_amx.py`` withholds, and ``speed-avx2.json`` those of one without VNNI. All of it takes an
hour, most of it for torch.compile and batches of 32; a network takes a quarter of that.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from contenders import OURS, QUANTISED, SIDE, STANDARD, Networks
from tqdm import tqdm
from without_amx import amx_permitted

from shufflenet.benchmark import (
    ROUNDS,
    CallTimes,
    cost,
    gemms,
    peak_gops,
    quietest_rounds,
    speedup,
    time_interleaved,
)
from shufflenet.runtimes import computes_int8_exactly
from shufflenet.zoo import find_network

NETWORKS = (
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x2_0",
    "shufflenet_v1_g3_x1_0",
)
FILE = Path(__file__).with_suffix(".json")
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimd", "asimddp", "i8mm")
_GEMM_SECONDS = 0.5

Row = dict[str, Any]


def options() -> argparse.Namespace:
    """Read what part is to be measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="NAME")
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 32), metavar="N")
    parser.add_argument("--threads", nargs="+", type=int, default=(1, 2), metavar="N")
    parser.add_argument(
        "--seconds", type=float, default=4.0, help=f"for each contender, in {ROUNDS} rounds"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        metavar="N",
        help=f"of which the {ROUNDS} quietest count (default: %(default)s)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="V2 1.0 alone, one image, one thread, 1 second each"
    )
    parser.add_argument(
        "--without", nargs="+", default=(), metavar="RUNTIME", help="such as torch.compile"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the graphs there, and use what lies there"
    )
    parser.add_argument("--to", type=Path, default=FILE, metavar="FILE.json")
    args = parser.parse_args()
    if args.quick:
        args.networks, args.batches, args.threads = ("shufflenet_v2_x1_0",), (1,), (1,)
        args.seconds, args.without = 1.0, ("torch.compile",)
    return args


def main() -> None:
    """Measure, print, write."""
    args = options()
    about = machine()
    before = json.loads(args.to.read_text()) if args.to.exists() else {}
    rows: list[Row] = before.get("rows", []) if before.get("machine") == about else []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        networks = Networks(folder, args.without)
        for setting in product(args.networks, args.threads, args.batches):
            measured = measure(networks, *setting, args.seconds, args.rounds, left_out.append)
            rows = [row for row in rows if _setting(row) != setting] + measured
            result = {
                "machine": about,
                "left_out": left_out,
                "summary": summary(rows),
                "rows": rows,
            }
            args.to.write_text(f"{json.dumps(result, indent=1)}\n")
    for line in words(result):
        print(line)


def measure(
    networks: Networks,
    name: str,
    threads: int,
    batch: int,
    seconds: float,
    rounds: int,
    left_out: Callable[[str], None],
) -> list[Row]:
    """Let all contenders take turns at one network, batch and number of threads."""
    print(f"{name}, batch {batch}, threads {threads}", file=sys.stderr)
    images = np.random.default_rng(0).standard_normal((batch, 3, SIDE, SIDE), np.float32)
    entries = networks.entries(name, images, threads, left_out)
    products = [*gemms("float32"), *gemms("int8")]
    works = [entry.work for entry in entries] + [gemm.run for gemm in products]
    lengths = [seconds] * len(entries) + [_GEMM_SECONDS] * len(products)
    with tqdm(total=rounds * len(works), unit=" blocks", mininterval=5.0) as bar:
        all_times = time_interleaved(works, seconds=lengths, rounds=rounds, on_progress=bar.update)
    times = quietest_rounds(all_times, all_times[len(entries) :])
    rates = list(zip(products, times[len(entries) :], strict=True))
    peaks = {kind: threads * peak_gops(rates, kind) for kind in ("float32", "int8")}
    expected = entries[0].work()
    about = {"network": name, "threads": threads, "batch": batch, "rounds": rounds}
    operations = 2e-9 * cost(find_network(name), SIDE, SIDE).multiply_adds * batch
    return [
        {
            **about,
            "graph": entry.graph,
            "runtime": entry.runtime,
            "precision": entry.precision,
            **_times(found),
            "images_per_second": round(batch / float(np.median(np.concatenate(found.warm))), 1),
            "max_abs_difference": float(np.abs(entry.work() - expected).max()),
            "max_abs_logit": float(np.abs(expected).max()),
            "gops": round(operations / float(np.median(np.concatenate(found.warm))), 1),
            "gemm_gops": round(peaks[entry.precision], 1),
        }
        for entry, found in zip(entries, times, strict=False)
    ]


def _times(times: CallTimes) -> Row:
    calls, rounds = np.concatenate(times.warm), np.array(times.round_medians)
    values = {
        "p10_ms": np.percentile(calls, 10),
        "p50_ms": np.median(calls),
        "p95_ms": np.percentile(calls, 95),
        "cold_ms": np.median(times.cold),
    }
    return {
        **{name: round(1e3 * float(value), 4) for name, value in values.items()},
        "spread": round(float(rounds.max() / rounds.min()), 3),
        "rounds_ms": [round(1e3 * float(value), 4) for value in rounds],
    }


def _setting(row: Row) -> tuple[str, int, int]:
    return row["network"], row["threads"], row["batch"]


def summary(rows: Sequence[Row]) -> list[Row]:
    """Compare what took turns with each other.

    Ratios are times as fast, of the same rounds: quartile, median, quartile.
    """
    found = []
    for setting in dict.fromkeys(map(_setting, rows)):
        here = [row for row in rows if _setting(row) == setting]
        name, threads, batch = setting
        ratios = dict(_ratios(here))
        shares = dict(_shares(here))
        found.append({
            "network": name, "threads": threads, "batch": batch, **ratios, **shares,
        })  # fmt: skip
    return found


def _ratios(rows: Sequence[Row]) -> Iterator[tuple[str, list[float]]]:
    def best(graphs: Sequence[str], precision: str, runtime: str = "") -> Row | None:
        fitting = [
            row
            for row in rows
            if row["graph"] in graphs
            and row["precision"] == precision
            and runtime in ("", row["runtime"])
        ]
        return min(fitting, key=lambda row: float(row["p50_ms"]), default=None)

    ort, ours = "ONNX Runtime", (OURS, QUANTISED)
    pairs = {
        "a: float32, best of ours / best of standard": (
            best(ours, "float32"), best((STANDARD,), "float32"),
        ),
        f"a: float32, ours / standard, {ort}": (
            best(ours, "float32", ort), best((STANDARD,), "float32", ort),
        ),
        **{
            f"b: int8, ours / standard, {runtime}": (
                best((OURS,), "int8", runtime), best((STANDARD,), "int8", runtime),
            )
            for runtime in (ort, "OpenVINO")
        },
        **{
            f"b: int8, shufflenet quantize / standard, {runtime}": (
                best((QUANTISED,), "int8", runtime), best((STANDARD,), "int8", runtime),
            )
            for runtime in (ort, "OpenVINO")
        },
        f"c: int8, best of ours / float32 standard, {ort}": (
            best(ours, "int8"), best((STANDARD,), "float32", ort),
        ),
        **{
            f"d: int8 / float32, ours, {runtime}": (
                best(ours, "int8", runtime), best(ours, "float32", runtime),
            )
            for runtime in (ort, "OpenVINO", "LLVM")
        },
    }  # fmt: skip
    for name, (one, other) in pairs.items():
        if one and other:
            found = speedup(one["rounds_ms"], other["rounds_ms"])
            yield name, [round(value, 3) for value in (found.low, found.median, found.high)]


def _shares(rows: Sequence[Row]) -> Iterator[tuple[str, float]]:
    for precision in ("float32", "int8"):
        shares = [
            row["gops"] / row["gemm_gops"]
            for row in rows
            if row["graph"] != STANDARD and row["precision"] == precision
        ]
        if shares:
            yield f"e: {precision}, best of ours, share of the GEMM peak", round(max(shares), 3)


def words(result: Row) -> Iterator[str]:
    """Tell a result in lines."""
    yield ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    for compared in result["summary"]:
        setting = _setting(compared)
        yield "\n{}, {} thread(s), batch {}".format(*setting)
        for row in (row for row in result["rows"] if _setting(row) == setting):
            yield (
                f"  {row['graph']:12}  {row['runtime']:13}  {row['precision']:7}"
                f"  p50 {row['p50_ms']:8.2f} ms  p10 {row['p10_ms']:8.2f}"
                f"  cold {row['cold_ms']:8.2f}  spread {row['spread']:4.2f}"
                f"  {row['gops'] / row['gemm_gops']:4.0%} of {row['gemm_gops']:.0f} Gop/s"
                f"  differs {row['max_abs_difference']:.0e} of {row['max_abs_logit']:.1f}"
            )
        for name, value in compared.items():
            if isinstance(value, list):
                yield f"  {name}: {value[1]:.2f} ({value[0]:.2f} to {value[2]:.2f})"
            elif isinstance(value, float):
                yield f"  {name}: {value:.0%}"
    for reason in result["left_out"]:
        yield f"left out: {reason}"


def machine() -> Row:
    """Say what was measured on, and with which packages."""
    name, flags = _processor()
    return {
        "processor": name,
        "flags": " ".join(flag for flag in FLAGS if flag in flags),
        "cores": os.cpu_count(),
        "int8_sums_exact": computes_int8_exactly(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{
            package: _version(package)
            for package in ("torch", "onnxruntime", "openvino", "llvmlite")
        },
    }


def _processor() -> tuple[str, list[str]]:
    """Give the processor's name and what it can; Linux tells, others tell the name at most."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine(), []
    lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    flags = found.get("flags", found.get("Features", "")).split()  # Arm's kernel calls them so
    if not amx_permitted():
        flags = [flag for flag in flags if not flag.startswith("amx")]
    return found.get("model name", platform.machine()), flags


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
