"""Networks that someone changed: deployed to the same function, or refused by the module's name."""

import copy
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from conftest import calmed, with_seeded_weights
from shufflenet.deploy import RoutedNetwork, deploy, fold_batch_norms
from shufflenet.errors import DeployedDiffers, NetworkNotNumbers, NotDeployable, SpecError
from shufflenet.models import create_backbone
from shufflenet.networks import ShuffleNet, ShuffleNetV2, build
from shufflenet.spec import NetworkSpec, SearchedStage, Stage, V1Spec, V2PlusSpec, V2Spec
from tolerance import FLOAT32_RELATIVE, FLOAT64_RELATIVE

_STAGES = (Stage(channels=16, repeats=3), Stage(channels=32, repeats=2))
V2 = V2Spec(name="v2", stages=_STAGES, head_channels=24, stem_channels=8, classes=5)
V1 = V1Spec(name="v1", groups=2, stages=_STAGES, stem_channels=8, classes=5)
SEARCHED = V2PlusSpec(
    name="searched",
    stages=(SearchedStage(channels=32, kinds=("5x5", "xception"), squeeze=True),),
    head_channels=24,
    classes=5,
)
SPECS: dict[str, NetworkSpec] = {
    "v2": V2,
    "even-odd": replace(V2, split="even-odd", activation="hard-swish"),
    "v1": V1,
    "searched": SEARCHED,
}
every_kind = pytest.mark.parametrize("kind", SPECS)


def network(kind: str = "v2") -> ShuffleNet:
    return calmed(with_seeded_weights(build(SPECS[kind]).double()))


def images() -> Tensor:
    seed = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 40, 37, dtype=torch.float64, generator=seed)


@torch.no_grad()
def assert_same(deployed: nn.Module, net: nn.Module, tolerance: float = FLOAT64_RELATIVE) -> None:
    expected = net.eval()(images())
    assert (deployed(images()) - expected).abs().max() <= tolerance * expected.abs().max()


class FrozenBatchNorm2d(nn.Module):
    """As detection libraries have it: four buffers and no parameter."""

    def __init__(self, norm: nn.BatchNorm2d, eps: float = 1e-5) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, getattr(norm, name).detach().clone())
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, mean, variance = (each.view(-1, 1, 1) for each in self.buffers())
        return (x - mean) * (weight * (variance + self.eps).rsqrt()) + bias


class FrozenToRectify(FrozenBatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


FrozenToRectify.__name__ = "FrozenBatchNorm2d"


class LowRank(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # its name in nn.Conv2d
        return super().forward(input) * 1.5


def replace_all(
    net: nn.Module, kind: type[nn.Module], make: Callable[[nn.Module], nn.Module]
) -> None:
    for name, module in list(net.named_modules()):
        if type(module) is kind:
            net.set_submodule(name, make(module))


def without_parts(**arguments: bool) -> Callable[[nn.Module], nn.Module]:
    def make(norm: nn.Module) -> nn.Module:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        made = nn.BatchNorm2d(norm.num_features, norm.eps, **arguments).double()
        made.load_state_dict(norm.state_dict(), strict=False)
        return made

    return make


AS_GOOD: dict[str, tuple[type[nn.Module], Callable[[nn.Module], nn.Module]]] = {
    "synchronized": (nn.BatchNorm2d, nn.SyncBatchNorm.convert_sync_batchnorm),
    "frozen": (nn.BatchNorm2d, FrozenBatchNorm2d),  # type: ignore[dict-item]  # of a norm
    "without weights": (nn.BatchNorm2d, without_parts(affine=False)),
    "no norm": (nn.BatchNorm2d, lambda _: nn.Identity()),
    "leaky": (nn.ReLU, lambda _: nn.LeakyReLU(0.1)),
    "sigmoid": (nn.ReLU, lambda _: nn.Sigmoid()),
    "dropped": (nn.ReLU, lambda _: nn.Dropout()),
}


@every_kind
@pytest.mark.parametrize("change", AS_GOOD)
def test_what_is_as_good_is_deployed(kind: str, change: str) -> None:
    net = network(kind)
    replace_all(net, *AS_GOOD[change])
    assert_same(deploy(net), net)
    assert_same(fold_batch_norms(net), net)


@every_kind
def test_biases_strides_and_another_stem_and_classifier_are_deployed(kind: str) -> None:
    net = network(kind)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.linspace(-1, 1, module.out_channels).double())
            if module.stride == (2, 2):
                module.padding_mode = "circular"
    net.conv1.append(nn.PReLU(8 if kind != "searched" else 16).double())
    net.conv1.append(nn.GroupNorm(2, 8 if kind != "searched" else 16).double())
    classifier = nn.Sequential(nn.Dropout(), nn.Linear(net.fc.in_features, 7), nn.Tanh()).double()
    net.fc = classifier  # type: ignore[assignment]  # as users do
    assert deploy(net)(images()).shape == (2, 7)
    assert_same(deploy(net), net)
    net.fc = nn.Identity()  # type: ignore[assignment]  # likewise
    assert_same(deploy(net), net)


NOT_KNOWN: dict[str, Callable[[nn.Module], nn.Module]] = {
    "GroupNorm": lambda norm: nn.GroupNorm(2, len(norm.weight)),  # type: ignore[arg-type]
    "InstanceNorm2d": lambda norm: nn.InstanceNorm2d(len(norm.weight)),  # type: ignore[arg-type]
    "BatchNorm2d": without_parts(track_running_stats=False),
    "FrozenBatchNorm2d": FrozenToRectify,  # type: ignore[dict-item]
}


@pytest.mark.parametrize("kind", ["v2", "v1", "searched"])
@pytest.mark.parametrize("norm", NOT_KNOWN)
def test_norms_that_do_more_than_scale_and_shift_are_refused_or_kept(kind: str, norm: str) -> None:
    net = network(kind)
    norms = [name for name, m in net.named_modules() if type(m) is nn.BatchNorm2d]
    in_stages = [name for name in norms if "stage" in name and "squeeze" not in name]
    for name in (in_stages[0], in_stages[-1]):
        changed = copy.deepcopy(net)
        changed.set_submodule(name, NOT_KNOWN[norm](net.get_submodule(name)).double())
        with pytest.raises(NotDeployable, match=f"{name} is an? {norm}, not a BatchNorm2d, so"):
            deploy(changed)
        assert_same(fold_batch_norms(changed), changed)
        if kind != "v1" and norm != "BatchNorm2d":  # which trains as the others do
            with pytest.raises(NotDeployable, match=f"{name} is an? {norm}, not a BatchNorm2d"):
                RoutedNetwork(changed)


def _share(net: ShuffleNet) -> None:
    net.stages[0][2] = net.stages[0][1]


def _prune(net: ShuffleNet) -> None:
    conv = net.get_submodule("stage2.1.branch2.0")
    prune.l1_unstructured(conv, "weight", 0.5)  # type: ignore[no-untyped-call]  # torch's


def _unit(net: ShuffleNet) -> None:
    net.stages[0][1] = nn.Sequential(nn.Conv2d(16, 16, 1).double())


def _own_forward(net: ShuffleNet) -> None:
    unit = net.stages[0][1]
    unit.forward = lambda x: x + 1


CHANGES: dict[str, tuple[Callable[[ShuffleNet], object], str]] = {
    "unit": (_unit, "stage2.1 is a Sequential, not a KeepUnit"),
    "no unit": (
        lambda net: net.set_submodule("stage2.1", nn.Identity()),
        "stage2.1 is an Identity, not a KeepUnit",
    ),
    "shared": (_share, "stage2.1 is used in several places"),
    "one unit fewer": (lambda net: net.stages[0].pop(2), "stage2.2.* is missing"),
    "one more": (
        lambda net: net.stages[0].append(nn.ReLU()),
        "stage2.3 is a ReLU that v2 has not",
    ),
    "hook": (
        lambda net: net.get_submodule("stage3.0").register_forward_hook(lambda *a: a[2] + 1),
        "stage3.0 has a forward hook",
    ),
    "hook before": (
        lambda net: net.register_forward_pre_hook(lambda _, x: x),
        "The network has a forward hook",
    ),
    "pruned": (_prune, "stage2.1.branch2.0 has a forward hook"),
    "spectral": (
        lambda net: parametrizations.spectral_norm(net.get_submodule("stage2.0.branch1.2")),
        "stage2.0.branch1.2 is a ParametrizedConv2d",
    ),
    "weight norm": (
        lambda net: parametrizations.weight_norm(net.get_submodule("stage2.0.branch1.0")),
        "stage2.0.branch1.0 is a ParametrizedConv2d",
    ),
    "subclass": (
        lambda net: setattr(net.get_submodule("conv5.0"), "__class__", LowRank),
        "conv5.0 is a LowRank, not a Conv2d of 32 to 24 channels",
    ),
    "per channel": (
        lambda net: net.set_submodule("stage2.1.branch2.2", nn.PReLU(8).double()),
        "stage2.1.branch2.2 is a PReLU, not a ReLU",
    ),
    "groups": (
        lambda net: net.set_submodule("stage2.1.branch2.0", nn.Conv2d(8, 8, 1, groups=4).double()),
        "is a Conv2d of 8 to 8 channels in 4 groups, not a Conv2d of 8 to 8 channels, so",
    ),
    "own forward": (_own_forward, "stage2.1 has a forward of its own"),
    "types": (lambda net: net.fc.half(), "has weights of several types, torch.float16 and"),
    "class": (
        lambda net: setattr(net, "__class__", type("Mine", (ShuffleNetV2,), {})),
        "The network is a Mine, whose forward may be another",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_known_is_refused_by_its_name(change: str) -> None:
    net = network()
    act, sentence = CHANGES[change]
    act(net)
    for refused in (deploy, RoutedNetwork):
        with pytest.raises(NotDeployable, match=sentence):
            refused(net)


def test_layers_that_share_weights_are_deployed_and_not_routed() -> None:
    net = network()
    first, second = (net.get_submodule(f"stage2.{n}.branch2.0") for n in (1, 2))
    second.weight = first.weight
    assert_same(deploy(net), net)
    with pytest.raises(NotDeployable, match="The network has layers that share weights"):
        RoutedNetwork(net)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_folded_in_float32_and_rounded_once(kind: torch.dtype) -> None:
    net = network().to(kind)
    deployed, exact = deploy(net), deploy(copy.deepcopy(net).float())
    assert {p.dtype for p in deployed.parameters()} == {kind}
    for rounded, weight in zip(deployed.parameters(), exact.parameters(), strict=True):
        assert torch.equal(rounded, weight.to(kind))
    assert_same(exact.double(), copy.deepcopy(net).double(), FLOAT32_RELATIVE)


def test_wrapped_training_and_channels_last_networks_are_deployed() -> None:
    net = network()
    layouts = copy.deepcopy(net).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    compiled: nn.Module = torch.compile(net)  # type: ignore[assignment]  # it gives a module
    for wrapped in (compiled, nn.DataParallel(net), net.train(), layouts.train()):
        deployed = deploy(wrapped)
        assert not any(module.training for module in deployed.modules())
        assert_same(deployed, copy.deepcopy(net))
    assert net.training


def test_a_network_without_weights_is_deployed_without_them() -> None:
    with torch.device("meta"):
        deployed = deploy(build(V2))
    assert all(parameter.is_meta for parameter in deployed.parameters())
    assert deployed(torch.zeros(1, 3, 32, 32, device="meta")).shape == (1, 5)


def test_what_is_no_network_or_deployed_before_is_refused() -> None:
    with pytest.raises(SpecError, match="the network is 'Backbone', but must be one of"):
        deploy(create_backbone("shufflenet_v2_x0_25"))
    with pytest.raises(NotDeployable, match="stage2 is a RoutedStage, not a Sequential"):
        deploy(deploy(network()))
    net = network()
    net.fc.weight.data[0] = torch.nan
    with pytest.raises(NetworkNotNumbers, match="'v2' computes logits that are infinite or NaN"):
        deploy(net)


def test_the_last_defence_compares_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a step wrong that no reading of types shows, nothing wrong would be returned."""
    monkeypatch.setattr("shufflenet.deploy._route.find_positions", lambda names, _: names * 0)
    with pytest.raises(DeployedDiffers, match="more than the .* of rounding"):
        deploy(network())


def test_random_changes_are_deployed_to_the_same_or_refused() -> None:
    rng, deployed = random.Random(0), 0
    new: list[Callable[[], nn.Module]] = [
        *(nn.Identity, nn.ReLU, nn.Sigmoid, nn.GELU, nn.Dropout, lambda: nn.Softmax(1), nn.PReLU),
        *(lambda: nn.PReLU(8), lambda: nn.GroupNorm(4, 8), lambda: nn.BatchNorm2d(8)),
        *(lambda: nn.SyncBatchNorm(8), lambda: nn.Conv2d(8, 8, 1), lambda: nn.ChannelShuffle(2)),
        *(lambda: nn.InstanceNorm2d(8), lambda: nn.LocalResponseNorm(3), lambda: LowRank(8, 8, 1)),
        *(lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8), lambda: nn.AvgPool2d(3, 1, 1)),
        *(lambda: nn.Conv2d(8, 8, 1, groups=2), lambda: nn.Linear(24, 5), nn.Flatten),
    ]
    nets = {kind: network(kind) for kind in SPECS}
    for _ in range(80):
        net = copy.deepcopy(nets[rng.choice(list(SPECS))])
        places = [n for n, m in net.named_modules() if n and not list(m.children())]
        for _ in range(rng.choice([1, 1, 2])):
            net.set_submodule(rng.choice(places), rng.choice(new)().double().eval())
        try:
            small = deploy(net)
        except (NotDeployable, NetworkNotNumbers):
            continue
        except (RuntimeError, ValueError, TypeError, IndexError):
            with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)):
                net(images())  # what was replaced does not fit there
            continue
        assert_same(small, net)
        deployed += 1
    assert deployed >= 8
