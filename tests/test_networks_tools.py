"""What other tools of torch do with a network: trace, script, quantize, copy, call, convert."""

import copy
import io
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn
from torch.ao.quantization import get_default_qat_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_qat_fx
from torch.jit import optimized_execution  # type: ignore[attr-defined]  # public, says its page

from conftest import calmed, with_seeded_weights
from shufflenet.deploy import deploy
from shufflenet.models import create_backbone, create_model
from shufflenet.networks import Backbone, ShuffleNet, build, channel_shuffle
from test_networks import NAMES, shrunk
from tolerance import FLOAT32_RELATIVE


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript and FX quantization are deprecated
        yield


def network(name: str = "shufflenet_v2_x0_25") -> ShuffleNet:
    return calmed(with_seeded_weights(build(shrunk(name))))


def images(n: int = 2, height: int = 64, width: int = 70) -> Tensor:
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_networks_deployed_ones_and_backbones_are_traced_by_fx_and_scripted(name: str) -> None:
    net = network(name)
    dilated = Backbone(build(net.spec), (0, -1, 2), output_stride=8).eval()
    for module in (net, deploy(net), dilated):
        traced, scripted = fx.symbolic_trace(module), torch.jit.script(module)
        for batch in (images(), images(3, 45, 33)):  # no size of the first is baked in
            expected = module(batch)
            with optimized_execution(False):
                found = [traced(batch), scripted(batch)]
            for one, two in ((a, b) for each in found for a, b in zip(each, expected, strict=True)):
                assert torch.equal(one, two)


def test_a_scripted_network_is_saved_loaded_and_trained() -> None:
    net = network().train()
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    file.seek(0)
    loaded: nn.Module = torch.jit.load(file)  # type: ignore[no-untyped-call]  # torch's
    for each in (net, loaded):
        torch.autograd.backward(each(images()).square().sum())
    for one, two in zip(net.parameters(), loaded.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert (one.grad - two.grad).abs().max() <= 1e-4 * one.grad.abs().max()
    assert torch.equal(loaded.eval()(images()), net.eval()(images()))


def test_a_frozen_recomputing_network_is_traced_and_scripted_all_the_same() -> None:
    net = network().freeze(1).checkpoint_gradients().train()
    expected = copy.deepcopy(net)(images())
    for other in (fx.symbolic_trace(copy.deepcopy(net)), torch.jit.script(copy.deepcopy(net))):
        assert torch.equal(other(images()), expected)


def test_the_maps_inside_are_nodes_by_the_names_of_their_modules() -> None:
    """As extractors of features look for them."""
    graph = fx.symbolic_trace(network()).graph
    called = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    assert {"conv1.2", "maxpool", "stage2.0.branch1.4", "conv5.2", "fc"} <= {*called}


@pytest.mark.parametrize("name", ["shufflenet_v1_g3_x0_25", "shufflenet_v2_x0_25"])
def test_quantization_of_torch_prepares_trains_and_converts(name: str) -> None:
    torch.manual_seed(0)
    net = create_model(name, num_classes=5)
    mapping = get_default_qat_qconfig_mapping("x86")
    prepared = prepare_qat_fx(net, mapping, (images(),))
    torch.autograd.backward(prepared(images()).square().sum())
    int8 = convert_fx(prepared.eval())
    assert not any(type(module) is nn.Conv2d for module in int8.modules())
    with torch.no_grad():
        expected = prepared(images())
        # The mean, for how single sums are rounded differs by processor: by 29 % at most on an AMD
        # EPYC, of untrained weights.
        assert (int8(images()) - expected).abs().mean() <= 0.1 * expected.abs().max()


@torch.no_grad()
def test_copies_pickles_and_other_types_compute_the_same() -> None:
    net = network()
    expected = net(images())
    empty = build(net.spec).eval()
    empty.load_state_dict(net.state_dict())
    with torch.device("meta"):
        meta = build(net.spec)
    meta.load_state_dict(net.state_dict(), assign=True)
    for other in (
        copy.deepcopy(net),
        pickle.loads(pickle.dumps(net)),  # noqa: S301  # written on this line
        empty,
        meta.eval(),
        net.to(memory_format=torch.channels_last),  # type: ignore[call-overload]  # missing in the stub
        net.double().float(),
    ):
        found = other(images())
        assert (found - expected).abs().max() <= FLOAT32_RELATIVE * expected.abs().max()
    half = net.bfloat16()(images().bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half - expected).abs().max() <= 0.2 * expected.abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_images_are_left_as_they_are_and_do_not_meet(name: str) -> None:
    net, batch = network(name), images(3)
    before = batch.clone()
    with torch.no_grad():
        together = net(batch)
        alone = torch.cat([net(image[None]) for image in batch])
    assert torch.equal(batch, before)
    assert (together - alone).abs().max() <= FLOAT32_RELATIVE * together.abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_weight_and_statistics_move_in_training_only(name: str) -> None:
    torch.manual_seed(0)
    net = network(name)
    state = copy.deepcopy(net.state_dict())
    net(images())
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    torch.autograd.backward(net.train()(images(4)).square().sum())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    moved = net.state_dict()
    means = [key for key in state if key.endswith("running_mean")]
    assert all(not torch.equal(moved[key], state[key]) for key in means)


def test_weights_begin_as_the_same_seed_draws_them_with_torch_s_own_layers() -> None:
    """In the order of the layers, by each layer's own default, as torchvision's begin."""
    torch.manual_seed(5)
    net = create_model("shufflenet_v2_x0_5")
    torch.manual_seed(5)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fresh = copy.deepcopy(module)
            fresh.reset_parameters()
            assert torch.equal(fresh.weight, module.weight)
        if isinstance(module, nn.Linear):
            linear = copy.deepcopy(module)
            linear.reset_parameters()
            assert torch.equal(linear.weight, module.weight)
            assert torch.equal(linear.bias, module.bias)


def test_types_say_that_networks_give_tensors() -> None:
    logits: Tensor = network()(images())
    maps: list[Tensor] = create_backbone("shufflenet_v2_x0_25")(images())
    deployed: Tensor = deploy(network())(images())
    assert (logits.shape, len(maps), deployed.shape) == ((2, 5), 3, (2, 5))


def test_channel_shuffle_is_traced_and_scripted_as_a_function_too() -> None:
    x = torch.randn(2, 6, 3, 3)
    scripted = torch.jit.script(channel_shuffle)
    assert torch.equal(scripted(x, 3), channel_shuffle(x, 3))


@pytest.mark.parametrize("recompute", [False, True])
def test_a_step_of_distributed_training_is_that_of_the_network(
    recompute: bool, tmp_path: Path
) -> None:
    plain = network().train()
    net = copy.deepcopy(plain).checkpoint_gradients(recompute)
    torch.autograd.backward(plain(images(4)).square().sum())
    rendezvous = f"file://{tmp_path / 'rendezvous'}"
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(net)
        torch.autograd.backward(wrapped(images(4)).square().sum())
    finally:
        torch.distributed.destroy_process_group()
    for one, two in zip(plain.parameters(), net.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert torch.equal(one.grad, two.grad)
    assert torch.equal(deploy(wrapped)(images()), deploy(plain)(images()))
