"""The app: what each request is answered with."""

import asyncio
import gzip
import io
import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from conftest import Run, card_for
from fakes import Reddest
from serving import CARD, client, picture, reddest
from shufflenet.benchmark import cost
from shufflenet.errors import NotRunnable, SpecError
from shufflenet.export import export_onnx_file
from shufflenet.preprocess import Pixels
from shufflenet.runtimes import Model
from shufflenet.serve import (
    Limits,
    Metrics,
    Served,
    Service,
    build_app,
    list_served,
    make_app,
    open_served,
)
from shufflenet.serve import _service as serving_room  # what gives memory back, replaced
from shufflenet.zoo import SHIPPED

FORM = "multipart/form-data; boundary=edge"


def form(*parts: tuple[str, bytes]) -> bytes:
    head = 'Content-Disposition: form-data; name="images"; filename="{}"\r\n\r\n'
    bodies = [b"--edge\r\n" + head.format(name).encode() + body + b"\r\n" for name, body in parts]
    return b"".join(bodies) + b"--edge--\r\n"


def test_an_image_as_the_body_is_answered_as_predict_prints_it(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    _, printed, _ = run("predict", str(path), "--json", "--top", "3", "--runtime", "onnxruntime")
    app = make_app([open_served("default", runtime="onnxruntime")])
    answer = TestClient(app).post("/v1/classify?top=3", content=picture())
    assert answer.status_code == 200
    assert answer.json() == {**json.loads(printed), "path": "-"}


def test_the_parts_of_a_form_are_answered_as_lines_in_their_order() -> None:
    pictures = [(f"{n}.png", picture(str(n), 30 + n, 40)) for n in range(20)]
    pictures[7] = ("7.png", b"no image")
    answer = client().post(
        "/v1/classify?top=1", content=form(*pictures), headers={"content-type": FORM}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jsonl"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["path"] for line in lines] == [name for name, _ in pictures]
    alone = [client().post("/v1/classify?top=1", content=body).json() for _, body in pictures]
    for name, line, single in zip(range(20), lines, alone, strict=True):
        assert line.get("predictions") == single.get("predictions"), name
    assert lines[7]["error"] == "Cannot read '7.png' as an image: it is empty or not an image."


def test_who_accepts_json_gets_the_parts_as_a_list() -> None:
    headers = {"content-type": FORM, "accept": "application/json"}
    answer = client().post("/v1/classify", content=form(("a", picture())), headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert [line["path"] for line in answer.json()] == ["a"]


def test_a_body_that_is_no_image_is_told_so() -> None:
    answer = client().post("/v1/classify", content=picture()[:60])
    assert answer.status_code == 422
    assert answer.json()["path"] == "-"
    assert answer.json()["error"].startswith("Cannot read '-' as an image: ")


@pytest.mark.parametrize(
    ("headers", "body", "status", "sentence"),
    [
        ({}, b"", 400, "The request holds no image."),
        ({"content-type": "application/json"}, b"{}", 415, "The body is of type"),
        ({"content-type": "text/html"}, b"<p>", 415, "The body is of type 'text/html'"),
        ({"content-type": "multipart/form-data"}, b"x", 400, "The body is no complete"),
        ({"content-type": FORM}, b"x", 400, "The body is no complete"),
        ({"content-type": FORM}, form(("a", b"x"))[:-6], 400, "The body is no complete"),
        ({"content-type": FORM}, b"--edge--\r\n", 400, "The request holds no image."),
    ],
)
def test_a_body_of_another_kind_is_refused(
    headers: dict[str, str], body: bytes, status: int, sentence: str
) -> None:
    answer = client().post("/v1/classify", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(sentence)


@pytest.mark.parametrize("top", ["0", "-1", "1.5", "x", "9" * 20, "٣", ""])
def test_top_is_a_whole_number(top: str) -> None:
    answer = client().post("/v1/classify", params={"top": top}, content=picture())
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("top is ")


@pytest.mark.parametrize(("path", "known"), [("classify", "model or top"), ("embed", "model")])
def test_a_parameter_that_is_not_known_is_refused(path: str, known: str) -> None:
    answer = client().post(f"/v1/{path}?topp=1", content=picture())
    assert answer.status_code == 400
    assert answer.json()["error"] == f"a parameter of the query is 'topp', but must be {known}."


def test_a_compressed_body_is_refused_as_such() -> None:
    headers = {"content-encoding": "gzip"}
    answer = client().post("/v1/classify", content=gzip.compress(picture()), headers=headers)
    assert answer.status_code == 415
    assert "encoded by 'gzip'" in answer.json()["error"]


def test_an_answer_is_a_line() -> None:
    answer = client().post("/v1/classify?top=1", content=picture())
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == json.dumps(answer.json()) + "\n"


def test_more_classes_than_there_are_is_all_of_them() -> None:
    answer = client().post("/v1/classify?top=99", content=picture())
    assert len(answer.json()["predictions"]) == 3


def test_what_exceeds_a_limit_is_refused_with_its_number() -> None:
    limits = Limits(request_bytes=5000, images=2, pixels=1000)
    service = client(limits=limits)
    answer = service.post("/v1/classify", content=bytes(5001))
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert "5,000 bytes" in answer.json()["error"]
    in_chunks = service.post("/v1/classify", content=iter([bytes(3000)] * 2))
    assert in_chunks.status_code == 413
    three = service.post(
        "/v1/classify", content=form(*[("a", b"x")] * 3), headers={"content-type": FORM}
    )
    assert three.status_code == 413
    assert "2 images" in three.json()["error"]
    large = service.post("/v1/classify", content=picture(kind="JPEG"))
    assert large.status_code == 422
    assert "more than 1,000 pixels" in large.json()["error"]


def test_the_images_of_a_request_are_bounded_together_by_their_pixels() -> None:
    limits = Limits(pixels=3000, request_pixels=5000)  # each of the images has 2,080
    parts = [(name, picture(name)) for name in ("a", "b", "c")]
    parts.insert(1, ("bad", b"no image"))
    answer = client(limits=limits).post(
        "/v1/classify", content=form(*parts), headers={"content-type": FORM}
    )
    lines = [json.loads(line) for line in answer.text.splitlines()]
    refused = [line["path"] for line in lines if "all pixels that one" in line.get("error", "")]
    assert len(refused) == 1  # whichever of them came last
    assert sum("predictions" in line for line in lines) == 2


def test_more_than_may_wait_or_be_held_is_asked_to_come_later() -> None:
    limits = Limits(request_bytes=9000, held_bytes=9000, images=2, waiting=2)
    models = list_served([reddest()])
    service = Service(models, limits, Metrics(list(models)), threads=1)
    web = TestClient(build_app(service))
    with service.hold_bytes() as hold:
        hold(8999)
        answers = [web.post("/v1/classify", content=picture())]
    with service.admit(2):
        answers.append(web.post("/v1/classify", content=picture()))
    for answer in answers:
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
    assert web.post("/v1/classify", content=picture()).status_code == 200


def test_a_large_answer_is_written_by_the_pool_and_a_small_one_at_once() -> None:
    models = list_served([reddest()])
    service = Service(models, Limits(), Metrics(list(models)), threads=1)

    async def ask(values: int) -> bool:
        return await service.write(values, threading.get_ident) == threading.get_ident()

    assert asyncio.run(ask(1000))
    assert not asyncio.run(ask(1_000_000))


def test_memory_is_given_back_when_a_burst_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back = threading.Event()
    monkeypatch.setattr(serving_room, "return_memory", given_back.set)
    models = list_served([reddest()])
    service = Service(models, Limits(), Metrics(list(models)), threads=1)
    with service.hold_bytes() as hold:
        hold(1 << 20)
    done = threading.Event()
    service.pool.call(done.set)
    assert done.wait(60)
    assert not given_back.is_set()
    with service.hold_bytes() as hold:
        hold(32 << 20)
    assert given_back.wait(60)


def test_embeddings_are_those_of_the_embedder() -> None:
    flat = np.full((32, 32, 3), 7, np.uint8)
    content = io.BytesIO()
    Image.fromarray(flat).save(content, "PNG")
    answer = client().post("/v1/embed", content=content.getvalue())
    assert answer.json() == {"path": "-", "embedding": [7.0, 7.0, 7.0]}


def test_a_file_that_gives_only_logits_is_served_without_embeddings(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = tmp_path / "a.tflite"
    assert SHIPPED.onnx
    export_onnx_file(SHIPPED.onnx, path)
    served = [open_served("default", runtime="onnxruntime"), open_served(path)]
    assert [(each.name, each.embedder is None) for each in served] == [
        ("default", False),
        ("a", True),
    ]


def test_a_model_that_does_not_embed_says_so() -> None:
    answer = client(replace(reddest(), embedder=None)).post("/v1/embed", content=picture())
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The model 'reddest' computes no embeddings")


def test_a_model_is_asked_for_by_its_name() -> None:
    other = Model(Reddest(replace(CARD, name="other")))
    service = client(reddest(), Served("other", other))
    listed = service.get("/v1/models").json()["models"]
    assert [(each["name"], each["default"], each["card"]["name"]) for each in listed] == [
        ("reddest", True, "test"),
        ("other", False, "other"),
    ]
    assert listed[0]["parameters"] == cost(CARD.network).parameters
    for name in ("reddest", "other", "default"):
        answer = service.post("/v1/classify", params={"model": name}, content=picture())
        assert answer.status_code == 200
    answer = service.post("/v1/classify?model=../../etc/passwd", content=picture())
    assert answer.status_code == 404
    assert answer.json()["error"] == (
        "No model is served by the name '../../etc/passwd'. Served: reddest, other."
    )


def test_names_of_served_models_are_different() -> None:
    with pytest.raises(SpecError, match="the list of names"):
        list_served([reddest(), reddest()])
    with pytest.raises(SpecError, match="at least one"):
        list_served([])


def test_a_fault_of_the_service_is_told_without_its_traceback() -> None:
    class Broken(Reddest):
        def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
            raise RuntimeError("a secret path")

    service = client(Served("broken", Model(Broken(CARD))), reddest())
    answer = service.post("/v1/classify", content=picture())
    assert answer.status_code == 500
    assert answer.json() == {"error": "The service failed at this request. Its log says why."}
    assert answer.headers["x-content-type-options"] == "nosniff"  # as every answer
    assert service.post("/v1/classify?model=reddest", content=picture()).status_code == 200


def test_a_model_that_cannot_be_computed_is_a_fault_that_the_server_logs() -> None:
    class Unrunnable(Reddest):
        def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
            raise NotRunnable("model.onnx", "ONNX Runtime")

    app = make_app([Served("unrunnable", Model(Unrunnable(CARD)))], threads=1)
    with pytest.raises(NotRunnable):  # which is what servers log
        TestClient(app).post("/v1/classify", content=picture())


def test_a_model_of_other_channels_takes_no_photos() -> None:
    gray = card_for(replace(CARD.network, in_channels=1))
    answer = client(Served("gray", Model(Reddest(gray)))).post("/v1/classify", content=picture())
    assert answer.status_code == 400
    assert "in_channels is 1" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nothing", "GET", 404), ("/v1/classify", "GET", 405), ("/v1/models", "POST", 405)],
)
def test_other_addresses_and_methods_are_answered_in_json(
    path: str, method: str, status: int
) -> None:
    answer = client().request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_every_answer_has_headers_that_keep_it_where_it_is() -> None:
    for path in ("/healthz", "/v1/models", "/nothing", "/metrics"):
        headers = client().get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_where_the_time_went_is_told() -> None:
    timing = client().post("/v1/classify", content=picture()).headers["server-timing"]
    assert [part.split(";")[0].strip() for part in timing.split(",")] == [
        "decode",
        "compute",
        "wait",
    ]


def test_an_address_that_is_almost_one_leads_nowhere() -> None:
    for path in ("/healthz/", "/v1/classify/"):
        answer = client().get(path, follow_redirects=False)
        assert answer.status_code == 404
        assert "location" not in answer.headers


@pytest.mark.parametrize("name", ["birds/7", "/"])
def test_a_name_that_no_address_of_v2_reaches_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="without a slash"):
        make_app({name: Model(Reddest(CARD))})


def test_the_app_can_be_mounted_in_another() -> None:
    inner = make_app([reddest()], threads=1)
    outer = TestClient(Starlette(routes=[Mount("/vision", inner)]))
    assert outer.post("/vision/v1/classify", content=picture()).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("images", 0),
        ("pixels", 1.5),
        ("seconds", 0),
        ("batch", True),
        ("waiting", 63),
        ("request_pixels", 49_999_999),
    ],
)
def test_limits_check_themselves(field: str, value: float) -> None:
    with pytest.raises(SpecError):
        Limits(**{field: value})  # type: ignore[arg-type]  # of the wrong type on purpose
