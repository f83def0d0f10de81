import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from conftest import saved, with_seeded_weights
from shufflenet.errors import CheckpointMismatch, SpecError, UnknownName
from shufflenet.models import create_backbone, create_model
from shufflenet.networks import Backbone, ShuffleNet, build, feature_maps
from shufflenet.spec import NetworkSpec, V2PlusSpec
from shufflenet.zoo import NETWORKS
from tolerance import FLOAT64_RELATIVE

# One a kind of dilation: V1's pool with and without its padding, depthwise of 3, 5 and 7 px, three
# depthwise in a unit, a stage that does not halve. None has squeeze and excitation.
DILATED = (
    "shufflenet_v1_g3_x0_25",
    "shufflenet_v1_g3_x0_5_megvii",
    "shufflenet_v1_g4_x0_5_onnx",
    "shufflenet_v2_x0_25",
    "shufflenet_v2_x0_5_megvii",
    "shufflenet_v2_oneshot",
    "shufflenet_v2_detnas_300m_coco_fpn",
)
# Those with squeeze and excitation, which averages over all pixels; the shapes of one more.
UNEQUAL = ("shufflenet_v2_plus_small", "shufflenet_v2_large", "shufflenet_v2_50")


def short(spec: NetworkSpec) -> NetworkSpec:
    """Leave two units of every stage: each after the first is as wide and shrinks nothing."""
    if isinstance(spec, V2PlusSpec):
        searched = tuple(replace(s, kinds=s.kinds[:2], middles=s.middles[:2]) for s in spec.stages)
        return replace(spec, stages=searched)
    return replace(spec, stages=tuple(replace(stage, repeats=2) for stage in spec.stages))


def same(one: Tensor, other: Tensor) -> bool:
    difference = (one - other).abs().max().item()
    return one.shape == other.shape and difference <= FLOAT64_RELATIVE * other.abs().max().item()


@pytest.mark.parametrize(
    ("name", "output_stride"),
    [
        *((name, 32) for name in NETWORKS),
        *((name, stride) for name in (*DILATED[:1], *DILATED[3:5], *UNEQUAL) for stride in (16, 8)),
    ],
)
def test_channels_and_strides_are_those_of_the_maps(name: str, output_stride: int) -> None:
    everything = tuple(range(len(feature_maps(NETWORKS[name]))))
    with torch.device("meta"):
        net = build(short(NETWORKS[name]))
        backbone = Backbone(net, everything, output_stride=output_stride)
        maps = backbone(torch.zeros(2, 3, 97, 160))
    assert len(maps) == len(NETWORKS[name].stages) + 1 + isinstance(backbone.conv5, nn.Sequential)
    assert max(backbone.strides) == output_stride
    for each, channels, stride in zip(maps, backbone.channels, backbone.strides, strict=True):
        assert each.shape == (2, channels, -(-97 // stride), -(-160 // stride))


def test_maps_are_those_of_the_network_in_the_order_asked_for() -> None:
    net = with_seeded_weights(create_model("shufflenet_v2_x0_25"))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        every = net.feature_maps(images)
        backbone = Backbone(net, (4, 0, 2)).eval()
        for feature_map, index in zip(backbone(images), (4, 0, 2), strict=True):
            assert torch.equal(feature_map, every[index])
    assert backbone.channels == (512, 24, 48)
    assert backbone.strides == (32, 4, 16)


@pytest.mark.parametrize(
    ("out_indices", "last"),
    [((0,), "conv1"), ((2, 1), "stage3"), ((3,), "stage4"), ((4,), "conv5")],
)
def test_what_comes_after_the_last_map_is_not_there(out_indices: tuple[int], last: str) -> None:
    backbone = create_backbone("shufflenet_v2_x0_25", out_indices)
    parts = list(dict.fromkeys(key.partition(".")[0] for key in backbone.state_dict()))
    assert parts == ["conv1", "stage2", "stage3", "stage4", "conv5"][: parts.index(last) + 1]
    torch.autograd.backward([each.sum() for each in backbone(torch.randn(2, 3, 64, 64))])
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.parametrize("name", DILATED)
@pytest.mark.parametrize("size", [(64, 96), (77, 63)])
def test_dilated_maps_pass_through_the_undilated_ones(name: str, size: tuple[int, int]) -> None:
    everything = tuple(range(len(feature_maps(NETWORKS[name]))))
    net = with_seeded_weights(create_model(name).double())
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        plain = net.feature_maps(images)
        for output_stride in (16, 8):
            backbone = Backbone(build(net.spec), everything, output_stride=output_stride)
            backbone.double().eval().load_state_dict(net.state_dict(), strict=False)
            maps = backbone(images)
            steps = [
                2 ** round(math.log2(len(m[0, 0]) / len(p[0, 0])))
                for m, p in zip(maps, plain, strict=True)
            ]
            assert max(steps) == 32 // output_stride
            for feature_map, step, expected in zip(maps, steps, plain, strict=True):
                assert same(feature_map[:, :, ::step, ::step], expected)


@pytest.mark.parametrize("name", ["shufflenet_v1_g3_x0_25", "shufflenet_v2_plus_small"])
def test_dilation_changes_no_key_and_no_shape_of_the_weights(name: str) -> None:
    everything = tuple(range(len(feature_maps(NETWORKS[name]))))
    net = create_model(name)
    expected = {key: value.shape for key, value in net.state_dict().items()}
    for output_stride in (32, 8):
        state = create_backbone(name, everything, output_stride=output_stride).state_dict()
        assert {key: value.shape for key, value in state.items()} == {
            key: shape
            for key, shape in expected.items()
            if key.partition(".")[0] not in ("neck", "fc")
        }


def test_weights_bring_their_stem_and_leave_the_classifier(tmp_path: Path) -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3, in_channels=1, stem_stride=2)
    path = saved(with_seeded_weights(net), tmp_path / "a.safetensors")
    backbone = create_backbone("shufflenet_v2_x0_25", (0, 4), weights=path)
    assert backbone.training
    assert backbone.strides == (2, 16)
    images = torch.randn(2, 1, 48, 32)
    with torch.no_grad():
        for feature_map, expected in zip(
            backbone.eval()(images), net.feature_maps(images)[::4], strict=True
        ):
            assert torch.equal(feature_map, expected)


def test_the_shipped_weights_make_a_backbone() -> None:
    assert create_backbone("shufflenet_v2_x1_0", weights="default").strides == (4, 8, 16)
    gray = create_backbone("shufflenet_v2_x1_0", weights="default", in_channels=1).eval()
    color = create_backbone("shufflenet_v2_x1_0", weights="default").eval()
    image = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        for one, other in zip(gray(image), color(image.expand(-1, 3, -1, -1)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_stem_that_shrinks_further_allows_a_larger_stride() -> None:
    spec = replace(NETWORKS["shufflenet_v2_oneshot"], stem_stride=4)
    assert [each.stride for each in feature_maps(spec, 64)] == [4, 8, 16, 32, 64, 64]
    assert [each.stride for each in feature_maps(spec)] == [4, 8, 16, 32, 32, 32]


def test_frozen_stages_stay_as_they_are() -> None:
    backbone = create_backbone("shufflenet_v2_x0_25", frozen_stages=1)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1, weight_decay=0.1)
    maps = backbone(torch.randn(2, 3, 64, 64))  # the first has no gradient: all before it is frozen
    torch.autograd.backward(torch.stack([each.square().mean() for each in maps]).sum())
    optimizer.step()
    same_parts = {
        key.partition(".")[0]
        for key, value in backbone.state_dict().items()
        if value.equal(before[key])
    }
    assert same_parts == {"conv1", "stage2"}


def test_checkpointed_gradients_are_the_plain_ones() -> None:
    one = create_backbone("shufflenet_v2_x0_25", output_stride=8)
    other = create_backbone("shufflenet_v2_x0_25", output_stride=8, checkpoint_gradients=True)
    other.load_state_dict(one.state_dict())
    images = torch.randn(2, 3, 64, 64)
    for backbone in (one, other):
        torch.autograd.backward([each.square().mean() for each in backbone(images)])
    for plain, checkpointed in zip(one.parameters(), other.parameters(), strict=True):
        assert plain.grad is not None
        assert checkpointed.grad is not None
        assert torch.equal(plain.grad, checkpointed.grad)
    for plain_value, value in zip(
        one.state_dict().values(), other.state_dict().values(), strict=True
    ):
        assert torch.equal(plain_value, value)


@pytest.mark.parametrize("name", ["shufflenet_v1_g4_x0_5_onnx", "shufflenet_v2_x0_25"])
def test_a_dilated_backbone_is_exported_for_any_size(name: str) -> None:
    net = with_seeded_weights(build(short(NETWORKS[name])))
    backbone = Backbone(net, (1, 2, 3), output_stride=8).eval()
    auto = torch.export.Dim.AUTO
    exported = torch.export.export(
        backbone, (torch.randn(2, 3, 64, 96),), dynamic_shapes=({0: auto, 2: auto, 3: auto},)
    ).module()
    images = torch.randn(3, 3, 75, 50)
    with torch.no_grad():
        for feature_map, expected in zip(exported(images), backbone(images), strict=True):
            assert torch.allclose(feature_map, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("out_indices", [(), (1, 1), (4, -1), (-6,), (5,), 3, None, (1.0,)])
def test_maps_that_there_are_not_are_refused(out_indices: object) -> None:
    with pytest.raises(SpecError) as caught:
        create_backbone("shufflenet_v2_x0_25", out_indices)  # type: ignore[arg-type]  # on purpose
    expected = "different whole numbers from 0 to 4, such as (1, 2, 3)"
    assert str(caught.value) == f"out_indices is {out_indices!r}, but must be {expected}."


@pytest.mark.parametrize("output_stride", [64, 4, 12, 0])
def test_strides_that_cannot_be_had_are_refused(output_stride: int) -> None:
    with pytest.raises(SpecError, match=f"output_stride is {output_stride}, .* be 8, 16 or 32"):
        create_backbone("shufflenet_v2_x0_25", output_stride=output_stride)


def test_other_arguments_that_do_not_fit_are_refused(small_net: ShuffleNet, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'shufflenet_v2_x0_5'"):
        create_backbone("shufflenet_v2_x05")
    with pytest.raises(UnknownName, match="'default'"):
        create_backbone("shufflenet_v2_x0_5", weights="defualt")
    with pytest.raises(SpecError, match="frozen stages is 2, but must be from 0 to 1"):
        create_backbone("shufflenet_v2_x0_25", (1,), frozen_stages=2)
    path = saved(small_net, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointMismatch, match=r"a\.safetensors is a shufflenet_v2_x0_25\. "):
        create_backbone("shufflenet_v2_x0_5", weights=path)
