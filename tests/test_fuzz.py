"""The fuzzer's first cases: every door, always the same damage. ``fuzz`` says how to run more."""

import math
from collections import Counter, defaultdict

import pytest

from fuzz.child import SLOW_SHARE
from fuzz.doors import DOORS, Door
from fuzz.watch import Finding, watch

CASES = 40  # of each door, and a fifth of them of those that are slow

Outcomes = dict[str, list[tuple[str, Finding | None]]]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What came of each case, by door; one process runs them all."""
    found: Outcomes = defaultdict(list)
    for door, outcome, finding in watch(tmp_path_factory.mktemp("fuzz"), 0, None, math.inf, CASES):
        found[door].append((outcome, finding))
    return found


@pytest.mark.xdist_group("fuzz")
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_damage_is_answered_rightly_or_refused_in_a_sentence(
    door: Door, outcomes: Outcomes
) -> None:
    cases = outcomes[door.name]
    assert [str(finding) for _, finding in cases if finding] == []
    assert len(cases) == (CASES // SLOW_SHARE if door.slow else CASES)
    kinds = Counter(outcome for outcome, _ in cases)
    assert len(kinds) > 1, f"damage that never matters: {kinds}"
