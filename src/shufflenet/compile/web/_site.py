"""The folder of a page: its files, the modules and their weights, written together."""

import contextlib
import hashlib
import json
import re
from pathlib import Path

from shufflenet.compile.web._split import split
from shufflenet.errors import WriteError
from shufflenet.files import check_place, write_together
from shufflenet.look import icon, stylesheet

__all__ = ["check_folder", "write_site"]

_SITE = Path(__file__).parent / "site"
_CODE, _RELAXED = "shufflenet.wasm", "shufflenet-relaxed.wasm"
_WEIGHTS = re.compile(r"weights-[0-9a-f]{12}\.bin")
_MODULE = "shufflenet.js"
_KEEPER = "service-worker.js"  # keeps the other files for when there is no network
_NOT_KEPT = {_KEEPER, "README.md", "shufflenet.d.ts"}


def write_site(folder: str | Path, code: bytes, relaxed: bytes) -> dict[str, int]:
    """Write the folder of a page, whole or not at all, and return the bytes of each file.

    Args:
        folder: The folder; if it exists, it must hold nothing but such files, which are replaced.
        code: The WebAssembly module for every browser.
        relaxed: The one for browsers with relaxed SIMD; of the same interface, prefix
            ``shufflenet``.

    Raises:
        WriteError: the folder holds other files, or a file cannot be written.
    """
    folder = Path(folder)
    files = {**_page(), **split({_CODE: code, _RELAXED: relaxed})}
    (weights,) = filter(_WEIGHTS.fullmatch, files)
    files[_MODULE] = files[_MODULE].replace(b"@WEIGHTS@", weights.encode())
    files[_KEEPER] = _keeper(files)
    stale = _stale(folder)
    existed = folder.exists()
    try:
        write_together({folder / name: content for name, content in files.items()})
    except WriteError:
        if not existed:
            with contextlib.suppress(OSError):  # it could not even be made
                folder.rmdir()
        raise
    for path in stale:
        if path.name not in files:
            path.unlink(missing_ok=True)
    return {name: len(content) for name, content in files.items()}


def check_folder(folder: Path) -> None:
    """Check that a page may be written into a folder, before its modules are compiled.

    Raises:
        WriteError: it is none, holds other files, or cannot be written.
    """
    _stale(folder)
    check_place(folder / _MODULE)


def _page() -> dict[str, bytes]:
    """Return the files of the page, but for the modules and their weights."""
    own = {path.name: path.read_bytes() for path in sorted(_SITE.iterdir())}
    return own | {"page.css": stylesheet(), "icon.svg": icon()}


def _keeper(files: dict[str, bytes]) -> bytes:
    """Return the service worker, told which files it keeps and which version they are."""
    names = sorted(files.keys() - _NOT_KEPT)
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name} {len(content)} ".encode() + content)
    text = files[_KEEPER].decode()
    text = text.replace('["@FILES@"]', json.dumps(["./", *names]))
    return text.replace("@VERSION@", digest.hexdigest()[:16]).encode()


def _stale(folder: Path) -> list[Path]:
    """Return the weights of an older page, of which the new one has others or the same.

    Raises:
        WriteError: the path is no folder, or others' files are in it.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise WriteError(folder, "it is no folder, which a page needs")
    replaced = {_CODE, _RELAXED, *_page()}
    others = [path for path in sorted(folder.iterdir()) if path.name not in replaced]
    for path in others:
        if not _WEIGHTS.fullmatch(path.name):
            raise WriteError(folder, f"{path.name!r} is in it, which is no file of such a page")
    return others
