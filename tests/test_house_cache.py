"""No test sees the user's cache, nor what other tests measured or downloaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shufflenet.files import cache_dir


@pytest.mark.parametrize("turn", range(2))
def test_what_a_test_leaves_in_its_cache_no_other_finds(turn: int, own_cache: Path) -> None:
    assert cache_dir() == own_cache
    choices = own_cache / "runtimes.json"
    assert not choices.exists()
    choices.write_text("{}")
    (own_cache / "code" / "left").write_text(str(turn))


def test_code_is_kept_from_test_to_test_but_not_for_those_that_depend_on_it(
    own_cache: Path, request: pytest.FixtureRequest
) -> None:
    assert (own_cache / "code").is_dir()
    request.getfixturevalue("fresh_code")
    assert list(own_cache.iterdir()) == []


def test_a_run_touches_nothing_of_the_users(tmp_path: Path) -> None:
    """The tests above, with doctests, in a process whose home is empty."""
    homes = ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE")
    environment = {name: each for name, each in os.environ.items() if name != "SHUFFLENET_HOME"}
    environment |= dict.fromkeys(homes, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    here = Path(__file__)
    model = here.parents[1] / "src" / "shufflenet" / "runtimes" / "_model.py"
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={tmp_path / 'temp'}"]
    chosen = [f"{here}::{each.__name__}" for each in _QUICK]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *chosen, str(model)],
        cwd=here.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert not [path for path in (tmp_path / "home").rglob("*") if "shufflenet" in path.name]


_QUICK = (
    test_what_a_test_leaves_in_its_cache_no_other_finds,
    test_code_is_kept_from_test_to_test_but_not_for_those_that_depend_on_it,
)
