"""Requests to the service, damaged: a file is a line with the path, one with a header, a body."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from fuzz.mutate import Rng, damaged, damaged_json
from seeded import photo
from serving import client, picture

__all__ = ["ask_service", "damage_request", "write_requests"]

_V2, _LENGTH = b"/v2/models/reddest/infer", b"Inference-Header-Content-Length"
_STATUSES = (200, 400, 404, 413, 415, 422)
_CLIENTS: list[TestClient] = []  # one for all cases


def write_requests(folder: Path) -> None:
    """Write requests of every kind that has a body."""
    image, content = {"name": "images", "datatype": "FP32", "shape": [1, 3, 32, 32]}, picture()
    numbers = np.arange(3 * 32 * 32, dtype="<f4") % 10
    element = len(content).to_bytes(4, "little") + content
    part = b'--edge\r\nContent-Disposition: form-data; name="a"; filename="%d.png"\r\n\r\n%b\r\n'
    form = b"".join(part % (at, content) for at in range(3)) + b"--edge--\r\n"
    requests = {
        "image": (b"/v1/classify", b"Content-Type: image/png", content),
        "embed": (b"/v1/embed?model=reddest", b"", content),
        "form": (b"/v1/classify?top=2", b"Content-Type: multipart/form-data; boundary=edge", form),
        "flat": (_V2, b"", _json({**image, "data": numbers.tolist()})),
        "nested": (_V2, b"", _json({**image, "data": numbers.reshape(1, 3, 32, 32).tolist()})),
        "binary": _sized(image, numbers.tobytes()),
        "half": _sized({**image, "datatype": "FP16"}, numbers.astype("<f2").tobytes()),
        "pixels": _sized(
            {"name": "pixels", "datatype": "UINT8", "shape": [1, 32, 32, 3]},
            photo("a", 32, 32).tobytes(),
        ),
        "files": _sized({"name": "files", "datatype": "BYTES", "shape": [2, 1]}, element * 2),
    }
    packed = gzip.compress(requests["flat"][2])
    requests["gzip"] = (_V2, b"Content-Encoding: gzip", packed)
    for name, (path, header, body) in requests.items():
        (folder / name).write_bytes(b"\n".join((path, header, body)))


def _json(tensor: Mapping[str, object]) -> bytes:
    asked = {"name": "probabilities", "parameters": {"classification": 2}}
    outputs = [asked, {"name": "logits", "parameters": {"binary_data": True}}]
    return json.dumps({"id": "7", "inputs": [tensor], "outputs": outputs}).encode()


def _sized(tensor: Mapping[str, object], data: bytes) -> tuple[bytes, bytes, bytes]:
    text = _json({**tensor, "parameters": {"binary_data_size": len(data)}})
    return _V2, _LENGTH + b": %d" % len(text), text + data


def damage_request(rng: Rng, source: Path) -> bytes:
    """Damage the headers or the body; of JSON a value, so that what follows is still found."""
    path, header, body = _parts(source.read_bytes())
    if header and rng.random() < 0.15:
        name, _, value = header.partition(b": ")  # names are the business of the HTTP server
        header = name + b": " + damaged(rng, value).replace(b"\n", b"")
    elif path != _V2 or b"gzip" in header or rng.random() < 0.3:
        body = damaged(rng, body)
    else:
        length = int(header.partition(b": ")[2] or len(body))
        text = damaged_json(rng, body[:length])
        body = text + body[length:]
        header = header and _LENGTH + b": %d" % len(text)
    return b"\n".join((path, header, body))


def _parts(request: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the path, the header and the body."""
    path, header, body = request.split(b"\n", 2)
    return path, header, body


def ask_service(path: Path, rng: Rng) -> str:
    """Send a request; it is answered, or refused in a sentence, but never fails.

    Raises:
        AssertionError: the answer is another.
    """
    address, header, body = _parts(path.read_bytes())
    name, _, value = header.partition(b":")
    headers = [(name.strip(), value.strip())] if name.strip() else []
    if not _CLIENTS:
        _CLIENTS.append(client())
    answer = _CLIENTS[0].post(address.decode(), content=body, headers=headers)
    assert answer.status_code in _STATUSES, (answer.status_code, answer.text)
    if answer.status_code == 200:
        return "answered"
    sentence = answer.json()["error"]
    assert sentence.endswith((".", "?")), sentence
    assert len(sentence) < 1000, sentence[:200]
    assert sentence.isprintable(), sentence
    return str(answer.status_code)
