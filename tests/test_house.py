"""What holds for the package as a whole."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import shufflenet

ROOT = Path(__file__).parent.parent


def python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", ["shufflenet", "shufflenet.cli"])
def test_an_import_takes_milliseconds_because_it_loads_the_standard_library_only(
    module: str,
) -> None:
    python(
        "import sys; before = set(sys.modules);"
        f"import {module};"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "assert loaded - sys.stdlib_module_names == {'shufflenet'}, loaded"
    )


def test_predicting_and_evaluating_load_no_torch(class_folders: Path) -> None:
    python(
        "import sys; from shufflenet.cli import main;"
        f"assert main(['predict', {str(class_folders)!r}]) == 0;"
        f"main(['evaluate', '--data', {str(class_folders)!r}]); main(['list']);"
        "main(['show', 'default']);"
        "assert not {'torch', 'onnx', 'lightning_fabric'} & set(sys.modules)"
    )


@pytest.mark.parametrize("room", [module.name for module in iter_modules(shufflenet.__path__)])
def test_every_room_says_what_it_is_and_what_it_offers(room: str) -> None:
    if room == "__main__":
        return
    module = import_module(f"shufflenet.{room}")
    assert module.__doc__
    assert all(hasattr(module, name) for name in module.__all__)


def test_no_room_is_too_large() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path


def test_the_module_is_the_program() -> None:
    out = subprocess.check_output([sys.executable, "-m", "shufflenet", "--version"], text=True)
    assert out == f"shufflenet {shufflenet.__version__}\n"


def test_the_version_is_written_once_in_two_places() -> None:
    assert f'version = "{shufflenet.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {shufflenet.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_what_the_readme_tells_to_make_can_be_made() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("try", "check"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile
