"""What is refused in an ONNX file, whoever reads it: one exception, raised where it is read."""

__all__ = ["MOST_CHANNELS", "Unsound"]

# Of a layer or a tensor. The widest network of the catalogue has 2,560.
MOST_CHANNELS = 1 << 13


class Unsound(Exception):
    """A graph that means nothing, or that this package does not read; its text is a predicate.

    The text goes on after "The file ...", such as "makes the tensor 'a' twice".
    """
