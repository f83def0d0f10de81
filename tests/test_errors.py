import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from error_sentences import SENTENCES
from shufflenet import errors

SOURCE = Path(errors.__file__).parent.parent


@pytest.mark.parametrize(("error", "sentence"), SENTENCES)
def test_every_error_is_a_sentence_that_says_what_to_do(
    error: errors.ShuffleNetError, sentence: str
) -> None:
    assert str(error) == sentence


def leaves(kind: type[errors.ShuffleNetError]) -> Iterator[type[errors.ShuffleNetError]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for each in below:
        yield from leaves(each)


@pytest.mark.parametrize(("error", "sentence"), SENTENCES)
def test_every_error_passes_between_processes(error: errors.ShuffleNetError, sentence: str) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # made here
    assert type(back) is type(error)
    assert str(back) == sentence


def test_the_sentence_of_every_class_is_tested() -> None:
    ours = {
        each for each in leaves(errors.ShuffleNetError) if each.__module__.startswith("shuffle")
    }
    assert ours | {errors.SpecError} == {type(error) for error, _ in SENTENCES}  # raised itself too
    assert {each.__name__ for each in ours} < set(errors.__all__)


def test_errors_in_arguments_are_value_errors() -> None:
    assert issubclass(errors.SpecError, ValueError)
    assert issubclass(errors.UnknownName, ValueError)
    assert issubclass(errors.NoWeights, ValueError)


def test_the_tree_at_the_top_of_the_room_names_every_family() -> None:
    assert errors.__doc__ is not None
    families = errors.ShuffleNetError.__subclasses__()
    for name in ("ShuffleNetError", *(family.__name__ for family in families)):
        assert f"{name} " in errors.__doc__


@pytest.mark.parametrize(
    "path", sorted(p for p in SOURCE.rglob("*.py") if p.parent.name != "errors"), ids=str
)
def test_sentences_are_written_nowhere_else(path: Path) -> None:
    """Free text about a file, a data set or a run is an argument of its family's base class."""
    bases = ("CheckpointError", "DataError", "DownloadError", "RunError")
    called = [
        node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ]
    assert not [each.id for each in called if isinstance(each, ast.Name) and each.id in bases]
