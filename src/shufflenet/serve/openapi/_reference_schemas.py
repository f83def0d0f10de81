"""JSON schemas in words and as HTML, as far as the service's own description uses them."""

import json
from collections.abc import Iterator
from html import escape

from shufflenet.serve.openapi._parts import Json

__all__ = ["describe_schemas", "schema_words"]


def describe_schemas(schemas: Json) -> Iterator[str]:
    """Return a section of HTML for each named schema."""
    for name, schema in schemas.items():
        yield f'<section id="object-{escape(name)}" class="object"><h3>{escape(name)}</h3>'
        yield f"<p>{escape(schema.get('description', ''))}</p><dl>"
        required = schema.get("required", ())
        for field, each in schema.get("properties", {}).items():
            absent = "" if field in required else " <small>may be absent</small>"
            yield f"<dt><code>{escape(field)}</code>{absent}</dt>"
            words = escape(each.get("description", ""))
            yield f"<dd>{words} <small>{schema_words(each)}</small></dd>"
        yield "</dl></section>"


def schema_words(schema: Json) -> str:
    """Return what a schema allows, as HTML.

    >>> schema_words({"type": "array", "items": {"type": "integer", "minimum": 0}})
    'array of integer, at least 0'
    >>> schema_words({"$ref": "#/components/schemas/Card"})
    '<a href="#object-Card">Card</a>'
    """
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#object-{name}">{name}</a>'
    if "title" in schema:
        return escape(schema["title"])
    if "anyOf" in schema:
        return " or ".join(schema_words(each) for each in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    return ", ".join(filter(None, (_type(schema), *_bounds(schema))))


def _type(schema: Json) -> str:
    kind = schema["type"]
    if kind == "array":
        items = schema_words(schema["items"])
        return f"array of ({items})" if " or " in items else f"array of {items}"
    return " or ".join(kind) if isinstance(kind, list) else escape(kind)


def _bounds(schema: Json) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        yield f"{low} to {high}"
    elif low is not None:
        yield f"at least {low}"
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']}"
    if "default" in schema:
        yield f"{schema['default']} unless given"
