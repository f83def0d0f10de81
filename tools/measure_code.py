"""Print how long functions are, how many parameters they take and which docstrings give shapes.

    python tools/measure_code.py            # figures of the whole package
    python tools/measure_code.py codegen    # what stands out in one room

A *public array function* is one without a leading underscore, outside private classes, whose
signature names an array or a tensor. Its docstring gives a shape if it holds a tuple such as
``(n, 3, h, w)`` or refers to the function that it implements.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parent.parent / "src" / "shufflenet"
LONG, MANY = 40, 5
_ARRAY = re.compile(r"\b(NDArray|ndarray|Tensor|ArrayLike|Array|Floats|Pixels|Images|Logits)\b")
_SHAPE = re.compile(r"``\([^`]*\)``|\bscalar\b|\bany shape\b|\bsame shape\b")
_VERBS = ("Say", "Give", "Let", "Tell", "Hand", "Bring", "See")


class Function(NamedTuple):
    """A function of the package, and what is measured of it."""

    place: str
    lines: int
    parameters: int
    shows_arrays: bool
    gives_shape: bool
    verb: str


def functions(path: Path) -> Iterator[Function]:
    """Return every function of a file, nested ones too."""
    tree = ast.parse(path.read_text())
    yield from _below(tree, path.relative_to(SOURCE).as_posix(), public=True)


def _below(node: ast.AST, place: str, *, public: bool) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _measured(child, place, public=public and not child.name.startswith("_"))
            yield from _below(child, f"{place}:{child.name}", public=False)
        elif isinstance(child, ast.ClassDef):
            shown = public and not child.name.startswith("_")
            yield from _below(child, f"{place}:{child.name}", public=shown)
        else:
            yield from _below(child, place, public=public)


def _measured(
    node: ast.FunctionDef | ast.AsyncFunctionDef, place: str, *, public: bool
) -> Function:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    arguments = [each for each in arguments if each.arg not in ("self", "cls")]
    notes = [each.annotation for each in arguments] + [node.returns]
    signature = " ".join(ast.unparse(note) for note in notes if note is not None)
    text = ast.get_docstring(node) or ""
    return Function(
        place=f"{place}:{node.name}:{node.lineno}",
        lines=(node.end_lineno or node.lineno) - node.lineno + 1,
        parameters=len(arguments),
        shows_arrays=public and bool(_ARRAY.search(signature)) and bool(text),
        gives_shape=bool(_SHAPE.search(text)),
        verb=text.split(" ", 1)[0],
    )


def main() -> None:
    """Print the figures, and with the name of a room what stands out in it."""
    room = sys.argv[1] if len(sys.argv) > 1 else ""
    found = [f for path in sorted(SOURCE.rglob("*.py")) for f in functions(path)]
    found = [f for f in found if not room or re.match(rf"{room}(/|\.py)", f.place)]
    arrays = [f for f in found if f.shows_arrays]
    long = [f for f in found if f.lines > LONG]
    many = [f for f in found if f.parameters > MANY]
    bare = [f for f in arrays if not f.gives_shape]
    odd = [f for f in found if f.verb in _VERBS]
    print(f"functions: {len(found)}")
    print(f"of at most {LONG} lines: {1 - len(long) / max(1, len(found)):.1%}")
    print(f"of more than {MANY} parameters: {len(many)}")
    print(
        f"public array functions: {len(arrays)}; "
        f"with a shape: {1 - len(bare) / max(1, len(arrays)):.0%}"
    )
    print(f"docstrings that begin with {', '.join(_VERBS)}: {len(odd)}")
    if room:
        for title, each in (
            ("long", long),
            ("parameters", many),
            ("no shape", bare),
            ("verb", odd),
        ):
            print(*(f"{title}: {f.place}" for f in each), sep="\n")


if __name__ == "__main__":
    main()
