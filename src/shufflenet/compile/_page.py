"""A compiled network as a web page: the same one for browsers with and without relaxed SIMD."""

from dataclasses import replace
from pathlib import Path

from shufflenet.codegen import photo_bytes
from shufflenet.compile._make import make
from shufflenet.compile._order import CompiledFile, Order
from shufflenet.compile._targets import WEB
from shufflenet.compile.web import check_folder, write_site
from shufflenet.errors import NotForPages, SpecError
from shufflenet.files import read_onnx_card
from shufflenet.spec import Card

__all__ = ["check_page", "write_page"]

_EVERY = "wasm32"
_RELAXED = "wasm32-relaxed"
_OF_OTHERS = ("cpu", "features", "prefix", "weights")  # the page's script counts on its own


def check_page(folder: Path, order: Order) -> None:
    """Check what can be told of a page before anything is compiled.

    Raises:
        SpecError: a processor, a prefix or a type of weights is named: a page has its own.
        WriteError: the folder is none, holds other files, or cannot be written.
    """
    usual = Order(weights="float16")
    for name in _OF_OTHERS:
        if getattr(order, name) not in (getattr(usual, name), None):
            raise SpecError(name, getattr(order, name), "left out for a page, which has its own")
    check_folder(folder)


def write_page(path: Path, folder: Path, order: Order) -> CompiledFile:
    """Compile a network for browsers, and write the folder of its page.

    Weights are stored as float16 where that is exact, for they are most of what a visitor loads.

    Args:
        path: The ONNX file.
        folder: The folder; if it exists, it must hold nothing but an older page.
        order: What is to be made; its target counts as that of browsers.

    Raises:
        NotCompilable: no code is written for the network.
        NotForPages: none is written that makes its images of photos.
        CheckpointError: the file is missing, damaged, or has no card.
        WriteError: the folder holds other files, or a file cannot be written.
    """
    _check_photos(path, read_onnx_card(path))
    file = Path("net.wasm")
    every, relaxed = (
        make(path, file, replace(order, target=target, weights="float16"))
        for target in (_EVERY, _RELAXED)
    )
    sizes = write_site(folder, every.files[file], relaxed.files[file])
    size = sum(sizes.values())
    return replace(every.report, path=str(folder), header="", target=WEB, file_bytes=size)


def _check_photos(path: Path, card: Card) -> None:
    """Check that a network's images are made of photos by the code that is compiled for it.

    Raises:
        NotForPages: they are not.
    """
    how, channels = card.preprocess, card.network.in_channels
    if how.mean_image:
        raise NotForPages(path, "images of which a mean image is subtracted")
    if how.bits != 8:
        raise NotForPages(path, f"pixels of {how.bits} bits")
    if channels != how.in_channels or not photo_bytes(how):
        raise NotForPages(path, f"images of {channels} channels")
