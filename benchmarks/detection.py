"""How fast detectors are: shuffle-free, with shuffles and in int8, beside those of others.

    python benchmarks/detection.py --data bccd.train.tar.gz --against nanodet_m.onnx

Ours is a detector on V2 1.0 with random weights of 80 classes, as COCO has, or that of ``--model``;
its file decodes: its output are boxes and scores. It is measured as it is exported, with shuffles
kept, and in int8 as ``shufflenet quantize`` writes it, calibrated on the images of ``--data``.

Others are ONNX files of ``--against``, given noise as they take it. For the record beside this
script it was NanoDet-m, made by its authors' code (github.com/RangiLyu/nanodet, commit be9b4a9,
``config/legacy_v0.x_configs/nanodet-m.yml``) with random weights, exported as its
``tools/export_onnx.py`` does and simplified by onnxsim 0.8.1, as that does too. Its boxes are not
decoded by the file, so that it does less.

All work on one thread and take turns: each is called for a short time, in a new random order each
round. Only the ten rounds count in which matrix products were fastest, which favors nobody. Times
are medians in milliseconds; ratios are medians of the rounds' ratios, with their quartiles.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from contenders import LeftOut, Work, by_onnxruntime, by_openvino
from speed import machine

from shufflenet.benchmark import CallTimes, gemms, quietest_rounds, time_interleaved
from shufflenet.data.boxes import open_boxes
from shufflenet.export import ExportOptions, export_file
from shufflenet.models import create_detector, load_model_and_card
from shufflenet.networks import AnyNetwork
from shufflenet.quantize import QuantizeOptions, quantize_onnx
from shufflenet.spec import Card, DetectorSpec, Label, Origin, Preprocess

ROUNDS, SECONDS = 30, 3.0
CLASSES = 80
RUNTIMES = {"onnxruntime": by_onnxruntime, "openvino": by_openvino}
OURS = "shuffle-free"


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of a file in a runtime.

    Attributes:
        file: Which one.
        runtime: ONNX Runtime or OpenVINO.
        milliseconds: The median of its calls.
        as_fast: How many times as fast as it our shuffle-free float file is in the same runtime:
            quartiles of the rounds.
    """

    file: str
    runtime: str
    milliseconds: float
    as_fast: tuple[float, float, float]


def our_detector(model: str | None, side: int) -> tuple[AnyNetwork, Card]:
    """Return a detector and its card, for square images of ``side`` px."""
    if model is not None:
        net, card = load_model_and_card(model)
        how = replace(card.preprocess, resize_px=side, crop_px=side)
        return net, replace(card, preprocess=how, detection=None)
    net = create_detector("shufflenet_v2_x1_0", num_classes=CLASSES).eval()
    names = [f"class {number}" for number in range(CLASSES)]
    card = Card(
        name="random",
        network=net.spec,
        preprocess=Preprocess(resize_px=side, crop_px=side, fit="pad"),
        labels=tuple(Label(name, name) for name in names),
        origin=Origin(data="none", licence="none"),
        task="detection",
        detector=DetectorSpec(),
    )
    return net, card


def our_files(args: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """Write our detector's files and return them by what they are called."""
    net, card = our_detector(args.model, args.image_px)
    files = {OURS: folder / "free.onnx", "with shuffles": folder / "keep.onnx"}
    export_file(net, card, files[OURS])
    export_file(net, card, files["with shuffles"], ExportOptions(shuffle="keep"))
    if args.data:
        files["int8"] = folder / "int8.onnx"
        options = QuantizeOptions(
            max_drop_percent=1 if args.model else 100, calibrators=("minmax",)
        )
        done = quantize_onnx(files[OURS], open_boxes(args.data, "train"), files["int8"], options)
        print(done)
    return files


def opened(files: dict[str, Path], side: int) -> Iterator[tuple[str, str, Work]]:
    """Yield every file in every runtime, ready to compute an image of noise."""
    for name, path in files.items():
        taken = [
            each.dim_value for each in onnx.load(path).graph.input[0].type.tensor_type.shape.dim
        ]
        shape = (1, 3, taken[2] or side, taken[3] or side)
        images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        for runtime, by in RUNTIMES.items():
            try:
                yield name, runtime, by(path, images, 1)
            except LeftOut as error:
                print(f"{name} by {runtime} is left out: {error}")


def rows(entries: Sequence[tuple[str, str, Work]]) -> Iterator[Row]:
    """Measure all in turns."""
    products = list(gemms("float32"))
    works = [*(work for _, _, work in entries), *(gemm.run for gemm in products)]
    seconds = [SECONDS] * len(entries) + [SECONDS / 6] * len(products)
    times = time_interleaved(works, seconds=seconds, rounds=ROUNDS)
    kept = quietest_rounds(times[: len(entries)], times[len(entries) :])
    by_name = {(name, runtime): kept[n] for n, (name, runtime, _) in enumerate(entries)}
    for (name, runtime), taken in by_name.items():
        yield _row(name, runtime, taken, by_name[OURS, runtime])


def _row(name: str, runtime: str, taken: CallTimes, ours: CallTimes) -> Row:
    ratios = np.array(taken.round_medians) / np.array(ours.round_medians)
    low, median, high = (round(float(each), 3) for each in np.percentile(ratios, (25, 50, 75)))
    milliseconds = round(1e3 * float(np.median(np.concatenate(taken.warm))), 3)
    return Row(name, runtime, milliseconds, (low, median, high))


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="a detector's checkpoint or run (default: random weights)")
    parser.add_argument("--data", help="images with boxes to calibrate int8 on (default: no int8)")
    parser.add_argument("--against", action="append", default=[], type=Path, metavar="FILE.onnx")
    parser.add_argument("--image-px", type=int, default=320)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = our_files(args, Path(folder)) | {path.stem: path for path in args.against}
        found = list(rows(list(opened(files, args.image_px))))
    for row in found:
        low, median, high = row.as_fast
        print(
            f"{row.file:20} {row.runtime:12} {row.milliseconds:7.2f} ms; shuffle-free float is "
            f"{median:.2f} ({low:.2f} to {high:.2f}) times as fast"
        )
    content = {
        "machine": machine(),
        "model": args.model and Path(args.model).name,
        "image_px": args.image_px,
        "rows": [asdict(row) for row in found],
    }
    args.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
