"""The whole files that are damaged: small ones of every kind that a door takes."""

import io
import json
import pickle
import shutil
import tarfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile
import torch
from PIL import Image, features

from conftest import card_for, saved, with_seeded_weights
from exported import THIN, export
from foreign import LIGHT, as_torch, torch_bytes
from fuzz.boxes import write_box_seeds
from fuzz.found import write_detectors
from fuzz.service import write_requests
from originals import ORIGINALS, weights
from quantizing import QUICK, pictures, written
from random_graphs import quantized, random_model
from seeded import photo
from shufflenet.export import (
    ExportOptions,
    Request,
    _executorch,
    _ncnn,
    _openvino,
    _pt2,
    export_onnx_file,
)
from shufflenet.files import PACKAGE_PROGRAM, SEAL_KEY, UNSEALED, sidecar_content
from shufflenet.graph import Program, parse_onnx, read_program
from shufflenet.models import create_model
from shufflenet.quantize import quantize_onnx
from shufflenet.spec import CARD_KEY
from shufflenet.zoo import NETWORKS

__all__ = ["write_seeds"]

PX = 32

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
_MODES = ("L", "P", "RGBA", "1", "LA", "I;16", "CMYK")


def write_seeds(folder: Path) -> None:
    """Write a folder of files for each door; whatever is already there is kept."""
    if (folder / "done").exists():
        return
    for name, write in _WRITERS.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        write(place)
    (folder / "done").touch()


def _write_float(folder: Path) -> None:
    export(THIN, folder / "thin.onnx")
    export(replace(NETWORKS["shufflenet_v1_g3_x0_5"], classes=3), folder / "v1.onnx")


def _write_int8(folder: Path) -> None:
    source = export(THIN, folder.parent / "float" / "thin.onnx")
    images = written(folder.parent / "calibration", pictures(12), ("id0", "id1", "id2"))
    quantize_onnx(source, images, folder / "thin.onnx", QUICK)


def _write_ncnn(folder: Path) -> None:
    """Write the text of a network, and its other parts in a folder beside it, not sealed yet."""
    parts = folder / "parts"
    parts.mkdir()
    program, request = _asked(folder)
    files = _ncnn.write(program, request)
    (folder / "case.param").write_bytes(files["case.param"])
    (parts / "case.bin").write_bytes(files["case.bin"])
    (parts / "case.param.json").write_bytes(sidecar_content(request.metadata))


def _write_openvino(folder: Path) -> None:
    """Write likewise the text of a network for OpenVINO, and its weights."""
    if find_spec("openvino") is None:
        return
    parts = folder / "parts"
    parts.mkdir()
    files = _openvino.write(*_asked(folder))
    (folder / "case.xml").write_bytes(files["case.xml"])
    (parts / "case.bin").write_bytes(files["case.bin"])


def _write_programs(folder: Path) -> None:
    """Write programs for ExecuTorch, torch.export and WebAssembly; the first has no hash yet."""
    if find_spec("executorch"):
        (folder / "executorch").mkdir()
        (content,) = _executorch.write(*_asked(folder)).values()
        (folder / "executorch" / "case.pte").write_bytes(content)
    (folder / "pt2").mkdir()
    (content,) = _pt2.write(*_asked(folder)).values()
    (folder / "pt2" / "case.pt2").write_bytes(content)
    if all(map(find_spec, ("wasmtime", "llvmlite", "ziglang"))):
        from shufflenet.compile import compile_network  # noqa: PLC0415  # it needs llvmlite

        (folder / "wasm").mkdir()
        source, made = folder.parent / "float" / "thin.onnx", folder / "wasm" / "case.wasm"
        compile_network(source, made, "wasm32")
        made.with_suffix(".h").unlink()


def _asked(folder: Path) -> tuple[Program, Request]:
    """Return what the writers of formats are given: a thin network in float32."""
    card = card_for(THIN)
    metadata = {CARD_KEY: card.to_json(), SEAL_KEY: UNSEALED}
    onnx = export(THIN, folder.parent / "float" / "thin.onnx").read_bytes()
    request = Request(
        card=card, metadata=metadata, stem="case", precision="float32", size=(PX, PX),
        options=ExportOptions(), onnx=onnx,
    )  # fmt: skip
    return read_program(parse_onnx(onnx, "thin"), 1, request.size), request


def _write_packages(folder: Path) -> None:
    """Write the program of a Core ML package, and the package that it is of."""
    package = folder / "thin.mlpackage"
    export_onnx_file(folder.parent / "int8" / "thin.onnx", package)
    shutil.copy(package / PACKAGE_PROGRAM, folder / "thin.mlmodel")


def _write_checkpoints(folder: Path) -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    saved(with_seeded_weights(net), folder / "small.safetensors")


def _write_foreign(folder: Path) -> None:
    chosen = ("megvii-v2 0.5x", "paddleclas x0_25")
    for original in (o for o in ORIGINALS if str(o) in chosen):
        arrays = weights(original)
        if original.source.startswith("paddle"):
            (folder / "paddle.pdparams").write_bytes(pickle.dumps(arrays, protocol=4))
            continue
        content = {"state_dict": as_torch(arrays), "meta": {"epoch": 3}}
        (folder / "zip.pth").write_bytes(torch_bytes(content))
        legacy = io.BytesIO()
        torch.save(content, legacy, _use_new_zipfile_serialization=False)
        (folder / "legacy.pth").write_bytes(legacy.getvalue())
    (folder / "light.onnx").write_bytes(LIGHT.read_bytes())


def _jpeg(name: str, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(photo(name, 40, 52)).save(out, kind)
    return out.getvalue()


def _tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _write_archives(folder: Path) -> None:
    photos = {f"data/{name}/{i}.jpg": _jpeg(f"{name}{i}") for name in ("a", "b") for i in range(3)}
    _tar(folder / "folders.tar", photos)
    shard: dict[str, bytes] = {}
    for i in range(4):
        label = json.dumps({"label": i % 2, "name": "x"}).encode()
        shard |= {f"{i}.jpg": _jpeg(str(i)), f"{i}.cls": b"%d" % (i % 2), f"{i}.json": label}
    _tar(folder / "shard.tar", shard)


def _write_tables(folder: Path) -> None:
    rows = "".join(f"{i}.jpg,{'ab'[i % 2]}\n" for i in range(4))
    (folder / "table.csv").write_text("path,label\n" + rows)
    images = [{"bytes": _jpeg(str(i)), "path": f"{i}.jpg"} for i in range(4)]
    table = pa.table({"image": images, "label": [0, 1, 0, 1]})
    feature = {"label": {"names": ["a", "b"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    schema = json.dumps({"info": {"features": feature}})
    pq.write_table(table.replace_schema_metadata({"huggingface": schema}), folder / "t.parquet")


def _write_photos(folder: Path) -> None:
    """Write the photos that tables name."""
    for i in range(4):
        (folder / f"{i}.jpg").write_bytes(_jpeg(str(i)))


def _write_images(folder: Path) -> None:
    picture = Image.fromarray(photo("seed", 40, 52))
    for kind in _FORMATS:
        if kind == "AVIF" and not features.check("avif"):
            continue
        picture.save(folder / f"rgb.{kind.lower()}", kind)
    for mode in _MODES:
        kind = "JPEG" if mode == "CMYK" else "PNG"
        changed = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
        changed.save(folder / f"{mode.replace(';', '')}.{kind.lower()}", kind)
    frames = [Image.fromarray(photo(str(i), 40, 52)) for i in range(3)]
    for kind in ("GIF", "TIFF", "WEBP"):
        frames[0].save(folder / f"frames.{kind.lower()}", kind, save_all=True, append_images=frames)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(folder / "turned.jpeg", "JPEG", exif=exif)


def _write_bands(folder: Path) -> None:
    """Write TIFF files of seven channels: as bands, in tiles, as pages, for large files."""
    bands = np.random.default_rng(7).integers(0, 65_536, (24, 18, 7), np.uint16)
    whole: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(folder / "bands.tif", bands, **whole)
    tifffile.imwrite(
        folder / "tiles.tif", bands, tile=(16, 16), compression="zlib", predictor=2, **whole
    )
    tifffile.imwrite(folder / "big.tif", bands, bigtiff=True, byteorder=">", **whole)
    pages = np.moveaxis(bands >> 8, -1, 0).astype(np.uint8)
    tifffile.imwrite(folder / "pages.tif", pages, photometric="minisblack", compression="zlib")


def _write_text(folder: Path) -> None:
    card = card_for(with_seeded_weights(create_model("shufflenet_v2_x0_25", num_classes=3)).spec)
    (folder / "labels.txt").write_text("".join(f"{label.name}\n" for label in card.labels))
    (folder / "ids.tsv").write_text("".join(f"{x.id}\t{x.name}\n" for x in card.labels))
    np.save(folder / "array.npy", np.zeros((1, 3, PX, PX), np.float32))


def _write_replies(folder: Path) -> None:
    """Replies of a server, byte by byte."""
    body = bytes(range(256)) * 4
    length = b"Content-Length: 1024\r\n"
    heads = {
        "whole": b"HTTP/1.1 200 OK\r\n" + length,
        "part": b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1023/1024\r\n" + length,
        "moved": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/other\r\n" + length,
        "missing": b"HTTP/1.0 404 Not Found\r\n" + length,
        "endless": b"HTTP/1.1 200 OK\r\n",
    }
    for name, head in heads.items():
        (folder / f"{name}.http").write_bytes(head + b"\r\n" + body)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + body
    (folder / "chunked.http").write_bytes(chunked + b"\r\n0\r\n\r\n")


def _write_litert(folder: Path) -> None:
    if find_spec("ai_edge_litert") is None:
        return
    from litert_files import write_litert  # noqa: PLC0415  # it needs LiteRT

    for seed in range(3):
        model = random_model(seed)
        write_litert(model, folder / f"float{seed}.tflite")
        int8 = quantized(model, folder.parent / "int8.onnx")
        write_litert(int8, folder / f"int8{seed}.tflite", precision="int8")


def _write_all(folder: Path) -> None:
    """Put every file of the other folders into one, named by both."""
    for path in sorted(folder.parent.glob("*/*")):
        if path.is_file() and path.parent != folder:
            shutil.copy(path, folder / f"{path.parent.name}-{path.name}")


_WRITERS = {
    "float": _write_float,
    "int8": _write_int8,
    "ncnn": _write_ncnn,
    "openvino": _write_openvino,
    "packages": _write_packages,
    "programs": _write_programs,
    "checkpoints": _write_checkpoints,
    "foreign": _write_foreign,
    "archives": _write_archives,
    "tables": _write_tables,
    "photos": _write_photos,
    "images": _write_images,
    "bands": _write_bands,
    "text": _write_text,
    "replies": _write_replies,
    "litert": _write_litert,
    "all": _write_all,  # of those before
    "requests": write_requests,
    "boxes": write_box_seeds,
    "detectors": write_detectors,
}
