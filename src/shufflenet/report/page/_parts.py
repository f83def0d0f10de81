"""What the page is made of: sections, tables, sentences about what could not be said."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shufflenet.look import icon, stylesheet
from shufflenet.report.page._html import Html, element, join, text

__all__ = [
    "GENERATOR",
    "Cell",
    "Section",
    "data_block",
    "data_uri",
    "number",
    "page",
    "sentence",
    "table",
    "unsaid",
]

GENERATOR = "shufflenet report"  # by which a page is recognized as one that may be replaced
_UNSORTED = 2  # rows that need no sorting
_SITE = Path(__file__).parent / "site"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        name: By which links find it.
        title: Its heading.
        body: What it shows.
    """

    name: str
    title: str
    body: Html


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        shown: What it shows.
        value: By which its column is sorted; empty for what it shows.
        kind: Its class in CSS.
    """

    shown: Html
    value: str = ""
    kind: str = ""


def number(shown: str, value: float) -> Cell:
    """Return a cell with a number, which is aligned to the right."""
    return Cell(text(shown), f"{value:.6g}", "number")


def sentence(*inside: Html, kind: str = "") -> Html:
    """Return a paragraph."""
    return element("p", {"class": kind} if kind else {}, *inside)


def unsaid(reason: str) -> Html:
    """Return a paragraph about what could not be said, and why."""
    return sentence(text(reason), kind="unsaid")


def table(
    identity: str, caption: str, columns: Sequence[Cell], rows: Sequence[Sequence[Cell]]
) -> Html:
    """Return a table that can be scrolled, and sorted by a column if it has more than two rows.

    The first cell of a row names it.
    """
    head = [element("th", _attributes(cell, {"scope": "col"}), cell.shown) for cell in columns]
    body = []
    for first, *others in rows:
        cells = [element("th", _attributes(first, {"scope": "row"}), first.shown)]
        cells += [element("td", _attributes(cell, {}), cell.shown) for cell in others]
        body.append(element("tr", {}, *cells))
    whole = element(
        "table",
        {"id": identity, "class": "sorts" if len(rows) > _UNSORTED else ""},
        element("caption", {}, text(caption)),
        element("thead", {}, element("tr", {}, *head)),
        element("tbody", {}, *body),
    )
    box = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption}
    return element("div", box, whole)


def _attributes(cell: Cell, others: dict[str, str | float]) -> dict[str, str | float]:
    kind: dict[str, str | float] = {"class": cell.kind} if cell.kind else {}
    value: dict[str, str | float] = {"data-value": cell.value} if cell.value else {}
    return {**others, **kind, **value}


def data_uri(kind: str, content: bytes) -> str:
    """Return content as an address that holds it: RFC 2397."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def data_block(identity: str, value: object) -> Html:
    r"""Return a value as JSON for the page's script, in an element whose end it cannot write.

    >>> print(data_block("names", ["</script>"]))
    <script type="application/json" id="names">["\u003c/script>"]</script>
    """
    content = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return Html(f'<script type="application/json" id="{text(identity)}">{content}</script>')


def page(title: str, lead: Html, sections: Sequence[Section]) -> bytes:
    """Return the page: one file that asks nothing of a network.

    Its policy forbids to load anything, and names the one style and the one script that count: a
    label or a path that got into the page as markup would neither run nor ask anyone.
    """
    style = stylesheet((_SITE / "page.css").read_bytes()).decode()
    script = (_SITE / "page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    head = join([
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "generator", "content": GENERATOR}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", {}, text(title)),
        element("link", {"rel": "icon", "href": data_uri("image/svg+xml", icon())}),
        Html(f"<style>{style}</style>"),
    ])  # fmt: skip
    links = [
        element("li", {}, element("a", {"href": f"#{s.name}"}, text(s.title))) for s in sections
    ]
    body = join([
        element("header", {}, element("h1", {}, text(title)), lead),
        element("nav", {"aria-label": "On this page"}, element("ul", {}, *links)),
        element("main", {}, *(_section(each) for each in sections)),
        Html(f"<script>{script}</script>"),
    ])  # fmt: skip
    whole = element("html", {"lang": "en"}, element("head", {}, head), element("body", {}, body))
    return f"<!doctype html>\n{whole}\n".encode()


def _section(section: Section) -> Html:
    heading = element("h2", {"id": f"{section.name}-title"}, text(section.title))
    given = {"id": section.name, "aria-labelledby": f"{section.name}-title"}
    return element("section", given, heading, section.body)


def _hash(content: str) -> str:
    """Return the hash by which a policy allows what the page holds: CSP 3, section 2.3.1."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
