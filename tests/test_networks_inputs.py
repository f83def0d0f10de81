"""What a network says of images that it cannot read, and a shuffle of channels that do not fit."""

import pytest
import torch
from torch import Tensor, nn

from conftest import with_seeded_weights
from shufflenet.deploy import deploy
from shufflenet.errors import ShuffleNetError, SpecError
from shufflenet.models import create_backbone, create_model
from shufflenet.networks import ChannelShuffle, channel_shuffle

WRONG: dict[str, tuple[object, str]] = {
    "one image": (
        torch.zeros(3, 64, 64),
        "the shape of images is (3, 64, 64), but must be (n, 3, h, w); images[None] is a batch of "
        "one.",
    ),
    "gray": (
        torch.zeros(2, 1, 64, 64),
        "the shape of images is (2, 1, 64, 64), but must be (n, 3, h, w).",
    ),
    "channels last": (
        torch.zeros(2, 64, 64, 3),
        "the shape of images is (2, 64, 64, 3), but must be (n, 3, h, w); "
        "images.permute(0, 3, 1, 2) moves channels there.",
    ),
    "empty": (
        torch.zeros(2, 3, 0, 64),
        "the shape of images is (2, 3, 0, 64), but must be (n, 3, h, w).",
    ),
    "vectors": (torch.zeros(2, 3), "the shape of images is (2, 3), but must be (n, 3, h, w)."),
    "a video": (
        torch.zeros(1, 2, 3, 64, 64),
        "the shape of images is (1, 2, 3, 64, 64), but must be (n, 3, h, w).",
    ),
    "bytes": (
        torch.zeros(2, 3, 64, 64, dtype=torch.uint8),
        "the type of images is 'torch.uint8', but must be floats, scaled and normalized as the "
        "card's preprocess says.",
    ),
    "an array": (
        torch.zeros(2, 3, 64, 64).numpy(),
        "images is 'ndarray', but must be a tensor (n, channels, h, w); classify() of open_model() "
        "takes files and pixels.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_images_that_do_not_fit_are_refused_in_a_sentence(case: str) -> None:
    net = with_seeded_weights(create_model("shufflenet_v2_x0_25", num_classes=3))
    images, sentence = WRONG[case]
    doors = (net, net.embed, net.features, deploy(net), create_backbone("shufflenet_v2_x0_25"))
    for compute in doors:
        with pytest.raises(SpecError) as caught:
            compute(images)  # type: ignore[arg-type]  # on purpose
        assert str(caught.value) == sentence


def test_images_of_no_number_and_of_one_pixel_are_computed() -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3).eval()
    assert net(torch.zeros(0, 3, 64, 64)).shape == (0, 3)
    assert net(torch.zeros(1, 3, 1, 1)).shape == (1, 3)


def test_a_stem_of_another_kind_reads_what_it_likes() -> None:
    class Scaled(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return pixels.float().expand(-1, 3, -1, -1) / 255

    net = create_model("shufflenet_v2_x0_25", num_classes=3).eval()
    gray = torch.arange(0, 256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    expected = net(gray.float().expand(-1, 3, -1, -1) / 255)
    hook = net.conv1.register_forward_pre_hook(lambda _, x: (Scaled()(x[0]),))
    assert torch.equal(net(gray), expected)
    hook.remove()
    net.conv1.insert(0, Scaled())
    assert torch.equal(net(gray), expected)


@pytest.mark.parametrize(
    ("shape", "groups", "sentence"),
    [
        ((2, 6, 3, 3), 4, "groups is 4, but must be a divisor of the 6 channels."),
        ((2, 6, 3, 3), 0, "groups is 0, but must be a divisor of the 6 channels."),
        ((2, 6, 3, 3), -2, "groups is -2, but must be a divisor of the 6 channels."),
        ((6, 3, 3), 2, "the shape of x is (6, 3, 3), but must be (n, c, h, w)."),
        ((6,), 2, "the shape of x is (6,), but must be (n, c, h, w)."),
    ],
)
def test_a_shuffle_that_does_not_fit_says_so(
    shape: tuple[int, ...], groups: int, sentence: str
) -> None:
    for shuffle in (lambda x: channel_shuffle(x, groups), ChannelShuffle(groups)):
        with pytest.raises(ValueError, match="but must be") as caught:
            shuffle(torch.zeros(shape))
        assert str(caught.value) == sentence
        assert isinstance(caught.value, ShuffleNetError)
