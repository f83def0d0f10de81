"""The range test of learning rates: what it tries, where it stops, what it says, what it leaves."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from conftest import Run
from shufflenet import cli
from shufflenet.errors import SpecError
from shufflenet.train._batch_memory import BatchTooLarge
from shufflenet.train._find_rate import FoundRate, find_rate
from shufflenet.train._loop import Loop
from test_train import RECIPE

Loss = Callable[[float], float]


class Tried:
    """Stands for a loop whose loss is a function of the rate."""

    def __init__(self, loss: Loss, batches: int = 4) -> None:
        self.rates: list[float] = []
        self.epochs: list[int] = []
        self.recipe = dataclasses.replace(RECIPE, epochs=3)
        self.session = SimpleNamespace(on_step=lambda step, steps, loss: None)
        self.fabric = SimpleNamespace(device="cuda:0", is_global_zero=True, world_size=1)
        model = SimpleNamespace(train=lambda: None)
        self.learner = SimpleNamespace(model=model, step=self.step)
        self._loss, self._batches = loss, batches

    def loader(self, epoch: int, first: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        self.epochs.append(epoch)
        assert first == 0
        yield from [(torch.zeros(6), torch.zeros(6))] * self._batches

    def step(self, pixels: torch.Tensor, labels: torch.Tensor, number: int, rate: float) -> float:
        assert number == len(self.rates)
        self.rates.append(rate)
        return self._loss(rate)

    def found(self) -> FoundRate:
        return find_rate(cast(Loop, self))


def test_rates_grow_by_one_factor_over_epochs_until_the_highest() -> None:
    tried = Tried(lambda rate: 1.0)
    found = tried.found()
    assert found.rates == tuple(tried.rates)
    assert len(found.rates) == 100
    assert found.rates[0] == pytest.approx(1e-4)
    assert found.rates[-1] == pytest.approx(10)
    factors = [b / a for a, b in zip(found.rates, found.rates[1:], strict=False)]
    assert max(factors) == pytest.approx(min(factors))
    assert tried.epochs[:5] == [0, 1, 2, 0, 1]


def test_the_rate_is_a_quarter_of_that_at_which_the_loss_had_risen() -> None:
    """Of a bowl over the logarithm of the rate, behind which the average lags."""
    tried = Tried(lambda rate: 1 + abs(math.log10(rate) + 1))  # least at 0.1
    found = tried.found()
    least = min(found.losses[9:])
    risen = next(r for r, x in zip(found.rates, found.losses, strict=True)
                 if r > 0.1 and x > 1.1 * least)  # fmt: skip
    assert found.risen_at == risen
    assert 0.2 < risen < 1
    assert found.learning_rate == pytest.approx(risen / 4, rel=0.05)


def test_neither_a_lucky_first_batch_nor_a_flat_loss_decides() -> None:
    def flat(rate: float) -> float:
        return 0.5 if rate < 1.01e-4 else 2.0 if rate < 0.1 else 5.0

    assert Tried(flat).found().learning_rate == pytest.approx(0.1 / 4, rel=0.3)
    assert Tried(lambda rate: 2.0).found().learning_rate == 2.5  # none of them was too high


def test_losses_are_smoothed_without_a_memory_of_nothing() -> None:
    values = iter([3.0, 1.0, 2.0] + [2.0] * 97)
    losses = Tried(lambda rate: next(values)).found().losses
    assert losses[0] == pytest.approx(3)
    assert losses[1] == pytest.approx((0.9 * 3 + 1) / 1.9)
    assert losses[2] == pytest.approx((0.81 * 3 + 0.9 * 1 + 2) / 2.71)


@pytest.mark.parametrize("burst", [1e6, math.inf, math.nan])
def test_it_stops_where_the_loss_bursts(burst: float) -> None:
    tried = Tried(lambda rate: 2 - rate if rate < 0.5 else burst)
    found = tried.found()
    assert sum(rate >= 0.5 for rate in tried.rates) == 1
    assert found.learning_rate == pytest.approx(0.5 / 4, rel=0.2)
    assert all(map(math.isfinite, found.losses))


def test_where_the_loss_is_no_number_at_once_no_rate_is_named() -> None:
    assert Tried(lambda rate: math.nan).found().learning_rate is None


def test_a_batch_too_large_is_reported() -> None:
    def full(rate: float) -> float:
        raise BatchTooLarge(3)

    with pytest.raises(SpecError, match="batch_size is 6, but must be small enough for the memory "
                       "of cuda:0; --accumulate 3 computes it in parts of 2 images"):  # fmt: skip
        Tried(full).found()


# --- the command ---

FIELDS = ("--model", "shufflenet_v2_x0_25", "--accelerator", "cpu", "--threads", 1, "--workers", 0)


@pytest.mark.parametrize("out", [False, True])
def test_it_names_a_rate_and_leaves_nothing_behind(
    out: bool, run: Run, class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    more = ("--out", empty / "run") if out else ()
    code, text, err = run(
        *("train", "--data", class_folders, *FIELDS, "--find-rate", "--json", "--batch-size", 12),
        *more,
    )
    assert code == 0, err
    found: dict[str, Any] = json.loads(text)
    assert 1e-4 < found["learning_rate"] < 1
    assert len(found["rates"]) == len(found["losses"]) > 30
    assert min(found["losses"]) < found["losses"][0]
    assert not list(empty.iterdir())


def test_for_people_it_says_which_option_and_why(
    run: Run, class_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = FoundRate(learning_rate=0.03, risen_at=0.12, rates=(1e-4, 0.5), losses=(2.0, 1.0))
    monkeypatch.setattr("shufflenet.train.find_rate_for_job", lambda *args: found)
    code, text, _ = run("train", "--data", class_folders, *FIELDS, "--find-rate")
    assert code == 0
    assert text == (
        "Use --learning-rate 0.03. The loss began to rise at 0.12; a quarter of that is safe.\n"
    )
    to_the_end = dataclasses.replace(found, risen_at=0.5)
    monkeypatch.setattr("shufflenet.train.find_rate_for_job", lambda *args: to_the_end)
    assert (
        "The loss did not rise before 0.5, the last rate tried"
        in run("train", "--data", class_folders, *FIELDS, "--find-rate")[1]
    )
    none = dataclasses.replace(found, learning_rate=None)
    monkeypatch.setattr("shufflenet.train.find_rate_for_job", lambda *args: none)
    code, text, err = run("train", "--data", class_folders, *FIELDS, "--find-rate")
    assert (code, text) == (1, "")
    assert "The loss was not a finite number within the first ten steps." in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--find-rate", "--resume"],
            "--resume is of no use with --find-rate",
        ),
        ([], "the following arguments are required: --out"),
    ],
)
def test_wrong_usage_exits_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "--data", "x", *arguments])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
