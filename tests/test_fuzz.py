"""The fuzzer's first cases: every door, always the same damage. ``fuzz`` says how to run more."""

import math
from collections import Counter
from pathlib import Path

import pytest

from fuzz.doors import DOORS, Door
from fuzz.watch import watch

# Of each door; a case of a slow one takes as long as thirty of another.
CASES, SLOW_CASES = 60, 12


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.xdist_group("fuzz")
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_damage_is_answered_rightly_or_refused_in_a_sentence(door: Door, work: Path) -> None:
    cases = SLOW_CASES if door.slow else CASES
    outcomes: Counter[str] = Counter()
    for _, outcome, finding in watch(work, 0, [door.name], math.inf, cases):
        outcomes[outcome] += 1
        assert not finding, finding
    assert outcomes.total() == cases
    assert len(outcomes) > 1, f"damage that never matters: {outcomes}"
