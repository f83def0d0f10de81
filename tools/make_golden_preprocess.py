"""Write tests/golden/preprocess-*.npz: what the sources' own preprocessing makes of images.

Nothing of the sources is copied. Each function below says in its own words what a source does with
the libraries it does it with, which the project does not need: torchvision and OpenCV.

    PYTHONPATH=tests python tools/make_golden_preprocess.py --photos imagenet-samples.tar.gz

It needs a Pillow below 13: see src/shufflenet/preprocess/_pillow_resize.py. The mean image in the
package comes from here too, out of a clone of megvii-model/ShuffleNet-Series at
aa91feb:

    PYTHONPATH=tests python tools/make_golden_preprocess.py --megvii DIR
"""

import argparse
import hashlib
import importlib
import io
import json
import platform
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import torch
from PIL import Image

from preprocessed import IMAGES, SIZES, digest, sample
from seeded import photo
from shufflenet.data import open_images

Pixels = npt.NDArray[np.uint8]

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"
MEAN_IMAGE = ROOT / "src" / "shufflenet" / "preprocess" / "megvii-imagenet-224.npz"
LARGE = "ShuffleNetV2.Large/ImageNet_1000_scale224_mean.xml"


def _torchvision() -> Any:  # noqa: ANN401  # a module
    for operator in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms() -> Tensor",
    ):
        # One built for CUDA beside a torch built without lacks these when it is imported.
        name, signature = operator.split("(", 1)
        try:
            torch.library.define(f"torchvision::{name}", f"({signature}")
        except RuntimeError:
            break
    return importlib.import_module("torchvision")


TORCHVISION = _torchvision()
CV2 = importlib.import_module("cv2")


def read_by_pillow(content: bytes) -> Pixels:
    """Decode as torchvision's ImageFolder does: no EXIF."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def read_by_opencv(content: bytes) -> Pixels:
    """Decode as PaddleClas (operators.py, DecodeImage) and mmcv (io.py, imfrombytes) do."""
    bgr = CV2.imdecode(np.frombuffer(content, np.uint8), CV2.IMREAD_COLOR)
    return np.ascontiguousarray(bgr[:, :, ::-1])


def by_torchvision(pixels: Pixels, resize_px: int, crop_px: int) -> Pixels:
    """Resize and crop as torchvision's presets do."""
    transforms = TORCHVISION.transforms
    steps = transforms.Compose([transforms.Resize(resize_px), transforms.CenterCrop(crop_px)])
    return np.asarray(steps(Image.fromarray(pixels)))


def by_mmpretrain(pixels: Pixels, resize_px: int, crop_px: int) -> Pixels:
    """Resize by Pillow, with blue first, and crop: ResizeEdge and CenterCrop (ee7f2e8)."""
    height, width = pixels.shape[:2]
    if width < height:
        size = (resize_px, int(resize_px * height / width))
    else:
        size = (int(resize_px * width / height), resize_px)
    bgr = Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
    result = np.asarray(bgr.resize(size, Image.Resampling.BILINEAR))
    top, left = (int(round((side - crop_px) / 2)) for side in result.shape[:2])  # noqa: RUF046
    return result[top : top + crop_px, left : left + crop_px, ::-1]


def by_paddleclas(pixels: Pixels, resize_px: int, crop_px: int) -> Pixels:
    """Resize by OpenCV and crop: ResizeImage and CropImage (d178931)."""
    height, width = pixels.shape[:2]
    factor = resize_px / min(width, height)
    size = (round(width * factor), round(height * factor))
    result = CV2.resize(pixels, size, interpolation=CV2.INTER_LINEAR)
    top, left = ((side - crop_px) // 2 for side in result.shape[:2])
    return np.asarray(result[top : top + crop_px, left : left + crop_px])


def by_megvii(pixels: Pixels, resize_px: int, crop_px: int) -> Pixels:
    """Resize by OpenCV, with blue first, and crop by torchvision: OpencvResize (aa91feb)."""
    height, width = pixels.shape[:2]
    if height < width:
        size = (int(resize_px / height * width + 0.5), resize_px)
    else:
        size = (resize_px, int(resize_px / width * height + 0.5))
    bgr = np.ascontiguousarray(pixels[:, :, ::-1])
    result = CV2.resize(bgr, size, interpolation=CV2.INTER_LINEAR)[:, :, ::-1]
    crop = TORCHVISION.transforms.CenterCrop(crop_px)
    return np.asarray(crop(Image.fromarray(np.ascontiguousarray(result))))


SOURCES: dict[
    str, tuple[Callable[[bytes], Pixels], Callable[[Pixels, int, int], Pixels], tuple[int, int]]
] = {
    "torchvision": (read_by_pillow, by_torchvision, (256, 224)),
    "torchvision 232": (read_by_pillow, by_torchvision, (232, 224)),
    "mmpretrain": (read_by_opencv, by_mmpretrain, (256, 224)),
    "paddleclas": (read_by_opencv, by_paddleclas, (256, 224)),
    "megvii": (read_by_pillow, by_megvii, (256, 224)),
}


def _origin() -> npt.NDArray[np.str_]:
    versions = {
        "torchvision": TORCHVISION.__version__,
        "opencv": CV2.__version__,
        "pillow": PIL.__version__,
        "machine": platform.machine(),
        "written by": "tools/make_golden_preprocess.py",
    }
    return np.array(json.dumps(versions))


def write_synthetic(path: Path) -> None:
    """Write what every source makes of images of every shape, and of every EXIF orientation."""
    images = [photo(f"{height}x{width}", height, width) for height, width in IMAGES]
    results = [
        [[crop(image, *size) for size in SIZES] for image in images]
        for _, crop, _ in SOURCES.values()
    ]
    files = [_turned(orientation) for orientation in range(1, 9)]
    contents: Any = {f"jpeg {i}": np.frombuffer(file, np.uint8) for i, file in enumerate(files, 1)}
    np.savez_compressed(
        path,
        origin=_origin(),
        sources=np.array(list(SOURCES)),
        digests=np.array([[[digest(r) for r in s] for s in i] for i in results]),
        samples=np.array([[[sample(r) for r in s] for s in i] for i in results]),
        upright=np.array([digest(read_by_opencv(file)) for file in files]),
        stored=np.array([digest(read_by_pillow(file)) for file in files]),
        **contents,
    )


def _turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image = Image.fromarray(photo("turned", 24, 40))
    image.save(buffer, "JPEG", quality=70, exif=exif)
    return buffer.getvalue()


def write_photos(path: Path, archive: Path) -> None:
    """Write checksums of what every source makes of real photos; not the photos."""
    photos = open_images(archive)
    rows = [
        [digest(crop(read(photo.read()), *size)) for read, crop, size in SOURCES.values()]
        for photo in photos.samples
    ]
    np.savez_compressed(
        path,
        origin=_origin(),
        sources=np.array(list(SOURCES)),
        names=np.array("\n".join(photo.name for photo in photos.samples)),
        digests=np.array(rows),
    )


def pack_mean_image(megvii: Path, path: Path) -> None:
    """Write the mean image in the format of ``read_mean_image``, and its licence."""
    text = ElementTree.parse(megvii / LARGE).findtext("MeanImg/data")
    if text is None:
        raise SystemExit(f"{LARGE} has no MeanImg/data.")
    image = np.array(text.split(), np.float64).astype("<f4").reshape(224, 224, 3)
    bits = image.view("<u4")
    for axis in (2, 1, 0):
        bits = np.diff(bits, axis=axis, prepend=np.uint32(0))
    zigzag = ((bits << 1) ^ (np.uint32(0) - (bits >> 31)))[..., None]
    planes = np.ascontiguousarray(np.moveaxis(zigzag.view(np.uint8), -1, 0))
    source = f"megvii-model/ShuffleNet-Series at aa91feb, {LARGE}"
    licence = (megvii / "LICENSE").read_text()
    np.savez_compressed(path, planes=planes, source=np.array(source), licence=np.array(licence))
    print(f"sha256 of the floats: {hashlib.sha256(image.tobytes()).hexdigest()}")


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="imagenet-samples.tar.gz")
    parser.add_argument("--megvii", type=Path, help="a clone, to pack the mean image from")
    arguments = parser.parse_args()
    if arguments.megvii:
        pack_mean_image(arguments.megvii, MEAN_IMAGE)
        written = [MEAN_IMAGE]
    else:
        if int(PIL.__version__.split(".")[0]) >= 13:
            raise SystemExit(f"Pillow is {PIL.__version__}, but must be below 13.")
        written = [GOLDEN / "preprocess-synthetic.npz"]
        write_synthetic(written[0])
        if arguments.photos:
            written.append(GOLDEN / "preprocess-photos.npz")
            write_photos(written[1], arguments.photos)
    for path in written:
        print(f"{path}: {path.stat().st_size:,} bytes, {_origin()}")


if __name__ == "__main__":
    main()
