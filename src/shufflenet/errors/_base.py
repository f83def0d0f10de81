"""The root of all errors that this package raises on purpose."""

__all__ = ["ShuffleNetError", "first_line"]


class ShuffleNetError(Exception):
    """The base of every error raised here on purpose; its text is one or more whole sentences."""


def first_line(cause: Exception) -> str:
    r"""Return the first line of another error's text, at most 120 characters, without a full stop.

    >>> first_line(ValueError("unexpected end.\nMore about it."))
    'unexpected end'
    """
    return (str(cause) or type(cause).__name__).splitlines()[0].rstrip(".")[:120]
