import json
import time

import numpy as np
import numpy.typing as npt
import pytest

from fakes import Reddest
from shufflenet.benchmark import Contender, compare
from shufflenet.cli import main
from test_engine import CARD


class Sleeper(Reddest):
    """A classifier that takes a known time, more of it when another had its turn in between."""

    last: "Sleeper | None" = None

    def __init__(self, warm_s: float, cold_s: float) -> None:
        super().__init__(CARD)
        self.warm_s, self.cold_s = warm_s, cold_s

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        time.sleep(self.warm_s if Sleeper.last is self else self.cold_s)
        Sleeper.last = self
        return super().logits(batch)


def test_contenders_take_turns_and_first_calls_are_told_apart() -> None:
    quick, slow = Sleeper(0.002, 0.02), Sleeper(0.006, 0.02)
    contenders = [
        Contender("quick", "fake", "float32", 1, quick),
        Contender("slow", "fake", "float32", 1, slow),
    ]
    turns: list[int] = []
    first, second = compare(
        contenders,
        batch=2,
        seconds=0.4,
        reference=lambda contender, images: quick.logits(images) + 1,
        on_progress=turns.append,
    )
    assert sum(turns) == 20
    assert (first.model, second.model) == ("quick", "slow")
    assert 2 <= first.p50_ms < 5 < second.p50_ms < 15 < second.cold_ms
    assert first.p50_ms <= first.p95_ms
    assert first.images_per_second == pytest.approx(2 * 1000 / first.p50_ms)
    assert first.spread >= 1
    assert first.max_abs_difference == pytest.approx(1)
    assert first.calls > second.calls > 20


def test_the_command_measures_every_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "default", "--seconds", "0.2", "--batch", "1,3", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["runtime"], row["batch"]) for row in rows] == [
        (runtime, batch) for batch in (1, 3) for runtime in ("onnxruntime", "openvino", "torch")
    ]
    for row in rows:
        assert row["model"] == "default"
        assert row["precision"] == "float32"
        assert row["max_abs_difference"] < 1e-4
        assert 0 < row["p50_ms"] <= row["p95_ms"]
    assert main(["benchmark", "default", "--runtime", "onnxruntime", "--seconds", "0.1"]) == 0
    shown = capsys.readouterr()
    assert "p50 ms" in shown.out
    assert "nothing to compare" in shown.err
    assert main(["benchmark", "defualt"]) == 1
    assert "Did you mean 'default'" in capsys.readouterr().err
