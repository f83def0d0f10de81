"""What the project's pages look like: the colors, type, controls and icon that they share."""

from pathlib import Path

__all__ = ["icon", "stylesheet"]

_HERE = Path(__file__).parent


def stylesheet(own: bytes = b"") -> bytes:
    """Return the style of a page as CSS: what all pages share, then its own."""
    return (_HERE / "look.css").read_bytes() + own


def icon() -> bytes:
    """Return the icon of the pages, an SVG."""
    return (_HERE / "icon.svg").read_bytes()
