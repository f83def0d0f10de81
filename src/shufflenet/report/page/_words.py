"""Numbers and names as the page's sentences write them."""

__all__ = ["apart", "counted", "percent", "whole"]


def apart(first: str, second: str) -> tuple[str, str]:
    """Return the names of two models so that they can be told from each other.

    >>> apart("tuned", "default"), apart("run", "run")
    (('tuned', 'default'), ('run (the first)', 'run (the second)'))
    """
    if first != second:
        return first, second
    return f"{first} (the first)", f"{second} (the second)"


def whole(number: int) -> str:
    """Return a whole number with a comma before every three digits.

    >>> whole(50000)
    '50,000'
    """
    return f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1, "image"), counted(2000, "class", "classes")
    ('1 image', '2,000 classes')
    """
    return f"{whole(number)} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    r"""Return a share from 0 to 1 as percent with a decimal; only what is exact is 0 % or 100 %.

    >>> percent(0.6234), percent(1.0), percent(0.99999)
    ('62.3\xa0%', '100\xa0%', 'over 99.9\xa0%')
    >>> percent(0.0001), percent(0)
    ('under 0.1\xa0%', '0\xa0%')
    """
    if share in (0, 1):
        number = f"{100 * share:.0f}"
    elif share > 0.9995:
        number = "over 99.9"
    else:
        number = f"{100 * share:.1f}" if share >= 0.0005 else "under 0.1"
    return f"{number}\N{NO-BREAK SPACE}%"
