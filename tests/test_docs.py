"""README and docs: the Python in them runs, and the commands in them exist."""

import contextlib
import io
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import copy
from xml.sax.saxutils import unescape

import numpy as np
import pytest
from PIL import Image

import shufflenet
from box_sets import write_coco_set
from color_finder import write_color_finder
from conftest import Run
from seeded import photo
from shufflenet.cli import main
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import SHIPPED

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
USING = ROOT / "docs" / "using.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def commands(page: Path) -> Iterator[list[str]]:
    """Every ``shufflenet ...`` of a page: lines of its shell blocks, and code in its prose."""
    text = page.read_text()
    for block in blocks(page, ""):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|-m |^srun .*)\bshufflenet (.*)", line)
            if found:
                yield shlex.split(found[1], comments=True)
    for code in re.findall(r"`shufflenet ([^`]+)`", BLOCK.sub("", text)):
        yield shlex.split(code.replace("\n", " "))


@cache
def help_of(command: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    return out.getvalue()


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name."""
    assert SHIPPED.onnx
    assert SHIPPED.checkpoint
    Image.fromarray(photo("cat", 120, 161)).save(tmp_path / "cat.jpg")
    copy(SHIPPED.onnx, tmp_path / "model.onnx")
    (tmp_path / "runs" / "photos").mkdir(parents=True)
    copy(SHIPPED.checkpoint, tmp_path / "runs" / "photos" / "best.safetensors")
    write_coco_set(tmp_path / "cells")
    write_color_finder(tmp_path / "cells.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("page", "code"),
    [(page.name, code) for page in PAGES for code in blocks(page, "python")],
)
def test_python_examples_run(page: str, code: str, working_folder: Path) -> None:
    exec(compile(code, page, "exec"), {"__name__": page})


def test_the_example_without_this_package_predicts_the_same(
    working_folder: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    (code,) = blocks(ROOT / "docs" / "files.md", "python")
    assert "import shufflenet" not in code
    exec(compile(code, "files.md", "exec"), {})
    alone = capsys.readouterr().out.splitlines()
    code_, out, _ = run("predict", "cat.jpg", "--model", "model.onnx", "--top", "5")
    assert code_ == 0
    assert [line.split() for line in alone] == [line.split() for line in out.splitlines()[1:]]


def test_the_example_without_this_package_finds_the_same_boxes(
    working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = blocks(ROOT / "docs" / "detection.md", "python")
    (code,) = (code for code in pages if "onnxruntime.InferenceSession" in code)
    assert "import shufflenet" not in code
    exec(compile(code, "detection.md", "exec"), {})
    alone = []
    for line in capsys.readouterr().out.splitlines():
        score, label, *corners = re.sub(r"[\[\]]", " ", line).split()
        left, top, right, bottom = map(float, corners)
        alone.append((score, label, left, top, right, bottom))
    (found,) = shufflenet.open_model("cells.onnx").detect("cat.jpg", k=1000)
    assert found
    expected = []
    for each in found:
        left, top, width, height = each.box
        corners_ = np.array([left, top, left + width, top + height]).round()
        expected.append((f"{each.score:.2f}", each.label, *corners_))
    assert sorted(alone) == sorted(expected)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for name, *words in commands(page):
        if name.startswith("-"):
            assert name == "--version"
            continue
        text = help_of(name)
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        for option in options:
            assert re.search(rf"{option}(?![\w-])", text), f"{name} {option}"


def headings(page: Path) -> set[str]:
    """The names by which GitHub links to the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for file, heading in LINK.findall(BLOCK.sub("", page.read_text())):
        target = page.parent / file if file else page
        assert target.exists(), file
        assert not heading or heading in headings(target), f"{file}#{heading}"


def test_files_that_the_pages_name_exist() -> None:
    """Paths in code quotes, from the root or from the package."""
    places = (ROOT, ROOT / "src", ROOT / "src" / "shufflenet", ROOT / "benchmarks")
    named = 0
    for page in PAGES:
        for path in re.findall(r"`([a-z][\w./-]*\.py)`", BLOCK.sub("", page.read_text())):
            if "NAME" not in path:
                assert any((place / path).exists() for place in places), f"{page.name}: {path}"
                named += 1
    assert named > 20


def test_the_readme_has_the_figures_of_the_card() -> None:
    accuracy = shufflenet.open_model(runtime="onnxruntime").card.accuracy
    assert accuracy
    row = (
        f"| `default` | {accuracy.top1_percent:.2f} % ({accuracy.top1}) "
        f"| {accuracy.top5_percent:.2f} % ({accuracy.top5}) |"
    )
    assert row in (ROOT / "README.md").read_text()


def section(page: Path, title: str) -> str:
    return page.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_table_of_runtimes_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(.*?)` \|(.*?)\|(.*?)\|", section(USING, "Runtimes"), re.MULTILINE)
    shown = [(name, extra.strip(" `"), files.strip(" `")) for name, extra, files in rows]
    assert shown == [(r.name, r.extra, "`, `".join(r.suffixes)) for r in RUNTIMES.values()]


def test_the_table_of_extras_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    shown = re.findall(r"^\| `pip install '\.\[(\w+)\]'`", section(USING, "Install"), re.MULTILINE)
    assert sorted(shown) == sorted(extras - {"dev"})


def test_the_rooms_are_listed_in_the_order_of_their_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [layer.split(" | ") for layer in contracts["contracts"][0]["layers"]]
    depth = {room: index for index, layer in enumerate(layers) for room in layer}
    (listing,) = blocks(ROOT / "CONTRIBUTING.md", "")
    names = [line.split("  ")[0] for line in listing.splitlines()]
    rooms = [room for name in names for room in re.findall(r"(\w+)(?:/|\.py)", name)]
    assert sorted(rooms) == sorted(set(depth) - {"__main__"})
    assert rooms == sorted(rooms, key=depth.__getitem__)


def test_the_picture_shows_what_commands_print(run: Run) -> None:
    picture = (ROOT / "docs" / "terminal.svg").read_text()
    shown = [unescape(line) for line in re.findall(r">([^<]+)</text>", picture)]
    _, *after = shown[shown.index("$ shufflenet list x1_0 --networks") :]
    code, out, _ = run("list", "x1_0", "--networks")
    assert code == 0
    assert after == [line for line in out.splitlines() if line]
    accuracy = shufflenet.open_model(runtime="onnxruntime").card.accuracy
    assert accuracy
    top1 = f"top-1  {accuracy.top1_percent:.2f} %  {accuracy.top1} of {accuracy.images}"
    assert top1 in shown
