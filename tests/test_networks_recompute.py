"""Gradients with less memory: the same by every way that torch takes them."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from shufflenet.networks import ShuffleNet, build
from shufflenet.spec import Stage, V2Spec

SPEC = V2Spec(
    name="small",
    stages=(Stage(channels=16, repeats=2), Stage(channels=32, repeats=2)),
    head_channels=24,
    stem_channels=8,
    classes=5,
    activation="swish",  # whose second derivative is not zero
)


def pair(change: Callable[[nn.Module], nn.Module] = lambda norm: norm) -> list[ShuffleNet]:
    """Return a network in float64 and a copy of it that recomputes, with other norms if asked."""
    torch.manual_seed(0)
    net = build(SPEC).double()
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            net.set_submodule(name, change(module).double())
    return [net, copy.deepcopy(net).checkpoint_gradients()]


def images(n: int = 4) -> Tensor:
    seed = torch.Generator().manual_seed(n)
    return torch.randn(n, 3, 40, 33, dtype=torch.float64, generator=seed)


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    state = other.state_dict()
    for key, value in one.state_dict().items():
        assert torch.equal(state[key], value), key
    for first, second in zip(one.parameters(), other.parameters(), strict=True):
        assert first.grad is not None
        assert second.grad is not None
        assert torch.equal(first.grad, second.grad)


class Smoothed(nn.Module):
    """A norm that is none of torch's, with a buffer that training changes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("size", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        size = self.get_buffer("size")
        if self.training:
            size.lerp_(x.detach().abs().mean(dim=(0, 2, 3)), 0.1)
        return x / x.abs().mean(dim=(0, 2, 3), keepdim=True)


class Dropped(nn.Sequential):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__(norm, nn.Dropout2d(0.3))


NORMS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "batch": lambda norm: norm,
    "cumulative": lambda norm: nn.BatchNorm2d(len(norm.weight), momentum=None),  # type: ignore[arg-type]
    "instance": lambda norm: nn.InstanceNorm2d(len(norm.weight), track_running_stats=True),  # type: ignore[arg-type]
    "group": lambda norm: nn.GroupNorm(2, len(norm.weight)),  # type: ignore[arg-type]
    "other": lambda norm: Smoothed(len(norm.weight)),  # type: ignore[arg-type]
    "dropout": Dropped,
    "frozen": lambda norm: norm.eval(),
}


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_and_statistics_of_any_norm_are_the_same(norm: str) -> None:
    plain, recomputing = pair(NORMS[norm])
    for n in (4, 3):
        for net in (plain, recomputing):
            torch.manual_seed(n)
            torch.autograd.backward(net(images(n)).square().sum())
    assert_same_state(plain, recomputing)


def test_a_second_backward_through_the_same_graph() -> None:
    nets = pair()
    for net in nets:
        loss = net(images()).square().sum()
        for _ in range(3):
            torch.autograd.backward(loss, retain_graph=True)
    assert_same_state(*nets)
    batches = [int(nets[1].get_buffer(k)) for k in nets[1].state_dict() if "num_batches" in k]
    assert set(batches) == {1}


def test_the_gradient_of_a_gradient() -> None:
    nets = pair()
    for net in nets:
        batch = images().requires_grad_()
        (slope,) = torch.autograd.grad(net(batch).square().sum(), batch, create_graph=True)
        torch.autograd.backward(net(batch).sum() + slope.square().sum())
    assert_same_state(*nets)


def test_a_mode_changed_before_the_backward_pass_changes_nothing() -> None:
    nets = pair()
    for net in nets:
        loss = net(images()).square().sum()
        net.eval()
        torch.autograd.backward(loss)
        assert not any(module.training for module in net.modules())
    assert_same_state(*nets)


def test_functional_calls_get_the_gradients_of_the_weights_they_were_given() -> None:
    found = []
    for net in pair():
        own = {name: p.detach().clone() for name, p in net.named_parameters()}
        given = {name: (1.5 * p).requires_grad_() for name, p in own.items()}
        loss = functional_call(net, given, images()).square().sum()
        found.append(torch.autograd.grad(loss, list(given.values())))
        assert all(torch.equal(own[name], p) for name, p in net.named_parameters())
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_function_transforms_of_a_recomputing_network() -> None:
    found = []
    for net in pair(lambda norm: nn.GroupNorm(2, len(norm.weight))):  # type: ignore[arg-type]
        weights = {name: p.detach() for name, p in net.named_parameters()}

        def loss(weights: dict[str, Tensor], image: Tensor, net: ShuffleNet = net) -> Tensor:
            logits: Tensor = functional_call(net, weights, image[None])
            return logits.square().sum()

        each = vmap(grad(loss), in_dims=(None, 0))(weights, images())
        assert all(len(value) == 4 for value in each.values())
        found.append(each)
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
