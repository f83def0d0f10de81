"""XML that a stranger may have written: small, shallow, without entities of its own."""

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

__all__ = ["LARGEST_XML_BYTES", "Element", "read_xml"]

LARGEST_XML_BYTES = 1 << 22  # of 20,000 objects
_MOST_DEPTH = 16  # of elements in each other; VOC's have 5


@dataclass(slots=True)
class Element:
    """An element: its name, the pieces of text in it outside of other elements, and these."""

    name: str
    pieces: list[str] = field(default_factory=list)
    children: "list[Element]" = field(default_factory=list)

    def all(self, name: str) -> "list[Element]":
        """Return the elements of a name directly in it."""
        return [child for child in self.children if child.name == name]

    def at(self, path: str) -> str | None:
        """Return the text of the first element by its path, with slashes; None without one."""
        element: Element | None = self
        for name in path.split("/"):
            element = next(iter(element.all(name)), None) if element else None
        return "".join(element.pieces).strip() if element else None


def read_xml(content: bytes) -> Element:
    """Parse XML, and return its outermost element.

    Raises:
        ValueError: it is no XML, declares a document type, as entities need, or is nested deeply.

    >>> read_xml(b"<a><b>1</b></a>").at("b")
    '1'
    """
    root = Element("")
    open_elements = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_elements) > _MOST_DEPTH:
            raise ValueError(f"it is nested more than {_MOST_DEPTH} deep")
        element = Element(name)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(name: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        open_elements[-1].pieces.append(data)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError) as error:  # LookupError: of an unknown encoding
        raise ValueError(str(error)) from error
    return root.children[0]


def _refuse(*declared: object) -> NoReturn:
    raise ValueError("it declares a document type")
