"""Bring a published file to disk, once: resumed, checked, whole or not at all.

A file lies at ``home() / "downloads" / NAME / FILENAME``, NAME being that of the weights: no two
in the catalogue share one, so equal filenames of two sources cannot meet. Beside it lie, while it
is on its way, ``FILENAME.partial``, which a later try continues where a hash can tell whether that
went well, and ``FILENAME.lock``, which the process that brings it holds; the system frees the lock
of a process that dies.
"""

import hashlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock
from platformdirs import user_cache_dir

from shufflenet.errors import DownloadError, WriteError
from shufflenet.zoo import Weights

__all__ = ["Progress", "fetch", "home"]

Progress = Callable[[int, int | None], None]
"""Takes the bytes on disk and those of the whole file; None where they are not known."""

_TIMEOUT_S = 20.0  # how long a server may be silent
_PAUSES_S = (0.5, 1.0, 2.0)  # before each further try after a passing fault
_CHUNK_BYTES = 1 << 16
_CAP_BYTES = 4 << 30  # of a file of unknown size, so that no transfer is endless
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))  # statuses that may be gone in a second


class _PassingFault(Exception):
    """The network or the server failed in a way that a further try may mend."""


def home() -> Path:
    """Give the folder of everything this package keeps for later: ``$SHUFFLENET_HOME``, if set."""
    folder = os.environ.get("SHUFFLENET_HOME") or user_cache_dir("shufflenet", appauthor=False)
    return Path(folder).expanduser().absolute()


def fetch(weights: Weights, *, on_progress: Progress = lambda done, total: None) -> Path:
    """Give the path of a published file, which is downloaded unless it is there.

    A file that is there is hashed at every call, not only when it comes: a person may have put
    it there, and what is about to be unpickled must be what was published. Nothing is asked of
    the network then; and nothing ever while ``SHUFFLENET_OFFLINE`` is 1.

    Args:
        weights: What to bring. Where its source publishes no hash, any file of the right size
            is taken, and a warning with its sha256 is logged.
        on_progress: Called after each piece that came.

    Raises:
        DownloadError: the file cannot be had, or is not what was published. Of a wrong file
            nothing is kept, of an incomplete one only what the next call can continue.
        WriteError: the disk is full or the place cannot be written.
    """
    path = _place(weights)
    if fault := _fault(path, weights):
        _check_allowed(weights, fault)
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                if _fault(path, weights):  # else another process brought it while this one waited
                    _bring(weights, path, on_progress)
    if not _hash(weights)[1]:
        logging.getLogger(__name__).warning(
            "No hash of %r is published; this file has the sha256 %s.",
            weights.name,
            _digest(path, "sha256"),
        )
    return path


def _place(weights: Weights) -> Path:
    return home() / "downloads" / weights.name / weights.filename


def _check_allowed(weights: Weights, fault: str) -> None:
    if not weights.url:
        _refuse(weights, f"must be fetched by hand, and the cached file {fault}")
    if os.environ.get("SHUFFLENET_OFFLINE", "0") not in ("", "0"):
        problem = f"are not downloaded while SHUFFLENET_OFFLINE is set, and the cached file {fault}"
        _refuse(weights, problem, "Unset it, or")
    if (scheme := urlsplit(weights.url).scheme) not in ("http", "https"):
        _refuse(weights, f"{_failed(weights)}: {scheme!r} is neither http nor https")


def _failed(weights: Weights) -> str:
    return f"could not be downloaded from {weights.url!r}"


def _refuse(weights: Weights, problem: str, before: str = "To go on,") -> NoReturn:
    """Raise the error, which ends in how a person gets the file.

    Raises:
        DownloadError: always; ``before`` begins its last sentence.
    """
    get = f"get {weights.filename!r} from {weights.url}"
    if not weights.url:  # only a folder's address is known, and scripts that load the file
        folders = " or ".join(filter(None, (weights.page, weights.mirror)))
        get = (
            f"get the file of {weights.network!r} from {folders}, where it may have another name "
            f"than {weights.filename!r},"
        )
    raise DownloadError(
        weights.name, problem, f"{before} {get} and put it at {str(_place(weights))!r}."
    )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    # Faults of the network are OSErrors too: they are turned into _PassingFault where they arise.
    try:
        yield
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def _bring(weights: Weights, path: Path, on_progress: Progress) -> None:
    """Download a file, check it, and only then give it its name."""
    partial = path.with_name(f"{path.name}.partial")
    continued = partial.exists()
    try:
        fault = _transfer(weights, partial, on_progress)
        if fault and continued:  # perhaps only the old part was wrong
            partial.unlink()
            fault = _transfer(weights, partial, on_progress)
        if fault:
            partial.unlink(missing_ok=True)
            problem = f"came wrong from {weights.url!r}: the file {fault}, so it was deleted"
            _refuse(weights, problem, "Run the command again; if that does not help,")
        os.replace(partial, path)
    finally:
        if not _hash(weights)[1]:
            partial.unlink(missing_ok=True)  # nothing would continue it


def _hash(weights: Weights) -> tuple[str, str]:
    """Give the kind of the published hash and its digits: all, the first, or none."""
    only_md5 = weights.md5 and not weights.sha256
    return ("md5", weights.md5) if only_md5 else ("sha256", weights.sha256)


def _fault(path: Path, weights: Weights) -> str:
    """Say in what a file differs from what was published, as a predicate; empty if in nothing."""
    limit = weights.bytes or _CAP_BYTES
    kind, published = _hash(weights)
    try:
        size = path.stat().st_size
        if size > limit:
            return f"is larger than {limit} bytes"
        if size < weights.bytes:
            return f"has {size} of {weights.bytes} bytes"
        digest = _digest(path, kind)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if digest.startswith(published.lower()):
        return ""
    return f"has the {kind} {digest}, not {published}"


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def _transfer(weights: Weights, partial: Path, on_progress: Progress) -> str:
    """Complete the partial file, in a few tries if need be, and say what is wrong with it."""
    for pause_s in (*_PAUSES_S, None):
        try:
            _continue(weights, partial, on_progress)
            break
        except _PassingFault as fault:
            if pause_s is None:
                _refuse(weights, f"{_failed(weights)}: {fault}", "Run the command again later, or")
            time.sleep(pause_s)
    return _fault(partial, weights)


def _continue(weights: Weights, partial: Path, on_progress: Progress) -> None:
    # Only a hash can tell in the end whether what was continued is one file: without, begin anew.
    done = partial.stat().st_size if _hash(weights)[1] and partial.exists() else 0
    if weights.bytes and done >= weights.bytes:
        return
    if (response := _open(weights, done)) is None:
        return
    with response:
        if response.status != 206:  # the server knows no ranges and sends all
            done = 0
        announced = response.headers.get("Content-Length", "")
        total = done + int(announced) if announced.isdecimal() else weights.bytes or None
        with partial.open("ab" if done else "wb") as file:
            for piece in _pieces(response):
                file.write(piece)
                done += len(piece)
                on_progress(done, total)
                if done > (weights.bytes or _CAP_BYTES):
                    return  # it will be refused for its size: do not wait for its end
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave the name without the content
    if total is not None and done < total:
        raise _PassingFault(f"the transfer ended after {done} of {total} bytes")


def _open(weights: Weights, start: int) -> HTTPResponse | None:
    # Asks for the bytes from `start` on; None where the server says that there are none.
    headers = {"User-Agent": "shufflenet"} | ({"Range": f"bytes={start}-"} if start else {})
    request = Request(weights.url, headers=headers)
    try:
        response: HTTPResponse = urlopen(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:
            return None
        if error.code in _PASSING:
            raise _PassingFault(f"the server answered HTTP {error.code}") from error
        meaning = "the link is dead" if error.code in (404, 410) else "the server refuses"
        _refuse(weights, f"{_failed(weights)}: {meaning} (HTTP {error.code})")
    except (OSError, HTTPException) as error:
        raise _PassingFault(_reason(error)) from error
    if response.headers.get_content_type() == "text/html" and not _hash(weights)[1]:
        response.close()
        _refuse(weights, f"{_failed(weights)}: a web page came instead of the file")
    return response


def _pieces(response: HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := response.read(_CHUNK_BYTES):
            yield piece
    except (OSError, HTTPException) as error:
        raise _PassingFault(_reason(error)) from error


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, socket.gaierror):
        return "there is no network, or no host of that name"
    if isinstance(cause, TimeoutError):
        return f"the server was silent for {_TIMEOUT_S:g} s"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
