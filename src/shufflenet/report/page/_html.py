"""HTML and SVG as values: what comes from others is escaped once, where it becomes markup."""

import html
from collections.abc import Iterable, Mapping
from typing import NewType

from shufflenet.labels import printable

__all__ = ["Html", "element", "join", "name", "shorten", "text"]

Html = NewType("Html", str)  # markup; only this file makes it of text

_LONGEST = 160  # characters of a label or path on the page; the CSV files have all of them
# HTML's elements without an end tag, as far as the page has them: the standard, section 13.1.2.
_VOID = frozenset(("br", "col", "hr", "img", "input", "link", "meta", "source"))


def text(words: str) -> Html:
    r"""Return words as markup that shows just them.

    >>> print(text("</script> & \x1b[2J"))
    &lt;/script&gt; &amp; \x1b[2J
    """
    return Html(html.escape(printable(words)))


def shorten(words: str, longest: int = _LONGEST) -> str:
    """Return at most about ``longest`` characters, both ends of a longer text.

    >>> shorten("a" * 50 + "/cat.jpg", 20)
    'aaaaaaaaa…a/cat.jpg'
    """
    if len(words) <= longest:
        return words
    half = (longest - 1) // 2
    return f"{words[:half]}…{words[-half:]}"


def name(words: str) -> Html:
    """Return a label or a path, shortened, that reads in its own direction within a sentence.

    >>> print(name('<b>'))
    <bdi>&lt;b&gt;</bdi>
    """
    return element("bdi", {}, text(shorten(words)))


def join(parts: Iterable[Html], between: str = "") -> Html:
    """Return markup one after another.

    >>> print(join([text("a"), text("b")], " and "))
    a and b
    """
    return Html(text(between).join(parts))


def element(tag: str, attributes: Mapping[str, str | float], *inside: Html) -> Html:
    """Return an element of HTML or SVG.

    >>> print(element("p", {"class": "quiet", "title": '"'}, text("1 < 2")))
    <p class="quiet" title="&quot;">1 &lt; 2</p>
    >>> print(element("br", {}), element("rect", {"width": 1.50}))
    <br> <rect width="1.5"></rect>
    """
    given = "".join(f' {key}="{text(_number(value))}"' for key, value in attributes.items())
    if tag in _VOID:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{''.join(inside)}</{tag}>")


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(float(value), 2):g}"
