"""The description of the service, and its page."""

from typing import Any

from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from serving import client, reddest
from shufflenet.errors import RequestError
from shufflenet.serve import Limits, Served, make_app
from shufflenet.serve._metrics import ROUTES, STATUSES

HTTP = {"get", "post"}


def document(*models: Served, limits: Limits | None = None) -> dict[str, Any]:
    found: dict[str, Any] = client(*models, limits=limits).get("/openapi.json").json()
    return found


def operations(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method): operation
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    }


def test_the_description_is_valid_openapi() -> None:
    found = document()
    assert found["openapi"].startswith("3.1")
    validate(found)


def routes() -> list[Route]:
    return [route for route in make_app([reddest()]).routes if isinstance(route, Route)]


def test_every_route_is_described_and_counted() -> None:
    described = {path: set(methods) for path, methods in document()["paths"].items()}
    served = {
        route.path: {each.lower() for each in route.methods or ()} & HTTP
        for route in routes()
        if route.include_in_schema or route.path == "/"
    }
    assert set(served) <= set(ROUTES)
    # The tag tells of versions; and a slash more or less at the end is one address.
    once = {path for path in served if "{version}" not in path and path != "/v2/"}
    assert described == {path: served[path] for path in once}


def test_every_error_that_a_request_may_get_is_described_and_counted() -> None:
    raised = {str(each.status) for each in RequestError.__subclasses__()}
    described = set(operations(document())["/v1/classify", "post"]["responses"])
    assert raised - {"401"} <= described  # 401 only where there is a token
    assert {int(status) for status in described} <= set(STATUSES)


def test_limits_and_models_are_those_of_the_service() -> None:
    limits = Limits(images=3, request_bytes=5 << 20, seconds=7)
    plain = Served("plain", reddest().model)
    found = document(reddest(), plain, limits=limits)
    classify = operations(found)["/v1/classify", "post"]
    form = classify["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["maxProperties"] == 3
    responses = found["components"]["responses"]
    assert "5 MiB" in responses["TooLarge"]["description"]
    assert "within 7 seconds" in responses["TooSlow"]["description"]
    assert classify["parameters"][0]["schema"]["enum"] == ["reddest", "plain", "default"]
    embed = operations(found)["/v1/embed", "post"]
    assert embed["parameters"][0]["schema"]["enum"] == ["reddest", "default"]


def test_what_the_service_answers_fits_the_descriptions_of_limits_and_cards() -> None:
    found = document()
    answer = client().get("/v1/models").json()
    schemas = found["components"]["schemas"]
    assert set(answer["limits"]) == set(schemas["Limits"]["required"])
    assert set(answer["models"][0]) == set(schemas["Model"]["required"])
    assert set(schemas["Card"]["required"]) <= set(answer["models"][0]["card"])


def test_addresses_begin_with_the_prefix_under_which_the_app_is_mounted() -> None:
    outer = TestClient(Starlette(routes=[Mount("/vision", make_app([reddest()], threads=1))]))
    assert outer.get("/vision/openapi.json").json()["servers"] == [{"url": "/vision"}]
    assert document()["servers"] == [{"url": "/"}]


def test_it_says_which_operations_need_the_token() -> None:
    web = client(token="a-token-of-the-service")
    found = web.get("/openapi.json").json()
    validate(found)
    for (path, method), operation in operations(found).items():
        is_open = web.request(method, path).status_code != 401
        assert ("security" not in operation) == is_open, path
        assert ("401" in operation["responses"]) != is_open, path
