"""A wide network that begins as a narrower one computes the same, and all of it learns."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conftest import card_for, saved, with_seeded_weights
from shufflenet.errors import CheckpointMismatch
from shufflenet.models import create_model, load_model_and_card, start_from
from shufflenet.networks import ShuffleNet, build, can_widen, state_arrays, widen
from shufflenet.spec import Split, Stage, V2Spec
from tolerance import FLOAT64_RELATIVE

PAIRS = [
    ("shufflenet_v2_x0_25", "shufflenet_v2_x1_0"),
    ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0"),
    ("shufflenet_v2_x1_0", "shufflenet_v2_x1_5"),
    ("shufflenet_v2_x1_0_megvii", "shufflenet_v2_x1_5_megvii"),
]


def seeded(name: str) -> ShuffleNet:
    return with_seeded_weights(create_model(name, num_classes=3, stem_stride=1)).double()


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize(("narrow_name", "wide_name"), PAIRS)
@torch.no_grad()
def test_a_widened_network_computes_the_same(narrow_name: str, wide_name: str) -> None:
    narrow, wide = seeded(narrow_name), seeded(wide_name)
    before = state_arrays(wide)
    images = torch.randn(2, 3, 33, 40, dtype=torch.float64)
    begun = widen(narrow, wide)
    assert relative(begun(images), narrow(images)) <= FLOAT64_RELATIVE
    for net in (begun, narrow):
        net.train()
    assert relative(begun(images), narrow(images)) <= FLOAT64_RELATIVE
    assert all((before[key] == array).all() for key, array in state_arrays(wide).items())


def _spec(name: str, stages: list[tuple[int, int]], others: int, split: Split) -> V2Spec:
    return V2Spec(
        name=name,
        stages=tuple(Stage(channels=2 * half, repeats=r) for half, r in stages),
        stem_channels=others,
        head_channels=others,
        stem_stride=1,
        classes=3,
        split=split,
    )


@settings(max_examples=40, deadline=None)
@given(
    stages=st.lists(
        st.tuples(st.integers(1, 8), st.integers(0, 20), st.integers(1, 5)), min_size=1, max_size=3
    ),
    others=st.tuples(st.integers(1, 5), st.integers(0, 3)),
    split=st.sampled_from(["halves", "even-odd"]),
)
@torch.no_grad()
def test_networks_of_any_width_widen_or_are_refused(
    stages: list[tuple[int, int, int]], others: tuple[int, int], split: Split
) -> None:
    few = _spec("few", [(half, r) for half, _, r in stages], others[0], split)
    many = _spec("many", [(half + more, r) for half, more, r in stages], sum(others), split)
    narrow, wide = (with_seeded_weights(build(spec)).double() for spec in (few, many))
    try:
        begun = widen(narrow, wide)
    except CheckpointMismatch:
        assume(False)
    images = torch.randn(1, 3, 9, 9, dtype=torch.float64)
    assert relative(begun(images), narrow(images)) <= FLOAT64_RELATIVE


def test_what_is_not_read_yet_is_read_after_some_steps() -> None:
    torch.manual_seed(0)
    narrow, wide = (
        create_model(f"shufflenet_v2_{width}", num_classes=3, stem_stride=1)
        for width in ("x0_25", "x1_0")
    )
    net = widen(narrow, wide).train()
    images = torch.randn(8, 3, 32, 32)

    def part_of_zeros() -> float:
        weights = torch.cat([v.flatten() for v in net.parameters() if v.ndim == 4])
        return float((weights == 0).float().mean())

    assert part_of_zeros() > 0.1
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(net(images).square().mean())
        optimizer.step()
    assert part_of_zeros() < 0.001


def test_training_starts_from_narrower_weights(tmp_path: Path) -> None:
    narrow = seeded("shufflenet_v2_x0_25").float()
    path = saved(narrow, tmp_path / "narrow.safetensors")
    wide = create_model("shufflenet_v2_x1_0", num_classes=3, stem_stride=1).eval()
    images = torch.randn(2, 3, 32, 32)
    source = load_model_and_card(path)
    assert start_from(wide, card_for(wide.spec).labels, *source) == 3
    with torch.no_grad():
        torch.testing.assert_close(wide(images), narrow(images), rtol=1e-3, atol=1e-3)
    other = create_model("shufflenet_v2_x1_0", num_classes=4, stem_stride=1)
    own = other.fc.weight.clone()
    assert start_from(other, card_for(other.spec).labels, *source) == 3
    assert torch.equal(other.fc.weight[3], own[3])  # a class that the checkpoint does not have
    with torch.no_grad():
        found = other.eval()(images)[:, :3]
    torch.testing.assert_close(found, narrow(images), rtol=1e-3, atol=1e-3)


def test_only_wider_networks_of_v2_can_be_meant() -> None:
    x05, x10 = (create_model(f"shufflenet_v2_{width}") for width in ("x0_5", "x1_0"))
    megvii = create_model("shufflenet_v2_x1_0_megvii")
    v1 = create_model("shufflenet_v1_g3_x1_0")
    deeper = build(replace(x10.spec, stages=(*x10.spec.stages[:2], Stage(channels=464, repeats=5))))  # type: ignore[arg-type]  # a V2Spec
    assert can_widen(x05, x10)
    for other in (megvii, v1, deeper):
        assert not can_widen(x05, other)
    with pytest.raises(CheckpointMismatch, match="no narrower form"):
        widen(x05, megvii)
    with pytest.raises(CheckpointMismatch, match="no narrower form"):
        widen(x10, x05)
    slim_head = build(replace(x10.spec, head_channels=512))  # type: ignore[arg-type]  # a V2Spec
    assert not can_widen(x05, slim_head)
    with pytest.raises(CheckpointMismatch, match="more channels between two of its units"):
        widen(create_model("shufflenet_v2_x0_25"), x05)
