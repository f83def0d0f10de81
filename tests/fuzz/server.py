"""A server that sends the bytes of a file and hangs up, whatever it is asked."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fuzz.mutate import Rng
from shufflenet.errors import ShuffleNetError
from shufflenet.files import downloads
from sites import weights

__all__ = ["download_from"]

BODY = bytes(range(256)) * 4


@contextmanager
def _sending(reply: bytes) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(1)
                    try:
                        connection.recv(65536)
                        connection.sendall(reply)
                    except OSError:  # the client hung up first
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/m.pth"
        finally:
            done.set()
            thread.join()


def download_from(path: Path, rng: Rng) -> None:
    """Download from a server that sends a file's bytes as its reply; a wrong file is kept never.

    Raises:
        ShuffleNetError: the download failed.
        AssertionError: what was kept is not what the catalogue names.
    """
    sha256 = hashlib.sha256(BODY).hexdigest()
    with pytest.MonkeyPatch.context() as patch, _sending(path.read_bytes()) as url:
        patch.setenv("SHUFFLENET_HOME", str(path.parent / f"home-{rng.integers(1 << 40)}"))
        patch.setenv("no_proxy", "*")
        patch.delenv("SHUFFLENET_OFFLINE", raising=False)
        patch.setattr(downloads, "_PAUSES_S", (0.0, 0.0))
        wanted = weights(url=url, sha256=sha256, bytes=len(BODY))
        try:
            assert downloads.download(wanted).read_bytes() == BODY
        except ShuffleNetError:
            kept = list((path.parent / "home").rglob("m.pth"))
            assert not kept, kept
            raise
