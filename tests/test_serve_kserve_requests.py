"""Requests to ``/v2`` that no client library writes: by hand, damaged, or meant to harm."""

import base64
import gzip
import json
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from starlette.testclient import TestClient

from conftest import card_for
from fakes import Reddest
from serving import CARD, Means, client, picture
from shufflenet.errors import BodyTooLarge, RequestError, SpecError
from shufflenet.runtimes import Model
from shufflenet.serve import Limits, Served, make_app
from shufflenet.serve.kserve._inflate import inflate
from shufflenet.serve.kserve._request import SentTensor, read_request, split_body
from shufflenet.serve.kserve._signature import Form, sign
from shufflenet.serve.kserve._tensors import Images, read_images
from shufflenet.zoo import NETWORKS

URL: Final = "/v2/models/reddest/infer"
LENGTH: Final = "Inference-Header-Content-Length"
# Squares of 2 px, so that requests can be read.
SMALL: Final = replace(CARD, preprocess=replace(CARD.preprocess, crop_px=2, resize_px=2))
SERVED: Final = Served("reddest", Model(Reddest(SMALL)), Means())
SIGNED: Final = sign(SERVED)
SERVICE: Final = client(SERVED, limits=Limits(images=4))
IMAGE: Final = {"name": "images", "datatype": "FP32", "shape": [1, 3, 2, 2]}
NUMBERS: Final = [0.5, *range(1, 12)]


def body(tensor: Mapping[str, object], **fields: object) -> bytes:
    return json.dumps({"inputs": [tensor], **fields}).encode()


def ask(content: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    answer = SERVICE.post(URL, content=content, headers=headers)
    return answer.status_code, answer.json()


def binary(tensor: Mapping[str, object], data: bytes, **fields: object) -> tuple[bytes, Any]:
    sized = {**tensor, "parameters": {"binary_data_size": len(data)}}
    text = body(sized, **fields)
    return text + data, {LENGTH: str(len(text))}


# --- what is legal ---


def test_data_may_be_flat_or_nested() -> None:
    flat = ask(body(IMAGE | {"data": NUMBERS}))
    nested = ask(
        body(IMAGE | {"data": [[[[0.5, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]]]]})
    )
    assert flat == nested
    assert flat[0] == 200
    assert flat[1] == {
        "model_name": "reddest",
        "model_version": "1",
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [1, 3], "data": [1.625, 5.5, 9.5]}
        ],
    }


def test_fields_that_are_null_or_unknown_are_passed_over() -> None:
    """KServe's own client writes null for what it leaves out; Triton documents model_name."""
    extra = {"parameters": None, "outputs": None, "id": None, "model_name": "other"}
    sent = body(IMAGE | {"data": NUMBERS, "parameters": None}, **extra)
    assert ask(sent)[0] == 200


def test_a_header_length_without_binary_data_is_that_of_the_body() -> None:
    content = body(IMAGE | {"data": NUMBERS})
    assert ask(content, {LENGTH: str(len(content))})[0] == 200


def test_an_output_alone_decides_whether_it_is_binary() -> None:
    outputs = [
        {"name": "logits", "parameters": {"binary_data": False}},
        {"name": "probabilities"},
        {"name": "embeddings", "parameters": {"classification": None}},
    ]
    sent = body(
        PIXELS | {"data": [1, 2, 3] * 4},
        outputs=outputs,
        parameters={"binary_data_output": True},
    )
    answer = SERVICE.post(URL, content=sent)
    text, rest = answer.content[: int(answer.headers[LENGTH])], answer.content
    told = json.loads(text)["outputs"]
    assert "data" in told[0]
    assert [each["parameters"] for each in told[1:]] == [{"binary_data_size": 12}] * 2
    numbers = np.frombuffer(rest[len(text) :], "<f4")
    assert numbers[:3].sum() == pytest.approx(1)
    assert numbers[3:].tolist() == [1, 2, 3]
    assert answer.headers["content-type"] == "application/octet-stream"


def test_without_three_channels_only_prepared_images_are_an_input() -> None:
    network = replace(NETWORKS["shufflenet_v2_x0_5"], classes=4, in_channels=4)
    told = client(Served("four", Model(Reddest(card_for(network))))).get("/v2/models/four").json()
    assert told["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 4, 32, 32]}]


def test_a_large_batch_is_computed_in_parts_and_counted() -> None:
    sizes: list[int] = []

    class Counting(Reddest):
        def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            sizes.append(len(batch))
            return super().logits(batch)

    limits = Limits(batch=3)
    service = client(Served("reddest", Model(Counting(SMALL))), limits=limits)
    numbers = np.arange(8 * 3, dtype="<f4").repeat(4).reshape(8, 3, 2, 2)
    content, headers = binary(IMAGE | {"shape": numbers.shape}, numbers.tobytes())
    answer = service.post(URL, content=content, headers=headers)
    assert sorted(sizes) == [2, 3, 3]
    assert answer.json()["outputs"][0]["data"] == list(range(24))
    assert answer.headers["server-timing"].startswith("decode;dur=0.00, compute;dur=")
    metrics = service.get("/metrics").text.splitlines()
    assert 'shufflenet_images_total{model="reddest",outcome="answered"} 8.0' in metrics
    assert 'shufflenet_batch_images_count{model="reddest"} 3.0' in metrics


# --- what is not ---

FILES: Final = {"name": "files", "datatype": "BYTES", "shape": [1]}
PIXELS: Final = {"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 3]}
FINE: Final = IMAGE | {"data": NUMBERS}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the request is not JSON"),
        (b"\xff\xfe", "the request is not JSON that can be read: it is not UTF-8."),
        (b"[" * 40, "the request is not JSON that can be read: it is nested more than 32 deep."),
        (b"[]", "the request is [], but must be an object."),
        (b"{}", "the request.inputs is 'missing'"),
        (b'{"inputs": {}}', "the request.inputs is {}, but must be a list."),
        (b'{"inputs": []}', "A request has exactly one input"),
        (b'{"inputs": [NaN]}', "the request is not JSON"),
        (b'{"inputs": [], "inputs": []}', "the request is not JSON"),
        (body(FINE, id=7), "the request.id is 7, but must be text."),
        (body(FINE, outputs="logits"), "the request.outputs is 'logits', but must be a list."),
        (body(FINE, parameters=[]), "the request.parameters is [], but must be an object."),
        (body(FINE | {"name": "image"}), "The model has no input called 'image', but 'images', "),
        (body(FINE | {"datatype": "FP64"}), "The input 'images' is of datatype 'FP64'"),
        (body(FINE | {"datatype": "FP16"}), "The data of the input 'images' must be binary"),
        (body(FINE | {"shape": [1, 3, 2]}), "The input 'images' has the shape [1, 3, 2]"),
        (body(FINE | {"shape": [1, 2, 2, 3]}), "The input 'images' has the shape [1, 2, 2, 3]"),
        (body(FINE | {"shape": [0, 3, 2, 2]}), "The input 'images' has the shape [0, 3, 2, 2]"),
        (body(FINE | {"shape": [-1, 3, 2, 2]}), "The input 'images' has the shape [-1,"),
        (body(FINE | {"shape": [1, 3, 4, 1]}), "The input 'images' has the shape [1,"),
        (body(FINE | {"shape": [1, 3, 10**60, 1]}), "The input 'images' has the shape [1,"),
        (body(FINE | {"shape": [1.0, 3, 2, 2]}), "the request.inputs[0].shape[0] is 1.0"),
        (body(FINE | {"shape": [True, 3, 2, 2]}), "the request.inputs[0].shape[0] is True"),
        (body(FINE | {"shape": [2, 3, 2, 2]}), "The data of the input 'images' has 12 elements"),
        (body(FINE | {"data": "abc"}), "The data of the input 'images' must be a list."),
        (body(FINE | {"data": ["1"] * 12}), "The data of the input 'images' must be numbers."),
        (body(FINE | {"data": [True] * 12}), "The data of the input 'images' must be numbers."),
        (body(FINE | {"data": [None] * 12}), "The data of the input 'images' must be numbers."),
        (body(FINE | {"data": [1, [2]] * 6}), "The data of the input 'images' must be numbers."),
        (body(FINE | {"data": [[1, 2, 3], [4, 5, 6]]}), "The data of the input 'images' must be a"),
        (
            body(FINE | {"data": [[[[0, 1], [2, 3]], [[4]], [[8, 9], [10, 11]]]]}),
            "The data of the input 'images'",
        ),
        (body(FINE | {"data": [1e39, *NUMBERS[1:]]}), "the batch is 'NaN, infinite or huge"),
        (body(FINE | {"data": [10**60, *NUMBERS[1:]]}), "the batch is 'NaN, infinite or huge"),
        (body(IMAGE), "The input 'images' must have either 'data' or"),
        (body(PIXELS | {"data": [0, 1, 256] * 4}), "The data of the input 'pixels' must be whole"),
        (body(PIXELS | {"data": [0, 1, -1] * 4}), "The data of the input 'pixels' must be whole"),
        (body(PIXELS | {"data": [0, 1, 2.0] * 4}), "The data of the input 'pixels' must be whole"),
        (body(FILES | {"data": ["*"]}), "The data of the input 'files' must be texts in base64."),
        (body(FILES | {"data": ["é"]}), "The data of the input 'files' must be texts in base64."),
        (body(FILES | {"data": [7]}), "The data of the input 'files' must be texts in base64."),
        (body(FILES | {"shape": [1, 2], "data": ["", ""]}), "The input 'files' has the shape"),
        (body(FINE, outputs=[{"name": "x"}]), "The model has no output called 'x'"),
        (body(FINE, outputs=[{"name": "logits"}] * 2), "The output 'logits' is asked for more"),
        (body(FINE, outputs=[{"name": "embeddings"}]), "Embeddings are not computed from the"),
    ],
)
def test_json_of_another_kind_is_refused(content: bytes, sentence: str) -> None:
    status, told = ask(content)
    assert (status, list(told)) == (400, ["error"])
    assert told["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("logits", {"binary_data": 1}, "binary_data is 1, but must be true or false."),
        ("logits", {"classification": 0}, "classification is 0, but must be at least 1."),
        ("logits", {"classification": 1.5}, "classification is 1.5, but must be a whole number."),
        ("embeddings", {"classification": 1}, "The output 'embeddings' has no classes."),
        ("logits", {"shared_memory_region": "x"}, "The tensor 'logits' is to be in shared memory"),
    ],
)
def test_a_parameter_of_another_kind_is_refused(
    name: str, parameters: Mapping[str, object], sentence: str
) -> None:
    asked = [{"name": name, "parameters": parameters}]
    status, told = ask(body(PIXELS | {"data": [1, 2, 3] * 4}, outputs=asked))
    assert status == 400
    assert told["error"].startswith(sentence)


def test_binary_data_of_another_length_is_refused() -> None:
    content, headers = binary(IMAGE, bytes(48))
    assert ask(content, headers)[0] == 200
    for changed in (content[:-1], content + b"x"):
        status, told = ask(changed, headers)
        assert status == 400
        assert told["error"].startswith("After the JSON the body has 4")
    status, told = ask(*binary(IMAGE, bytes(20)))
    assert status == 400
    assert told["error"] == "The data of the input 'images' has 20 bytes, but its shape needs 48."
    for size, told_size in ((-1, "-1"), (1 << 70, str(1 << 70))):
        text = body(IMAGE | {"parameters": {"binary_data_size": size}})
        status, told = ask(text + bytes(48), {LENGTH: str(len(text))})
        assert (status, told_size in told["error"]) == (400, True)


@pytest.mark.parametrize("length", ["", "0", "-1", "1e2", "99999", "9" * 5000, "٣", "+5"])
def test_a_header_length_that_cannot_be_is_refused(length: str) -> None:
    content, _ = binary(IMAGE, bytes(48))
    status, told = ask(content, {LENGTH.encode(): length.encode()})  # type: ignore[dict-item]
    assert status == 400
    assert told["error"].startswith("Inference-Header-Content-Length is ")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"\xff\xff\xff\xff" + data[4:],
        lambda data: data[:3],
        lambda data: b"",
    ],
)
def test_elements_whose_lengths_do_not_add_up_are_refused(damage: Callable[[bytes], bytes]) -> None:
    data = len(picture()).to_bytes(4, "little") + picture()
    assert ask(*binary(FILES, data))[0] == 200
    status, told = ask(*binary(FILES, damage(data)))
    assert status == 400
    assert told["error"].startswith("The data of the input 'files' must be elements")


def test_numbers_that_are_not_finite_are_refused() -> None:
    data = np.array([0, 1, 2, np.nan, 4, np.inf] * 2, "<f4").tobytes()
    status, told = ask(*binary(IMAGE, data))
    assert status == 400
    assert told["error"].startswith("the batch is 'NaN, infinite or huge in places'")


def test_too_many_images_and_too_long_json_are_too_large() -> None:
    many = {**PIXELS, "shape": [5, 2, 2, 3], "data": [0] * 60}
    assert ask(body(many))[0] == 413
    status, told = ask(b" " * ((8 << 20) + 1))
    assert status == 413
    assert told["error"].startswith("The JSON of a request may have at most 8,388,608 bytes.")
    status, told = ask(b'{"inputs": [' + b"[]," * 100_000 + b"[]]}")
    assert status == 413
    assert told["error"].startswith("The JSON of a request may have at most 100,000 lists and")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", " GZIP "])
def test_a_body_that_is_compressed_is_read(encoding: str) -> None:
    compress = zlib.compress if encoding == "deflate" else gzip.compress
    content = compress(body(FINE))
    assert ask(content, {"content-encoding": encoding})[0] == 200
    for damaged in (content[:-1], content + b"x", content[:20] + b"\xff" + content[21:], b""):
        status, told = ask(damaged, {"content-encoding": encoding})
        assert status == 400
        assert told["error"].startswith("The body cannot be decoded as ")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "x" * 5000])
def test_an_encoding_that_is_not_read_is_refused(encoding: str) -> None:
    status, told = ask(body(FINE), {"content-encoding": encoding})
    assert status == 415
    assert told["error"].startswith("The body is encoded as '")
    assert len(told["error"]) < 400


def test_a_bomb_is_too_large_before_it_has_burst() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    assert ask(bomb, {"content-encoding": "gzip"})[0] == 413
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        inflate(memoryview(bomb), "gzip", 1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(("more_bytes", "status"), [(0, 200), (-1, 429)])
def test_what_a_body_is_decompressed_to_is_held_beside_it(more_bytes: int, status: int) -> None:
    plain = body(FINE, id="7" * 3000)
    content = gzip.compress(plain)
    held = len(plain) + len(content) + more_bytes
    service = client(SERVED, limits=Limits(request_bytes=held, held_bytes=held))
    answer = service.post(URL, content=content, headers={"content-encoding": "gzip"})
    assert answer.status_code == status
    assert "shufflenet_held_bytes 0.0" in service.get("/metrics").text


def test_a_shape_allocates_nothing() -> None:
    sent = SentTensor("pixels", (64, 4096, 4096, 3), "UINT8", [0] * 3, None)
    tracemalloc.start()
    with pytest.raises(RequestError, match="has 3 elements, but its shape needs 3221225472"):
        read_images(sent, Form("UINT8", (-1, 4096, 4096, 3)), most_images=64)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(body(FINE | {"data": [7] * 12}), id="while the model computes"),
        pytest.param(
            body(FINE | {"data": [0.5] * 12 + [0] * 9000}), id="while its JSON waits to be parsed"
        ),
    ],
)
def test_what_is_not_answered_in_time_may_be_sent_again(content: bytes) -> None:
    begun, ended = threading.Event(), threading.Event()
    computed: list[float] = []

    class Stuck(Reddest):
        def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            computed.append(float(batch[0, 0, 0, 0]))
            begun.set()
            ended.wait(60)
            return super().logits(batch)

    limits = Limits(seconds=2)  # enough for a body to arrive on a busy machine
    app = make_app([Served("reddest", Model(Stuck(SMALL)))], limits, threads=1)
    first = threading.Thread(
        target=TestClient(app).post, args=(URL,), kwargs={"content": body(FINE)}
    )
    first.start()
    try:
        assert begun.wait(60)
        answer = TestClient(app).post(URL, content=content)
    finally:
        ended.set()
        first.join()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"].startswith("The service could not answer within 2 seconds.")
    assert TestClient(app).post(URL, content=body(FINE)).status_code == 200
    assert computed == [0.5, 0.5]  # not of the one that nobody waited for


# --- whatever comes ---


def read(content: bytes, header_length: str | None) -> Images:
    text, rest = split_body(memoryview(content), header_length)
    sent = read_request(text, rest, list(SIGNED.inputs), list(SIGNED.outputs))
    return read_images(sent.tensor, SIGNED.inputs[sent.tensor.name], most_images=4)


# No test depends on how busy the machine is.
UNHURRIED: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
FLOATS: Final = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.just(3), st.just(2), st.just(2)),
    elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@given(FLOATS)
@UNHURRIED
def test_json_and_bytes_are_read_as_the_same_numbers(batch: npt.NDArray[np.float32]) -> None:
    told = {"name": "images", "datatype": "FP32", "shape": batch.shape}
    content, headers = binary(told, batch.astype("<f4").tobytes())
    from_bytes = read(content, headers[LENGTH])
    flat = read(body(told | {"data": batch.ravel().tolist()}), None)
    nested = read(body(told | {"data": batch.tolist()}), None)
    for values in (from_bytes, flat, nested):
        assert isinstance(values, np.ndarray)
        assert values.dtype == np.float32
        assert values.tobytes() == batch.tobytes()


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
@UNHURRIED
def test_files_are_read_as_they_were_sent(contents: list[bytes]) -> None:
    told = {"name": "files", "datatype": "BYTES", "shape": [len(contents)]}
    data = b"".join(len(each).to_bytes(4, "little") + each for each in contents)
    content, headers = binary(told, data)
    assert read(content, headers[LENGTH]) == contents
    texts = [base64.b64encode(each).decode() for each in contents]
    assert read(body(told | {"data": texts}), None) == contents


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["binary_data_size", "name", "data"]), inner)
    ),
    max_leaves=8,
)
SHAPES: Final = (
    st.sampled_from([[1, 3, 2, 2], [1, 2, 2, 3], [2], [1, 1]])
    | st.lists(st.integers(-1, 4) | st.integers(), max_size=5)
    | JSON
)
TENSORS: Final = st.fixed_dictionaries(
    {
        "name": st.sampled_from(list(SIGNED.inputs)) | JSON,
        "datatype": st.sampled_from(["FP32", "FP16", "UINT8", "BYTES", "INT64"]) | JSON,
        "shape": SHAPES,
    },
    optional={
        "data": st.lists(st.integers(0, 255) | st.floats(), max_size=12) | JSON,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": JSON}) | JSON,
    },
)


@given(
    st.lists(TENSORS, max_size=2) | JSON,
    st.fixed_dictionaries({}, optional={"outputs": JSON, "parameters": JSON, "id": JSON}),
    st.binary(max_size=50),
    st.booleans(),
)
@settings(UNHURRIED, max_examples=200)
def test_any_json_is_read_or_refused(
    inputs: object, others: dict[str, object], rest: bytes, is_sized: bool
) -> None:
    text = json.dumps({"inputs": inputs, **others}).encode()
    refused = None
    try:
        read(text + rest, str(len(text)) if is_sized else None)
    except (RequestError, SpecError) as error:
        refused = error
    assert len(str(refused)) < 1000


SEEDS: Final = [
    binary(IMAGE, np.array(NUMBERS, "<f4").tobytes()),
    binary(PIXELS, b"abcd" * 3, outputs=[{"name": "logits", "parameters": {"classification": 2}}]),
    binary(FILES, len(picture()).to_bytes(4, "little") + picture(height=8, width=8)),
    (body(FINE, id="1", parameters={"binary_data_output": True}), {}),
]


@given(st.sampled_from(SEEDS), st.data())
@settings(UNHURRIED, max_examples=150)
def test_a_damaged_request_is_answered_or_refused(
    seed: tuple[bytes, dict[str, str]], data: st.DataObject
) -> None:
    content, headers = bytearray(seed[0]), dict(seed[1])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["change", "remove", "repeat", "length"])):
            case "change":
                content[at] = data.draw(st.integers(0, 255))
            case "remove":
                del content[at : at + data.draw(st.integers(1, 9))]
                content += b"" if content else b"x"
            case "repeat":
                content[at:at] = content[at : at + 9]
            case _:
                headers[LENGTH] = str(data.draw(st.integers(-2, len(content) + 2)))
    answer = SERVICE.post(URL, content=bytes(content), headers=headers)
    if answer.status_code != 200:
        assert answer.status_code in (400, 413, 422)
        assert list(answer.json()) == ["error"]


def test_bodies_that_wait_for_each_other_in_several_loops_are_answered() -> None:
    """Each request of the test client has a loop of its own, so threads have several at once."""
    app = make_app([SERVED], threads=1)
    text = body(IMAGE | {"data": NUMBERS}) + b" " * (1 << 20)  # long enough to wait for its turn
    statuses: list[int] = []

    def post() -> None:
        web = TestClient(app, raise_server_exceptions=False)
        statuses.extend(web.post(URL, content=text).status_code for _ in range(20))

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 80
