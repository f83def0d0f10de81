"""The root of all errors that this package raises on purpose."""

__all__ = ["ShuffleNetError", "count_of", "first_line", "shown"]


class ShuffleNetError(Exception):
    """The base of every error raised here on purpose; its text is one or more whole sentences.

    Errors pass between processes: one is restored with its text, not made anew from it.
    """

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    kind: type[ShuffleNetError], args: tuple[object, ...], state: dict[str, object]
) -> ShuffleNetError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


def shown(value: object) -> str:
    """Return a value as an error shows it: what ``repr`` writes, at most 200 characters of it.

    >>> shown("a"), shown(10**9999)
    ("'a'", 'a number of many digits')
    """
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a number of many digits"
    return text if len(text) <= 200 else f"{text[:180]}... ({len(text)} characters)"


def first_line(cause: Exception) -> str:
    r"""Return the first line of another error's text, at most 120 characters, without a full stop.

    >>> first_line(ValueError("unexpected end.\nMore about it."))
    'unexpected end'
    """
    return (str(cause) or type(cause).__name__).splitlines()[0].rstrip(".")[:120]


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun in the singular or plural.

    >>> count_of(1, "image"), count_of(2, "image"), count_of(2, "class", "classes")
    ('1 image', '2 images', '2 classes')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
