"""The window of a convolution or a pooling layer."""

from dataclasses import dataclass

from shufflenet.graph import Node

__all__ = ["Window", "window_of"]


@dataclass(frozen=True, slots=True)
class Window:
    """A square window of an odd side, padded by half of it.

    Attributes:
        side: Its side, px.
        stride: The pixels from one place to the next.
    """

    side: int
    stride: int


def window_of(node: Node, side: int) -> Window:
    """Return the window of a node.

    Args:
        node: The node.
        side: The height of its kernel, px.

    Raises:
        ValueError: it is none as all networks of this package have; the message is a predicate.
    """
    given = node.attributes
    strides = set(given["strides"])
    if set(given["pads"]) != {side // 2} or len(strides) > 1 or not side % 2:
        raise ValueError(f"has a {node.op} whose window is not padded by half of its odd side")
    return Window(side, *strides)
