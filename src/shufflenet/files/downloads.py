"""Downloads a published file once: resumed, verified, whole or not at all.

A file is stored at ``cache_dir() / "downloads" / NAME / FILENAME``, NAME being that of the weights,
which is unique in the catalogue, so that equal filenames of two sources cannot collide. During a
download two more files lie beside it: ``FILENAME.partial``, which a later call resumes if a hash
can verify the result, and ``FILENAME.lock``, held by the downloading process; the system releases
the lock of a process that dies.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from shufflenet.errors import (
    DownloadedFileWrong,
    DownloadFailed,
    MustDownloadByHand,
    Offline,
    ServerUnreachable,
    WhereToGet,
    WriteError,
)
from shufflenet.files._cache import cache_dir
from shufflenet.files._transfer import Refused, Transient, chunks, open_url, require_address
from shufflenet.outside import open_regular
from shufflenet.zoo import Weights

__all__ = ["Progress", "download"]

Progress = Callable[[int, int | None], None]
"""Takes the bytes on disk and those of the whole file, or None where that is unknown."""

_PAUSES_S = (0.5, 1.0, 2.0)  # before each further attempt after a transient failure
_CAP_BYTES = 4 << 30  # of a file of unknown size, so that no transfer is endless


def download(weights: Weights, *, on_progress: Progress = lambda done, total: None) -> Path:
    """Return the path of a published file; download it unless it is in the cache.

    A cached file is hashed at every call: a person may have put it there, and what is about to be
    unpickled must be what was published. The network is used only if the cached file is missing or
    wrong, and never while ``SHUFFLENET_OFFLINE`` is 1.

    Args:
        weights: The published weights. If their source publishes no hash, any file of the right
            size is accepted, and a warning with its sha256 is logged.
        on_progress: Called after each chunk that was received.

    Raises:
        DownloadError: the file cannot be downloaded, or is not what was published. A wrong file is
            deleted; of an incomplete one only what the next call can resume is kept.
        WriteError: the disk is full or the cache cannot be written.
    """
    path = _cached_path(weights)
    if mismatch := _mismatch(path, weights):
        _check_allowed(weights, mismatch)
        with _disk_errors_as_write_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                if _mismatch(path, weights):  # else another process downloaded it meanwhile
                    _download_and_verify(weights, path, on_progress)
    if not _published_hash(weights)[1]:
        logging.getLogger(__name__).warning(
            "No hash of %r is published; this file has the sha256 %s.",
            weights.name,
            _digest(path, "sha256"),
        )
    return path


def _cached_path(weights: Weights) -> Path:
    return cache_dir() / "downloads" / weights.name / weights.filename


def _check_allowed(weights: Weights, mismatch: str) -> None:
    if not weights.url:
        raise MustDownloadByHand(_where(weights), mismatch)
    if os.environ.get("SHUFFLENET_OFFLINE", "0") not in ("", "0"):
        raise Offline(_where(weights), mismatch)
    try:
        require_address(weights.url)
    except Refused as error:
        raise DownloadFailed(_where(weights), str(error)) from error


def _where(weights: Weights) -> WhereToGet:
    return WhereToGet(
        name=weights.name,
        network=weights.network,
        filename=weights.filename,
        url=weights.url,
        folders=tuple(filter(None, (weights.page, weights.mirror))),
        path=str(_cached_path(weights)),
    )


@contextmanager
def _disk_errors_as_write_error(path: Path) -> Iterator[None]:
    # Network failures are OSErrors too; they became Transient where they arose.
    try:
        yield
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def _download_and_verify(weights: Weights, path: Path, on_progress: Progress) -> None:
    """Download into a partial file, verify it, and only then rename it to ``path``.

    Raises:
        DownloadedFileWrong: the downloaded file is not what was published.
    """
    partial = path.with_name(f"{path.name}.partial")
    resumed = partial.exists()
    try:
        mismatch = _transfer(weights, partial, on_progress)
        if mismatch and resumed:  # perhaps only the old part was wrong
            partial.unlink()
            mismatch = _transfer(weights, partial, on_progress)
        if mismatch:
            partial.unlink(missing_ok=True)
            raise DownloadedFileWrong(_where(weights), mismatch)
        os.replace(partial, path)
    finally:
        if not _published_hash(weights)[1]:
            partial.unlink(missing_ok=True)  # it could not be verified, so it is never resumed


def _published_hash(weights: Weights) -> tuple[str, str]:
    """Return the kind of the published hash and its digits: all, the first few, or none."""
    only_md5 = weights.md5 and not weights.sha256
    return ("md5", weights.md5) if only_md5 else ("sha256", weights.sha256)


def _mismatch(path: Path, weights: Weights) -> str:
    """Return how a file differs from the published one, as a predicate; empty if it does not."""
    limit = weights.bytes or _CAP_BYTES
    kind, published = _published_hash(weights)
    try:
        size = path.stat().st_size
        if size > limit:
            return f"is larger than {limit} bytes"
        if size == 0:
            return "is empty"
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
    with open_regular(path) as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def _transfer(weights: Weights, partial: Path, on_progress: Progress) -> str:
    """Complete the partial file, with several attempts, and return its mismatch.

    Raises:
        DownloadFailed: the address or the server is at fault.
        ServerUnreachable: all attempts failed, but a later one may not.
    """
    for pause_s in (*_PAUSES_S, None):
        try:
            _resume(weights, partial, on_progress)
            break
        except Refused as failure:
            raise DownloadFailed(_where(weights), str(failure)) from failure
        except Transient as failure:
            if pause_s is None:
                raise ServerUnreachable(_where(weights), failure) from failure
            time.sleep(pause_s)
    return _mismatch(partial, weights)


def _resume(weights: Weights, partial: Path, on_progress: Progress) -> None:
    # Only a hash can verify that two parts belong to one file: without one, start from byte 0.
    done = partial.stat().st_size if _published_hash(weights)[1] and partial.exists() else 0
    if weights.bytes and done >= weights.bytes:
        return
    if (response := open_url(weights.url, done)) is None:
        return
    with response:
        if response.headers.get_content_type() == "text/html" and not _published_hash(weights)[1]:
            raise Refused("the server sent a web page instead of the file")
        if response.status != 206:  # the server supports no ranges and sends the whole file
            done = 0
        announced = response.headers.get("Content-Length")
        total = done + int(announced) if announced else weights.bytes or None
        with partial.open("ab" if done else "wb") as file:
            for chunk in chunks(response):
                file.write(chunk)
                done += len(chunk)
                on_progress(done, total)
                if done > (weights.bytes or _CAP_BYTES):
                    return  # its size will be refused: do not read to its end
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave the name without the content
    if total is not None and done < total:
        raise Transient(f"the transfer ended after {done} of {total} bytes")
