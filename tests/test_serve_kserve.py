"""``/v2``, spoken to by Triton's own client, and by hand where that client makes no mistakes."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.http as triton
from gevent import monkey  # a part of that client
from tritonclient.http import InferenceServerClient as Client
from tritonclient.utils import InferenceServerException

from seeded import photo
from serving import Means, listening, picture, reddest
from shufflenet import open_model
from shufflenet.preprocess import decode, prepare, resize_and_crop
from shufflenet.runtimes import Model, top_k
from shufflenet.serve import Served, make_app

NAME = "default"


@dataclass(frozen=True)
class Running:
    """A server of the default model and of a small one, and that model."""

    address: str
    model: Model


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    model = open_model(runtime="onnxruntime", threads=1)
    app = make_app([Served(NAME, model), reddest()], threads=2)
    with listening(app) as address:
        yield Running(address, model)


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    with Client(running.address) as client:
        yield client


def crops(model: Model, *names: str) -> npt.NDArray[np.uint8]:
    how = model.card.preprocess
    return np.stack([resize_and_crop(decode(picture(name)), how) for name in names])


def prepared(model: Model, *names: str) -> npt.NDArray[np.float32]:
    return np.stack([prepare(picture(name), model.card.preprocess) for name in names])


def tensor(
    name: str, values: npt.NDArray[Any], datatype: str, *, binary: bool = True
) -> triton.InferInput:
    sent = triton.InferInput(name, list(values.shape), datatype)
    return sent.set_data_from_numpy(values, binary_data=binary)


def files(*contents: bytes) -> triton.InferInput:
    return tensor("files", np.array(contents, np.object_), "BYTES")


def wanted(*names: str, binary: bool = True, classes: int = 0) -> list[Any]:
    return [
        triton.InferRequestedOutput(name, binary_data=binary, class_count=classes) for name in names
    ]


# --- what is asked first ---


def test_the_server_and_its_models_are_alive_and_ready(
    client: Client,
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "1")
    assert not client.is_model_ready(NAME, "2")
    assert not client.is_model_ready("unknown")


def test_the_server_tells_its_extensions_and_models(client: Client) -> None:
    told = client.get_server_metadata()
    assert told["name"] == "shufflenet"
    assert told["extensions"] == ["binary_tensor_data", "classification", "model_configuration"]
    index = client.get_model_repository_index()
    assert [(each["name"], each["state"]) for each in index] == [
        (NAME, "READY"),
        ("reddest", "READY"),
    ]


def test_a_model_tells_its_inputs_and_outputs(client: Client) -> None:
    assert client.get_model_metadata(NAME) == client.get_model_metadata(NAME, "1")
    assert client.get_model_metadata(NAME) == {
        "name": NAME,
        "versions": ["1"],
        "platform": "shufflenet_onnxruntime",
        "inputs": [
            {"name": "images", "datatype": "FP32", "shape": [-1, 3, 80, 80]},
            {"name": "pixels", "datatype": "UINT8", "shape": [-1, 80, 80, 3]},
            {"name": "files", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 200]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 200]},
        ],
    }


def test_the_configuration_says_the_same_of_one_image(client: Client) -> None:
    told = client.get_model_config(NAME)
    assert told["max_batch_size"] == 64
    assert [each["dims"] for each in told["input"]] == [[3, 80, 80], [80, 80, 3], []]
    assert all(each["optional"] for each in told["input"])
    assert {each["data_type"] for each in told["output"]} == {"TYPE_FP32"}


# --- inference ---


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_prepared_images_have_the_logits_of_open_model(
    running: Running, client: Client, names: tuple[str, ...], is_binary: bool
) -> None:
    batch = prepared(running.model, *names)
    sent = tensor("images", batch, "FP32", binary=is_binary)
    result = client.infer(NAME, [sent], outputs=wanted("logits", binary=is_binary))
    np.testing.assert_array_equal(result.as_numpy("logits"), running.model.logits(batch))


@pytest.mark.parametrize("is_binary", [True, False])
def test_crops_have_the_logits_of_open_model(
    running: Running, client: Client, is_binary: bool
) -> None:
    pixels = crops(running.model, "a", "b")
    sent = tensor("pixels", pixels, "UINT8", binary=is_binary)
    result = client.infer(NAME, [sent], outputs=wanted("logits", binary=is_binary))
    np.testing.assert_array_equal(
        result.as_numpy("logits"), running.model.logits_from_pixels(pixels)
    )


def test_image_files_are_decoded_and_cropped_as_predict_does(
    running: Running, client: Client
) -> None:
    expected = running.model.logits_from_pixels(crops(running.model, "a"))
    result = client.infer(NAME, [files(picture("a"))])
    np.testing.assert_array_equal(result.as_numpy("logits"), expected)
    in_json = tensor(
        "files", np.array([[base64.b64encode(picture("a"))]], np.object_), "BYTES", binary=False
    )
    result = client.infer(NAME, [in_json])
    np.testing.assert_array_equal(result.as_numpy("logits"), expected)


def test_probabilities_are_those_of_predict(running: Running, client: Client) -> None:
    outputs = wanted("probabilities", "logits")
    result = client.infer(NAME, [files(picture("a"))], outputs=outputs)
    best = top_k(result.as_numpy("logits")[0], running.model.card, 200)
    probabilities = result.as_numpy("probabilities")[0]
    assert {each.index: np.float32(each.probability) for each in best} == dict(
        enumerate(probabilities)
    )


@pytest.mark.parametrize("is_binary", [True, False])
def test_classification_answers_the_value_the_index_and_the_label(
    running: Running, client: Client, is_binary: bool
) -> None:
    outputs = wanted("probabilities", binary=is_binary, classes=3)
    result = client.infer(NAME, [files(picture("a"), picture("b"))], outputs=outputs)
    texts = result.as_numpy("probabilities")
    assert texts.shape == (2, 3)
    for name, row in zip("ab", texts, strict=True):
        best = running.model.classify(picture(name), k=3)[0]
        parts = [(each.decode() if is_binary else each).split(":", 2) for each in row]
        assert [(int(index), label) for _, index, label in parts] == [
            (each.index, each.label) for each in best
        ]
        assert [np.float32(value) for value, _, _ in parts] == [
            np.float32(each.probability) for each in best
        ]


def test_more_classes_than_there_are_is_all_of_them(client: Client) -> None:
    result = client.infer("reddest", [files(picture())], outputs=wanted("logits", classes=99))
    assert result.as_numpy("logits").shape == (1, 3)


def test_a_model_that_embeds_answers_vectors(running: Running, client: Client) -> None:
    outputs = client.get_model_metadata("reddest")["outputs"]
    assert [each["name"] for each in outputs] == ["logits", "probabilities", "embeddings"]
    pixels = photo("a", 2 * 32, 32).reshape(2, 32, 32, 3)
    sent = tensor("pixels", pixels, "UINT8")
    result = client.infer("reddest", [sent], outputs=wanted("logits", "embeddings"))
    np.testing.assert_array_equal(result.as_numpy("embeddings"), Means().embed_from_pixels(pixels))
    assert result.as_numpy("logits").shape == (2, 3)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_request_is_answered(running: Running, client: Client, algorithm: str) -> None:
    batch = prepared(running.model, "a")
    result = client.infer(
        NAME,
        [tensor("images", batch, "FP32")],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(result.as_numpy("logits"), running.model.logits(batch))


def test_half_precision_is_taken_as_the_same_numbers(running: Running, client: Client) -> None:
    batch = prepared(running.model, "a").astype(np.float16)
    result = client.infer(NAME, [tensor("images", batch, "FP16")])
    expected = running.model.logits(batch.astype(np.float32))
    np.testing.assert_array_equal(result.as_numpy("logits"), expected)


def test_several_requests_at_once_are_each_answered(running: Running) -> None:
    batches = [prepared(running.model, name) for name in "abcdef"]
    with Client(running.address, concurrency=4) as client:
        waiting = [
            client.async_infer(NAME, [tensor("images", batch, "FP32")], request_id=str(at))
            for at, batch in enumerate(batches)
        ]
        for at, (batch, each) in enumerate(zip(batches, waiting, strict=True)):
            result = each.get_result()
            assert result.get_response()["id"] == str(at)
            np.testing.assert_array_equal(result.as_numpy("logits"), running.model.logits(batch))


def test_the_answer_names_the_model_its_version_and_the_request(
    client: Client,
) -> None:
    answer = client.infer("reddest", [files(picture())], request_id="7", model_version="1")
    told = answer.get_response()
    assert (told["model_name"], told["model_version"], told["id"]) == ("reddest", "1", "7")
    assert "id" not in client.infer("reddest", [files(picture())]).get_response()


# --- mistakes that the client lets pass ---


@pytest.mark.parametrize(
    ("ask", "status", "sentence"),
    [
        (
            lambda ask: ask("unknown", [files(picture())]),
            "404",
            "No model is served by the name 'unknown'",
        ),
        (
            lambda ask: ask(NAME, [files(picture())], model_version="2"),
            "404",
            "The model 'default' has no version '2', only '1'.",
        ),
        (
            lambda ask: ask(NAME, [files(picture(), b"no image")]),
            "422",
            "The image files[1] cannot be read: it is empty or not an image.",
        ),
        (
            lambda ask: ask(NAME, [tensor("images", np.zeros((1, 3, 8, 8)), "FP64")]),
            "400",
            "The input 'images' is of datatype 'FP64', but must be 'FP32' or 'FP16'.",
        ),
        (
            lambda ask: ask(NAME, [files(picture())], outputs=wanted("scores")),
            "400",
            "The model has no output called 'scores', but 'logits' and 'probabilities'.",
        ),
        (
            lambda ask: ask(NAME, [files(picture()), files(picture())]),
            "400",
            "A request has exactly one input, 'images', 'pixels' or 'files', but this one has 2.",
        ),
        (
            lambda ask: ask(NAME, [files(*[b"x"] * 65)]),
            "413",
            "A request may hold at most 64 images.",
        ),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    client: Client,
    ask: Callable[[Callable[..., object]], object],
    status: str,
    sentence: str,
) -> None:
    with pytest.raises(InferenceServerException) as raised:
        ask(client.infer)
    assert raised.value.status() == status
    assert raised.value.message().startswith(sentence)


def test_memory_shared_with_the_client_is_refused(client: Client) -> None:
    sent = triton.InferInput("pixels", [1, 8, 8, 3], "UINT8")
    sent.set_shared_memory("region", 192)
    with pytest.raises(InferenceServerException, match="shared memory"):
        client.infer(NAME, [sent])


def test_triton_s_client_leaves_this_process_as_it_is() -> None:
    """Its gevent can replace sockets and threads of the whole process, which it must not."""
    assert not any(monkey.is_module_patched(name) for name in ("socket", "threading", "time"))
