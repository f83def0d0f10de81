import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from fakes import FakeClock, Reddest
from shufflenet.benchmark import (
    ROUNDS,
    CallTimes,
    Contender,
    Gemm,
    Timing,
    compare,
    cost,
    count_blocks,
    gemms,
    peak_gops,
    peak_memory_bytes,
    quietest_rounds,
    speedup,
    time_interleaved,
    time_layers,
    verdict,
)
from shufflenet.cli import main
from shufflenet.cli._benchmark import _precision
from shufflenet.errors import CheckpointError
from shufflenet.export import ExportOptions, export_onnx_file
from shufflenet.files import read_card
from shufflenet.layers import layers
from shufflenet.machine import cores
from shufflenet.preprocess import Pixels
from shufflenet.report.charts import plot_timings
from shufflenet.spec import CARD_KEY, RUNTIMES, Accuracy, Int8
from shufflenet.zoo import SHIPPED, find_network
from test_runtimes_model import CARD


class Timed(Reddest):
    """A classifier that takes a known time, more of it when another was called in between."""

    last: "Timed | None" = None

    def __init__(self, clock: FakeClock, warm_s: float, cold_s: float) -> None:
        super().__init__(CARD)
        self.clock, self.warm_s, self.cold_s = clock, warm_s, cold_s

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self.clock.advance(self.warm_s if Timed.last is self else self.cold_s)
        Timed.last = self
        return super().logits(batch) + np.float32(self.warm_s)


def test_contenders_alternate_and_first_calls_are_kept_apart() -> None:
    clock, tick = FakeClock(), FakeClock.STEP  # a call takes a tick more: the clock is read once
    quick, slow = Timed(clock, 3 * tick, 31 * tick), Timed(clock, 7 * tick, 31 * tick)
    contenders = [
        Contender("quick", "onnxruntime", "float32", 1, quick),
        Contender("slow", "onnxruntime", "float16", 2, slow),
    ]
    blocks: list[int] = []
    first, second = compare(
        contenders, batch=2, seconds=ROUNDS * 64 * tick, clock=clock, on_progress=blocks.append
    )
    assert sum(blocks) == count_blocks(contenders) == ROUNDS * 5
    assert (first.model, second.model) == ("quick", "slow")
    assert (first.precision, second.precision) == ("float32", "float16")
    assert (first.p50_ms, second.p50_ms) == (4e3 * tick, 8e3 * tick)
    assert (first.p95_ms, second.p95_ms) == (4e3 * tick, 8e3 * tick)
    assert first.cold_ms == second.cold_ms == 32e3 * tick
    assert first.calls > second.calls >= ROUNDS * 4  # as many as fit into 64 ticks a round
    assert first.images_per_second == 2 * 1000 / first.p50_ms
    assert first.rounds_ms == (first.p50_ms,) * ROUNDS
    assert first.spread == 1
    assert (first.is_reference, second.is_reference) == (True, False)
    assert first.max_abs_difference == 0
    assert second.max_abs_difference == pytest.approx(4 * tick, rel=1e-4)
    assert second.gemm_gops == 2 * first.gemm_gops
    assert first.gemm_gops == 2e-9 * 1024 * 512 * 512 / tick  # a matrix product takes a tick here
    assert first.gops == pytest.approx(4e-9 * cost(CARD.network, 32, 32).multiply_adds / 4 / tick)
    assert first.gemm_share == first.gops / first.gemm_gops


def test_the_spread_is_that_of_the_medians_of_rounds() -> None:
    clock = FakeClock()
    seconds = iter([1.0] * 3 + [2.0, 4.0] * ROUNDS)  # one call beforehand, then two a round
    (times,) = time_interleaved(
        [lambda: clock.advance(next(seconds))], seconds=[0.0], rounds=2, clock=clock
    )
    assert times.cold == [1 + FakeClock.STEP, 2 + FakeClock.STEP]
    assert times.round_medians == [1 + FakeClock.STEP, 4 + FakeClock.STEP]


def test_a_function_longer_than_a_block_is_called_twice_a_round() -> None:
    calls: list[int] = []
    (times,) = time_interleaved([lambda: calls.append(1)], seconds=[0.0], clock=FakeClock())
    assert len(calls) == 1 + 2 * ROUNDS
    assert (len(times.cold), [len(block) for block in times.warm]) == (ROUNDS, [1] * ROUNDS)


def test_the_quietest_rounds_are_those_in_which_the_references_were_fast() -> None:
    disturbed = [3, 4, 7]
    count = ROUNDS + len(disturbed)
    slowed = [2.0 if number in disturbed else 1.0 for number in range(count)]
    own = CallTimes([float(n) for n in range(count)], [[float(n)] for n in range(count)])
    reference = CallTimes([0.0] * count, [[seconds, seconds] for seconds in slowed])
    (quiet,) = quietest_rounds([own], [reference])
    assert quiet.round_medians == quiet.cold == [n for n in range(count) if n not in disturbed]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_matrix_products_have_the_operations_that_are_counted(precision: str) -> None:
    for gemm in gemms("float32" if precision == "float32" else "int8"):
        result = np.asarray(gemm.run())[0]
        assert result.shape == (gemm.rows, 512)
        assert (result == 512).all()
        assert gemm.operations == 2 * gemm.rows * 512 * 512


def test_the_peak_is_the_best_rate_of_a_precision() -> None:
    measured = [
        (Gemm("float32", rows, lambda: None), CallTimes([9.0], [[seconds, seconds]] * 3))
        for rows, seconds in ((256, 0.1), (512, 0.1), (1024, 0.4))
    ]
    measured.append((Gemm("int8", 512, lambda: None), CallTimes([9.0], [[0.001]])))
    assert peak_gops(measured, "float32") == pytest.approx(2 * 512**3 / 0.1 / 1e9)


def test_memory_is_that_of_a_process_of_its_own() -> None:
    peaks = peak_memory_bytes("default", "onnxruntime", threads=1, batches=(64, 1))
    if sys.platform == "win32":
        assert peaks is None
        return
    assert peaks
    images = 64 * 3 * 56 * 56 * 4
    assert 1e6 < peaks[1] < peaks[1] + images < peaks[64] < 1e9


def test_memory_is_not_known_where_the_process_fails() -> None:
    assert peak_memory_bytes("none", "onnxruntime", threads=1, batches=(1,)) is None


def test_memory_is_read_among_what_libraries_print(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a banner\n\nPEAKS [20, 30]\nand a farewell\n"

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, text, "")

    monkeypatch.setattr("shufflenet.benchmark._memory.subprocess.run", run)
    assert peak_memory_bytes("any", "any", threads=1, batches=(8, 1)) == {1: 20, 8: 30}
    text = ""
    assert peak_memory_bytes("any", "any", threads=1, batches=(8, 1)) is None


def test_images_are_measured_as_pixels_where_the_card_says_how() -> None:
    given: list[tuple[np.dtype[np.generic], tuple[int, ...]]] = []

    class Watched(Reddest):
        def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
            given.append((pixels.dtype, pixels.shape))
            return np.zeros((len(pixels), 3), np.float32)

        def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            given.append((batch.dtype, batch.shape))
            return np.zeros((len(batch), 3), np.float32)

    two = dataclasses.replace(CARD.network, in_channels=2)
    how = dataclasses.replace(
        CARD.preprocess, crop_px=(32, 40), channels="stored", bits=16, mean=(0, 0), std=(1, 1)
    )
    other = dataclasses.replace(CARD, network=two)
    for card in (CARD, other, dataclasses.replace(other, preprocess=how)):
        contender = Contender("any", "onnxruntime", "float32", 1, Watched(card))
        compare([contender], batch=2, seconds=0.0, clock=FakeClock())
    assert set(given) == {
        (np.dtype(np.uint8), (2, 32, 32, 3)), (np.dtype(np.float32), (2, 2, 32, 32)),
        (np.dtype(np.uint16), (2, 32, 40, 2)),
    }  # fmt: skip


def test_a_time_of_no_answer_is_not_told() -> None:
    class Broken(Reddest):
        def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
            return np.full((len(pixels), 3), np.nan, np.float32)

    contender = Contender("any", "onnxruntime", "float32", 1, Broken(CARD))
    with pytest.raises(CheckpointError, match="'any' computes logits that are infinite or NaN"):
        compare([contender], batch=1, seconds=0.0, clock=FakeClock())


def timing(model: str, runtime: str, precision: str, rounds: tuple[float, ...]) -> Timing:
    return Timing(
        model=model,
        network="net",
        runtime=runtime,
        precision="int8" if precision == "int8" else "float32",
        threads=1,
        batch=1,
        image_px=56,
        calls=100,
        p50_ms=float(np.median(rounds)),
        p95_ms=9.0,
        cold_ms=9.0,
        rounds_ms=rounds,
        images_per_second=1.0,
        spread=1.0,
        is_reference=False,
        max_abs_difference=0.0,
        max_abs_logit=1.0,
        gops=1.0,
        gemm_gops=2.0,
        gemm_share=0.5,
    )


def test_a_chart_shows_names_as_they_are(tmp_path: Path) -> None:
    name = "$x_{$ \x1b[2J.onnx"  # no formula, and no XML
    plot_timings([timing(name, "onnxruntime", "float32", (1.0, 2.0))], tmp_path / "a.SVG")
    assert r"$x_{$ \x1b[2J.onnx" in (tmp_path / "a.SVG").read_text("utf-8")


def test_the_verdict_is_in_words() -> None:
    both = [
        timing("a", "onnxruntime", "float32", (4.0, 4.0, 4.0)),
        timing("a", "openvino", "float32", (2.0, 2.0, 2.0)),
        timing("b", "onnxruntime", "int8", (2.0, 2.0, 2.0)),
        timing("b", "openvino", "int8", (1.0, 4.0, 2.0)),
    ]
    assert verdict(both) == [
        "Batch 1, 1 thread: a in float32 by OpenVINO is fastest, 2.00 ms.",
        "For a, OpenVINO is 2.00 times as fast as ONNX Runtime.",
        "For b, ONNX Runtime is about as fast as OpenVINO "
        "(1.00 times, within the measured variation).",
        "int8 pays here by ONNX Runtime: b is 2.00 times as fast as a in float32.",
        "int8 does not pay here by OpenVINO: "
        "b is about as fast as a in float32 (1.00 times, within the measured variation).",
    ]
    assert verdict(both[:1]) == []
    assert verdict([both[0], dataclasses.replace(both[1], batch=8)]) == []


def test_a_speedup_compares_rounds_that_were_shared() -> None:
    ratio = speedup((1.0, 10.0, 2.0), (2.0, 20.0, 4.0))
    assert (ratio.low, ratio.median, ratio.high, ratio.is_clear) == (2, 2, 2, True)
    assert not speedup((1.0, 2.0), (1.01, 2.02)).is_clear


def test_layers_are_timed_one_by_one(tmp_path: Path) -> None:
    assert SHIPPED.onnx
    spec = dataclasses.replace(find_network("shufflenet_v2_x1_0"), classes=200, stem_stride=2)
    all_layers = list(layers(spec, 56, 56))
    times = time_layers(SHIPPED.onnx, all_layers, (1, 3, 56, 56), clock=FakeClock())
    assert len(times.layers_ms) == len(all_layers)
    assert None not in times.layers_ms
    assert {"Split", "Concat", "ReduceMean"} <= set(times.others_ms)
    assert "Conv" not in times.others_ms
    assert times.total_ms == sum(filter(None, times.layers_ms)) + sum(times.others_ms.values())
    assert times.call_ms == 1e3 * FakeClock.STEP
    # Convolutions of other sizes are not these layers, even where their weights have equal shapes.
    larger = time_layers(SHIPPED.onnx, list(layers(spec, 112, 112)), (1, 3, 56, 56))
    assert larger.layers_ms[0] is None
    assert "Conv" in larger.others_ms
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="is not an ONNX file that ONNX Runtime can run"):
        time_layers(tmp_path / "a.onnx", all_layers, (1, 3, 56, 56))


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        return code, *capsys.readouterr()

    return call


def test_the_command_measures_every_runtime(run: Run, tmp_path: Path) -> None:
    chart = tmp_path / "speed.svg"
    code, out, _ = run(
        "benchmark", "default", "--seconds", 0.01, "--batch", "1,3", "--json", "--chart", chart
    )
    rows = json.loads(out)
    assert code == 0
    assert [(row["runtime"], row["batch"]) for row in rows] == [
        (runtime, batch)
        for batch in (1, 3)
        for runtime in ("onnxruntime", "openvino", "llvm", "torch")
    ]
    for row in rows:
        assert row["model"] == "default"
        assert row["precision"] == "float32"
        assert row["max_abs_difference"] < 1e-4
        assert row["is_reference"] is (row["runtime"] == "torch")
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert row["gemm_share"] == row["gops"] / row["gemm_gops"]
        assert row["file_bytes"] > 1e6
        assert row["peak_memory_bytes"] > 1e6
    assert "OpenVINO" in chart.read_text()


def test_a_single_contender_is_its_own_reference(run: Run) -> None:
    code, out, _ = run(
        "benchmark", "default", "--runtime", "onnxruntime", "--seconds", 0.01, "--threads", "1,2"
    )
    assert code == 0
    assert "p50 ms" in out
    assert out.partition("\n\n")[0].count("reference") == 2
    assert "0.0e+00" not in out
    assert "billions of multiplications" in out


def test_the_precision_is_what_the_file_states(tmp_path: Path) -> None:
    assert SHIPPED.onnx
    assert SHIPPED.checkpoint
    card = read_card(SHIPPED.checkpoint)
    by, torch = RUNTIMES["onnxruntime"], RUNTIMES["torch"]
    assert _precision(SHIPPED.onnx, by, card) == "float32"
    assert _precision(SHIPPED.checkpoint, torch, card) == "float32"
    export_onnx_file(
        SHIPPED.onnx, tmp_path / "half.onnx", options=ExportOptions(precision="float16")
    )
    assert _precision(tmp_path / "half.onnx", by, card) == "float16"
    model = onnx.load(SHIPPED.onnx)
    accuracy = Accuracy(top1=9, top5=10, images=10)
    int8 = Int8(
        weight_range="portable", calibrator="max", calibration_images=2, judged_by="labels",
        float_accuracy=accuracy, int8_accuracy=accuracy,
    )  # fmt: skip
    card = dataclasses.replace(card, int8=int8)
    (entry,) = (entry for entry in model.metadata_props if entry.key == CARD_KEY)
    entry.value = card.to_json()
    onnx.save(model, tmp_path / "int8.onnx")
    assert _precision(tmp_path / "int8.onnx", by, card) == "int8"


def test_there_may_be_nothing_to_compare(run: Run) -> None:
    _, out, _ = run("benchmark", "default", "--runtime", "openvino", "--seconds", 0.01)
    assert out.endswith("There is nothing to compare it with.\n")


@pytest.mark.parametrize("arguments", [["--threads", "0"], ["--seconds", "-1"], ["--batch", "x"]])
def test_the_command_refuses_wrong_usage(run: Run, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run("benchmark", "default", *arguments)
    assert exit_.value.code == 2


def test_the_command_refuses_what_it_cannot_do(run: Run, tmp_path: Path) -> None:
    code, _, err = run("benchmark", "default", "--threads", 999)
    assert (code, err.count("\n")) == (1, 1)
    assert f"must be at most {4 * cores()}" in err
    code, _, err = run("benchmark", "defualt")
    assert code == 1
    assert "Did you mean 'default'" in err
    code, _, err = run("benchmark", "default", "--chart", tmp_path / "speed.pdf")
    assert (code, "must end in .png or .svg" in err) == (2, True)
    code, _, err = run("benchmark", SHIPPED.onnx, "--runtime", "torch")
    assert (code, "not a checkpoint that torch can load" in err) == (1, True)


def test_a_chart_without_matplotlib_is_refused_before_work(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None;"
        "from shufflenet.cli import main;"
        f"sys.exit(main(['benchmark', 'default', '--chart', {str(tmp_path / 'a.svg')!r}]))"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert "pip install 'shufflenet[chart]'" in process.stderr
    assert process.stderr.count("\n") == 1


def test_show_tells_what_each_layer_costs(run: Run) -> None:
    shown = json.loads(run("show", "default", "--json")[1])
    assert sum(layer["parameters"] for layer in shown["layers"]) == shown["parameters"]
    for field in ("multiply_adds", "memory_access_bytes"):
        assert sum(layer[field] for layer in shown["layers"]) == shown[field]
    assert "time" not in shown
    assert "stage2.0.branch1.0" not in run("show", "default")[1]
    out = run("show", "shufflenet_v2_x1_0", "--layers")[1]
    (line,) = (line for line in out.splitlines() if line.startswith("stage2.1.branch2.0"))
    # G1 of the paper: 4 * (h * w * (c1 + c2) + c1 * c2) bytes.
    assert line.split()[-1] == f"{4 * (28 * 28 * (58 + 58) + 58 * 58):,}"


def test_show_tells_how_long_each_layer_takes(run: Run) -> None:
    shown = json.loads(run("show", "default", "--time", "--json")[1])
    assert all(layer["ms"] > 0 for layer in shown["layers"])
    assert shown["time"]["threads"] == 1
    assert shown["time"]["others_ms"]["Split"] > 0
    out = run("show", "default", "--time")[1]
    assert "total" in out
    assert "A call without the profiler takes" in out
