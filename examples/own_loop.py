"""Fine-tune a ShuffleNet with a PyTorch training loop of your own, and save it with its card.

    python examples/own_loop.py photos/ mine.safetensors

``photos/`` holds a folder of images for each class. What is saved works with every command and with
``shufflenet.open_model``:

    shufflenet predict photo.jpg --model mine.safetensors
    shufflenet export mine.safetensors --to mine.onnx
"""

import argparse

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from shufflenet.data import ImageSet, open_images
from shufflenet.models import create_model, load_card, save
from shufflenet.preprocess import prepare
from shufflenet.spec import Origin, Preprocess

WEIGHTS = "default"  # the model that ships with the package; any name of `shufflenet list` works
BATCH = 16


class Photos(Dataset[tuple[Tensor, int]]):
    """The images of a folder, resized, cropped and normalized as a card says."""

    def __init__(self, images: ImageSet, how: Preprocess) -> None:
        self._samples, self._how = images.samples, how

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return an image, float32 ``(3, px, px)``, mirrored half of the time, and its label."""
        sample = self._samples[index]
        image = torch.from_numpy(prepare(sample.read(), self._how))
        return (image.flip(2) if torch.rand(()) < 0.5 else image), sample.label


def main() -> None:
    """Train, print the loss of every epoch, and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="a folder with a folder of images for each class")
    parser.add_argument("to", help="where to save, a name that ends in .safetensors")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--licence", default="", help="of your weights, for their card")
    args = parser.parse_args()
    torch.manual_seed(0)

    images = open_images(args.photos)
    start = load_card(WEIGHTS)
    # Rows of the classifier are kept for classes that the weights know; the others are new.
    net = create_model(start.network.name, weights=WEIGHTS, labels=images.classes)

    photos = Photos(images, start.preprocess)
    loader = DataLoader(photos, BATCH, shuffle=True, drop_last=len(photos) > BATCH)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    for epoch in range(args.epochs):
        losses = []
        for batch, labels in loader:
            loss = nn.functional.cross_entropy(net(batch), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own has no types
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.3f}")

    card = save(
        net,
        args.to,
        labels=images.classes,
        preprocess=start.preprocess,  # change it if your transform resizes or crops otherwise
        origin=Origin(data=f"{len(images)} images of {args.photos}", licence=args.licence),
    )
    print(f"saved {args.to}: {len(card.labels)} classes, started from {card.origin.started_from}")


if __name__ == "__main__":
    main()
