"""What holds for the networks of every generation: training in parts, tracing, any input."""

import copy
import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch.export import Dim, export

from conftest import with_seeded_weights
from shufflenet.errors import SpecError
from shufflenet.networks import ShuffleNet, build
from shufflenet.spec import NetworkSpec, UnitKind, V2ExLargeSpec, V2LargeSpec, V2PlusSpec
from shufflenet.zoo import NETWORKS
from tolerance import FLOAT32_RELATIVE

# A network of each generation and way to split, and of each kind of unit.
NAMES = (
    "shufflenet_v1_g3_x0_25",
    "shufflenet_v1_g4_x0_5_onnx",
    "shufflenet_v2_x0_25",
    "shufflenet_v2_x0_5_megvii",
    "shufflenet_v2_plus_small",
    "shufflenet_v2_detnas_3_8g_coco_fpn",
    "shufflenet_v2_large",
    "shufflenet_v2_exlarge",
)
KINDS: tuple[tuple[UnitKind, ...], ...] = (
    ("3x3", "xception"),
    ("xception", "5x5"),
    ("7x7", "3x3"),
    ("5x5", "7x7"),
)
every_generation = pytest.mark.parametrize("name", NAMES)


def shrunk(name: str) -> NetworkSpec:
    """Leave two units of every stage, few classes, and few channels where there are many."""
    spec = NETWORKS[name]
    if isinstance(spec, V2PlusSpec):
        searched = tuple(
            replace(stage, channels=c, kinds=kinds, middles=())
            for stage, c, kinds in zip(spec.stages, (32, 48, 64, 96), KINDS, strict=True)
        )
        hidden = 40 if spec.hidden_channels else 0
        return replace(
            spec,
            classes=5,
            stages=searched,
            head_channels=64,
            stem_channels=8,
            hidden_channels=hidden,
        )
    if isinstance(spec, V2LargeSpec | V2ExLargeSpec):
        channels = zip(spec.stages, (32, 32, 64, 96), strict=True)
        wide = tuple(replace(stage, channels=c, repeats=2) for stage, c in channels)
        return replace(spec, classes=5, stages=wide, stem_channels=(8, 16), groups=4)
    return replace(spec, classes=5, stages=tuple(replace(s, repeats=2) for s in spec.stages))


def network(name: str, *, in_channels: int = 3) -> ShuffleNet:
    return with_seeded_weights(build(replace(shrunk(name), in_channels=in_channels)))


def images(n: int, height: int, width: int, channels: int = 3) -> Tensor:
    return torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(n))


def step(net: ShuffleNet, batch: Tensor) -> None:
    """Train once, with all that could move a weight: a gradient, momentum, decay."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1)
    torch.autograd.backward(net(batch).square().mean())
    optimizer.step()


def moved(net: ShuffleNet, before: dict[str, Tensor]) -> set[str]:
    """Name the parts of which a weight or a statistic has changed; all of them, or none."""
    state = net.state_dict()
    changed = {key.partition(".")[0] for key in state if not torch.equal(state[key], before[key])}
    still = {key.partition(".")[0] for key in state if torch.equal(state[key], before[key])}
    assert not changed & still
    return changed


def assert_close(output: Tensor, expected: Tensor) -> None:
    assert output.shape == expected.shape
    assert (output - expected).abs().max() <= FLOAT32_RELATIVE * expected.abs().max()


@every_generation
def test_what_is_frozen_keeps_weights_and_statistics(name: str) -> None:
    torch.manual_seed(0)  # of dropout
    for stages in range(len(NETWORKS[name].stages) + 1):
        net = build(shrunk(name)).freeze(stages)
        parts = list(dict.fromkeys(key.partition(".")[0] for key in net.state_dict()))
        for modes in ((), (True,), (False, True)):
            for mode in modes:
                net.train(mode)
            before = copy.deepcopy(net.state_dict())
            step(net, images(4, 40, 40))
            assert moved(net, before) == set(parts[stages + 1 :])


def test_freezing_less_lets_the_rest_learn_again() -> None:
    net = build(shrunk("shufflenet_v2_x0_25")).freeze(3).freeze(1)
    before = copy.deepcopy(net.state_dict())
    step(net, images(4, 40, 40))
    assert moved(net, before) == {"stage3", "stage4", "conv5", "fc"}
    net.freeze(None)
    before = copy.deepcopy(net.state_dict())
    step(net, images(4, 40, 40))
    assert moved(net, before) == {"conv1", "stage2", "stage3", "stage4", "conv5", "fc"}


def test_freezing_in_evaluation_mode_stays_in_it() -> None:
    net = build(shrunk("shufflenet_v2_x0_25")).eval().freeze(1)
    assert not any(module.training for module in net.modules())


@pytest.mark.parametrize("stages", [-1, 4])
def test_stages_that_there_are_not_cannot_be_frozen(stages: int) -> None:
    with pytest.raises(SpecError, match=f"frozen stages is {stages}, but must be from 0 to 3"):
        build(shrunk("shufflenet_v2_x0_25")).freeze(stages)


@every_generation
@pytest.mark.parametrize("frozen", [None, 0, 1])
def test_checkpointing_changes_no_bit_of_gradients_and_statistics(
    name: str, frozen: int | None
) -> None:
    plain = build(shrunk(name)).freeze(frozen)
    checkpointed = copy.deepcopy(plain).checkpoint_gradients()
    for n in (4, 3):  # twice, so that statistics are of more than one batch
        for net in (plain, checkpointed):
            torch.manual_seed(n)  # of dropout
            torch.autograd.backward(net(images(n, 40, 33)).square().sum())
    for one, other in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or other.grad is None or torch.equal(one.grad, other.grad)
    state = checkpointed.state_dict()
    for key, value in plain.state_dict().items():
        assert torch.equal(state[key], value), key  # how many batches were seen, too


def test_checkpointing_computes_again_only_where_gradients_are_wanted() -> None:
    net = build(shrunk("shufflenet_v2_x0_25")).freeze(1).checkpoint_gradients()
    calls: list[int] = []
    for number, stage in enumerate(net.stages, 2):
        stage[0].register_forward_hook(lambda *_, n=number: calls.append(n))
    torch.autograd.backward(net(images(2, 32, 32)).sum())
    assert calls == [2, 3, 4, 4, 3]
    calls.clear()
    with torch.no_grad():
        net(images(2, 32, 32))
    torch.autograd.backward(net.eval()(images(2, 32, 32)).sum())
    assert calls == [2, 3, 4] * 2
    calls.clear()
    torch.autograd.backward(net.train().checkpoint_gradients(False)(images(2, 32, 32)).sum())
    assert calls == [2, 3, 4]


def test_checkpointing_keeps_less_for_the_backward_pass() -> None:
    net = build(NETWORKS["shufflenet_v2_x0_25"])
    weights = {parameter.data_ptr() for parameter in net.parameters()}

    def stored_values() -> int:
        saved: dict[int, Tensor] = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: saved.setdefault(tensor.data_ptr(), tensor), lambda tensor: tensor
        ):
            net(images(4, 64, 64))
        return sum(tensor.numel() for place, tensor in saved.items() if place not in weights)

    plain = stored_values()
    net.checkpoint_gradients()
    assert stored_values() < plain / 4


@every_generation
@pytest.mark.parametrize("in_channels", [1, 4])
def test_any_size_from_32_px_and_any_channels(name: str, in_channels: int) -> None:
    net = network(name, in_channels=in_channels)
    for height, width in ((32, 32), (33, 32), (32, 47), (67, 101), (96, 160)):
        batch = images(2, height, width, in_channels)
        with torch.no_grad():
            logits = net(batch)
            assert logits.shape == (2, 5)
            assert logits.isfinite().all()
            assert_close(net(batch[1:]), logits[1:])  # an image is alone in its batch
            stem, *_, last = net.feature_maps(batch)
        stride = net.spec.stem_stride
        assert stem.shape[2:] == (-(-height // stride), -(-width // stride))
        assert last.shape[2:] == (-(-height // 32), -(-width // 32))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "shufflenet_v1_g4_x0_5_onnx"])
def test_a_network_compiles_to_one_graph_for_any_batch(name: str) -> None:
    # The graph is captured in full and then run as it is: what is tested is that nothing breaks
    # it; generating code, which takes minutes, is torch's business.
    torch._dynamo.reset()
    net, counter = network(name), CompileCounter()
    compiled = torch.compile(net, backend=counter, fullgraph=True)
    first = images(2, 40, 33)
    torch._dynamo.mark_dynamic(first, 0)
    with torch.no_grad():
        for batch in (first, images(5, 40, 33)):
            assert_close(compiled(batch), net(batch))
    assert counter.frame_count == 1


def test_a_compiled_and_checkpointed_network_trains_as_the_plain_one_does() -> None:
    torch._dynamo.reset()
    plain = build(shrunk("shufflenet_v2_x0_25"))
    net = copy.deepcopy(plain).checkpoint_gradients()
    # aot_eager traces the backward pass too, and generates no code.
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    for each in (plain, compiled):
        torch.autograd.backward(each(images(4, 40, 40)).square().sum())
    for one, other in zip(plain.parameters(), net.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-5)
    for one_value, value in zip(
        plain.state_dict().values(), net.state_dict().values(), strict=True
    ):
        assert torch.allclose(one_value, value)


@every_generation
def test_a_network_is_exported_for_any_batch_height_and_width(name: str) -> None:
    net = network(name)
    free = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}  # refused where one is baked in
    exported = export(net, (images(2, 64, 96),), dynamic_shapes=(free,)).module()
    with torch.no_grad():
        for batch in (images(3, 45, 70), images(1, 33, 400)):  # torch makes a rule of no map
            assert_close(exported(batch), net(batch))  # being 1 px high or wide, as at 32 px


@every_generation
def test_a_traced_network_takes_another_batch(name: str) -> None:
    net = network(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that tracing is deprecated, and that it may be wrong
        traced: nn.Module = torch.jit.trace(net, images(2, 64, 96))  # type: ignore[no-untyped-call]  # torch's
    with torch.no_grad():
        for batch in (images(5, 64, 96), images(3, 45, 70)):
            assert_close(traced(batch), net(batch))
