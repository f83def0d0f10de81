import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shufflenet.errors import SpecError
from shufflenet.networks import channel_shuffle


@given(st.integers(1, 8), st.integers(1, 8))
def test_shuffling_back_with_the_other_factor_is_the_identity(a: int, b: int) -> None:
    x = torch.randn(2, a * b, 3, 5)
    assert torch.equal(channel_shuffle(channel_shuffle(x, a), b), x)


def test_a_group_count_that_does_not_divide_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="groups is 5, but must be a divisor of the 12 channels"):
        channel_shuffle(torch.zeros(1, 12, 1, 1), 5)
