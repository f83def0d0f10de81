"""Write tests/golden/torchvision.npz: what torchvision computes, to hold this package against.

It needs torchvision, which the project does not: run it in an environment that has it.

    PYTHONPATH=tests python tools/make_golden.py
"""

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

for operator in (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms() -> Tensor",
):
    # A torchvision built for CUDA beside a torch built without lacks these when it is imported.
    try:
        torch.library.define(
            f"torchvision::{operator.split('(')[0]}", f"({operator.split('(', 1)[1]}"
        )
    except RuntimeError:
        break

import torchvision  # noqa: E402  # after its operators
from PIL import Image  # noqa: E402  # after its operators
from torchvision import transforms  # noqa: E402  # after its operators

from seeded import photo, seeded_weights  # noqa: E402  # after its operators

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "torchvision.npz"
WIDTHS = ("x0_5", "x1_0", "x1_5", "x2_0")
IMAGES = ((64, 64), (97, 61), (61, 97), (45, 200), (301, 224), (224, 301), (40, 40))
SIZES = ((64, 64), (40, 32), (73, 65))  # resize, crop


def _transformed(height: int, width: int, resize: int, crop: int) -> npt.NDArray[np.uint8]:
    steps = transforms.Compose([transforms.Resize(resize), transforms.CenterCrop(crop)])
    return np.asarray(steps(Image.fromarray(photo(f"{height}x{width}", height, width))))


def _network(width: str) -> tuple[list[str], npt.NDArray[np.float64]]:
    net = torchvision.models.get_model(f"shufflenet_v2_{width}", num_classes=10).double().eval()
    keys = {k: tuple(v.shape) for k, v in net.state_dict().items() if "num_batches" not in k}
    tensors = {k: torch.from_numpy(v) for k, v in seeded_weights(keys).items()}
    net.load_state_dict(tensors, strict=False)
    image = torch.from_numpy(photo("network", 65, 96) / 255.0).permute(2, 0, 1)[None]
    with torch.no_grad():
        return list(keys), net(image).numpy()


def main() -> None:
    """Compute and write everything."""
    arrays: dict[str, Any] = {}
    for height, width in IMAGES:
        for resize, crop in SIZES:
            pixels = _transformed(height, width, resize, crop)
            name = f"preprocess {height} {width} {resize} {crop}"
            arrays[name] = pixels[::3, ::3]  # a part of them, to keep the file small
    for name in WIDTHS:
        keys, logits = _network(name)
        arrays[f"logits {name}"] = logits
        arrays[f"keys {name}"] = np.array("\n".join(keys))
    versions = {
        "torchvision": torchvision.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "written by": "tools/make_golden.py",
    }
    np.savez_compressed(GOLDEN, origin=np.array(json.dumps(versions)), **arrays)
    print(f"{GOLDEN}: {GOLDEN.stat().st_size:,} bytes, {versions}")


if __name__ == "__main__":
    main()
