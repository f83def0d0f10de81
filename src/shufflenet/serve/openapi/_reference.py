"""The page of the OpenAPI document: for people, made here, without a script or anything foreign."""

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from shufflenet.look import stylesheet
from shufflenet.serve.openapi._parts import Json, ref
from shufflenet.serve.openapi._reference_schemas import describe_schemas, schema_words

__all__ = ["reference_page", "reference_route"]

_STYLE = stylesheet((Path(__file__).parent / "reference.css").read_bytes()).decode()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PROBLEM = ref("schemas", "Problem")
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: HTTP reference</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<style>{style}</style>
</head>
<body>
<header><h1>{title} <small>{version}</small></h1><p>{summary}</p></header>
<nav aria-label="Operations">{contents}</nav>
<main>
<section class="intro">{intro}</section>
{operations}
<h2 class="group">Objects</h2>
{schemas}
</main>
</body>
</html>
"""


def reference_route(document: Json) -> Route:
    """Return the route of ``/docs``, whose page shows commands for the address it is opened by."""

    async def docs(request: Request) -> Response:
        url = request.url
        base = f"{url.scheme}://{url.netloc}{request.scope.get('root_path', '')}"
        return HTMLResponse(reference_page(document, base), headers=_HEADERS)

    return Route("/docs", docs, methods=["GET"])


def reference_page(document: Json, base: str) -> str:
    """Return the page of a document as HTML.

    Args:
        document: As ``describe_service`` returns it.
        base: The address of the service, which begins each command.
    """
    info = document["info"]
    return _PAGE.format(
        title=escape(info["title"]),
        version=escape(info["version"]),
        summary=escape(info["summary"]),
        style=_STYLE,
        contents="".join(_contents(document)),
        intro="".join(_intro(document)),
        operations="".join(_operations(document, base)),
        schemas="".join(describe_schemas(document["components"]["schemas"])),
    )


def _contents(document: Json) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2><ul>"
        for path, method, operation in _of_tag(document, tag["name"]):
            target, shown = escape(operation["operationId"]), escape(path)
            yield f'<li><a href="#{target}">{_method(method)} <code>{shown}</code></a></li>'
        yield "</ul>"
    yield '<p><a href="openapi.json">openapi.json</a></p>'


def _intro(document: Json) -> Iterator[str]:
    yield f"<p>{escape(document['info']['description'])} "
    yield f"Every error is a {schema_words(_PROBLEM)}.</p>"
    if "securitySchemes" in document["components"]:
        yield (
            "<p>Requests bear the service's token: <code>Authorization: Bearer TOKEN</code>. "
            "The commands below take it from the shell's variable <code>TOKEN</code>.</p>"
        )


def _of_tag(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if tag in operation["tags"]:
                yield path, method, operation


def _operations(document: Json, base: str) -> Iterator[str]:
    for tag in document["tags"]:
        yield f'<h2 class="group">{escape(tag["name"])}</h2><p>{escape(tag["description"])}</p>'
        for path, method, operation in _of_tag(document, tag["name"]):
            yield f'<section id="{escape(operation["operationId"])}" class="operation">'
            yield f"<h3>{_method(method)} <code>{_breakable(path)}</code></h3>"
            summary = operation["summary"]
            stop = "" if summary.endswith("?") else "."
            yield f"<p><strong>{escape(summary)}{stop}</strong> "
            yield f"{escape(operation.get('description', ''))}</p>"
            yield from _commands(path, method, operation, base)
            yield from _parameters(operation.get("parameters", []))
            yield from _body(operation.get("requestBody"))
            yield from _answers(operation["responses"], document["components"]["responses"])
            yield "</section>"


def _method(method: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span>'


def _breakable(path: str) -> str:
    """Return a path that a narrow screen may break before each slash."""
    return escape(path).replace("/", "<wbr>/")


def _parameters(parameters: list[Json]) -> Iterator[str]:
    if not parameters:
        return
    yield "<h4>Parameters</h4><dl>"
    for each in parameters:
        where = "in the path" if each["in"] == "path" else "optional"
        yield f"<dt><code>{escape(each['name'])}</code> <small>{where}</small></dt>"
        words = schema_words(each["schema"])
        yield f"<dd>{escape(each['description'])} <small>{words}</small></dd>"
    yield "</dl>"


def _body(body: Json | None) -> Iterator[str]:
    if body is None:
        return
    yield f"<h4>Body</h4><p>{escape(body['description'])}</p><dl>"
    kinds: dict[str, list[str]] = {}
    for kind, content in body["content"].items():
        kinds.setdefault(schema_words(content["schema"]), []).append(escape(kind))
    for words, names in kinds.items():
        yield f"<dt><code>{', '.join(names)}</code></dt><dd>{words}</dd>"
    yield "</dl>"


def _answers(responses: Json, shared: Json) -> Iterator[str]:
    """Return the answers; errors, which are many and alike, are folded away."""
    good = {status: each for status, each in responses.items() if status.startswith("2")}
    bad = {status: responses[status] for status in sorted(responses.keys() - good.keys())}
    yield '<h4>Answer</h4><dl class="answers">'
    yield from _listed(good, shared)
    yield f"</dl><details><summary>Errors: {', '.join(bad)}</summary>"
    yield '<dl class="answers">'
    yield from _listed(bad, shared)
    yield "</dl></details>"


def _listed(responses: Json, shared: Json) -> Iterator[str]:
    for status, response in responses.items():
        answer = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        yield f"<dt>{escape(status)}</dt><dd>{escape(answer['description'])}"
        for name, header in answer.get("headers", {}).items():
            told = escape(header.get("description", ""))
            yield f'<p class="detail">Header <code>{escape(name)}</code>. {told}</p>'
        for name, content in answer.get("content", {}).items():
            if content["schema"] != _PROBLEM:  # of which the page's first lines tell
                words = schema_words(content["schema"])
                yield f'<p class="detail"><code>{escape(name)}</code>: {words}</p>'
            if "example" in content:
                shown = json.dumps(content["example"], ensure_ascii=False)
                yield f'<pre tabindex="0"><code>{escape(shown)}</code></pre>'
        yield "</dd>"


def _commands(path: str, method: str, operation: Json, base: str) -> Iterator[str]:
    """Return a command of curl for each kind of body, an image's types counted as one."""
    kinds = operation.get("requestBody", {}).get("content", {})
    sent = (_send(kind, content) for kind, content in kinds.items())
    options = [each for each in dict.fromkeys(sent) if each] if kinds else [""]
    token = '-H "Authorization: Bearer $TOKEN" ' if operation.get("security") else ""
    address = shlex.quote(base + _filled(path, operation.get("parameters", [])))
    for option in options:
        post = "-X POST " if method == "post" and not option else ""
        command = f"curl {token}{post}{option}{address}"
        yield f'<pre tabindex="0"><code>{escape(command)}</code></pre>'


def _send(kind: str, content: Json) -> str:
    """Return the options of curl that send a body; none for one that nobody types."""
    if kind == "multipart/form-data":
        return "-F images=@photo.jpg -F images=@other.jpg "
    if "example" in content:
        return f"-H 'Content-Type: {kind}' -d {shlex.quote(json.dumps(content['example']))} "
    return "--data-binary @photo.jpg " if kind.startswith("image/") else ""


def _filled(path: str, parameters: list[Json]) -> str:
    """Return an address with the examples of its parameters."""
    query = {}
    for each in parameters:
        if each["in"] == "path":
            path = path.replace("{" + each["name"] + "}", each["schema"]["enum"][0])
        elif "example" in each:
            query[each["name"]] = each["example"]
    return f"{path}?{urlencode(query)}" if query else path
