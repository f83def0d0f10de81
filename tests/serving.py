"""What the tests of the service share: a small model, pictures, an app in this process."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import numpy.typing as npt
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from color_finder import write_color_finder
from conftest import card_for
from fakes import Reddest
from seeded import photo
from shufflenet.preprocess import Pixels
from shufflenet.runtimes import LastLayer, Model, OnnxClassifier
from shufflenet.serve import Limits, Served, make_app
from shufflenet.zoo import NETWORKS

# Three classes, photos of 32 px.
CARD: Final = card_for(replace(NETWORKS["shufflenet_v2_x0_5"], classes=3))


class Means:
    """An embedder: the means of red, green and blue, 0 to 255."""

    card = CARD

    def embed(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        means: npt.NDArray[np.float32] = self.maps(batch).mean(axis=(2, 3), dtype=np.float32)
        return means

    def embed_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return self.embed(pixels.transpose(0, 3, 1, 2).astype(np.float32))

    def maps(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return batch

    def maps_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return self.maps(pixels.transpose(0, 3, 1, 2).astype(np.float32))

    def last_layer(self) -> LastLayer:
        return LastLayer(np.eye(3, dtype=np.float32), np.zeros(3, np.float32))


def reddest() -> Served:
    return Served("reddest", Model(Reddest(CARD)), Means())


@cache
def finder() -> Served:
    """Return a detector that finds colored squares."""
    with TemporaryDirectory() as folder:
        path = write_color_finder(Path(folder) / "colors.onnx")
        return Served("colors", Model(OnnxClassifier(path, threads=1)))


def client(*models: Served, limits: Limits | None = None, token: str | None = None) -> TestClient:
    """Return a client of an app that has these models, or one; faults of the app are answers."""
    app = make_app(models or (reddest(),), limits, token=token, threads=2)
    return TestClient(app, raise_server_exceptions=False)


def picture(name: str = "a", height: int = 40, width: int = 52, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(photo(name, height, width)).save(content, kind)
    return content.getvalue()


@contextmanager
def listening(app: Starlette) -> Iterator[str]:
    """Run an app by uvicorn in a thread, at the address ``host:port`` while the block runs."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        host, port = listener.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.should_exit = True
            thread.join()
