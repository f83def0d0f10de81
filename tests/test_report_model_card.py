"""Model cards: what the Hub's own library reads of them, and that their lines do what they say."""

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

import shufflenet
from conftest import Run, card_for
from exported import THIN, export
from resealed import save_resealed
from seeded import photo
from shufflenet.errors import CardFileKept, WriteError
from shufflenet.files import read_card
from shufflenet.labels import printable
from shufflenet.preprocess import prepare
from shufflenet.report.model_card import (
    CardedModel,
    front_matter,
    not_stated,
    to_yaml,
    write_model_card,
)
from shufflenet.report.model_card._front_matter import IMAGENET  # compared with the catalog's
from shufflenet.report.model_card._page import format_card  # the text without its file
from shufflenet.report.model_card._text import plain  # what stands between the author and a reader
from shufflenet.spec import (
    CARD_KEY,
    Accuracy,
    Card,
    Int8,
    Label,
    MultiLabelAccuracy,
    Origin,
    Preprocess,
    Published,
)
from shufflenet.zoo import WEIGHTS, find_weights, published_card

HOSTILE = [
    'a: "b"\n---\nlicense: mit',
    "\n---\n\n# Another card\n<script>alert(1)</script>",
    "</details><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) ![](https://a.b/c.png) https://a.b www.a.b",
    "``` \n| a | b |\n- x: !!python/object/apply:os.system ['true']",
    "\x1b[2J\u2028\u202e\ud800\x00 *b* _i_ ~~s~~ `c` & &amp; $x$ @someone",
    "no",
    "",
]
Array: TypeAlias = npt.NDArray[Any]
RUNTIME = "onnxruntime"
PHOTO = photo("card", 97, 141)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither cards nor the library that reads them may ask anybody."""

    def refuse(*args: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def shipped_card() -> Card:
    path = find_weights("default").checkpoint
    assert path
    return read_card(path)


INT8 = Int8(
    weight_range="portable", calibrator="entropy", calibration_images=512,
    kept_in_float=("conv1", "fc"), judged_by="labels",
    float_accuracy=Accuracy(images=400, top1=300, top5=390),
    int8_accuracy=Accuracy(images=400, top1=296, top5=389),
)  # fmt: skip


FOUND = MultiLabelAccuracy(
    images=50, map=0.875, classes=20, exact=30, found=70, answers=90, right=80
)


def models() -> Iterator[CardedModel]:
    """Cards of every kind of file and of every published checkpoint."""
    card = shipped_card()
    yield CardedModel(card, "default")
    for name in ("a.safetensors", "a.onnx", "a.tflite", "a.pte", "a.pt2", "a.param", "a.xml"):
        yield CardedModel(card, name)
    quantized = replace(card, accuracy=None, int8=INT8)
    yield CardedModel(quantized, "int8.onnx")
    yield CardedModel(replace(quantized, int8=replace(INT8, judged_by="float")), "int8.tflite")
    yield CardedModel(replace(quantized, int8=replace(INT8, calibration_images=0)), "int8.onnx")
    yield CardedModel(replace(card, task="multi-label"), "labels.onnx")
    yield CardedModel(
        replace(card, accuracy=None, task="multi-label", multi_label=FOUND), "labels.onnx"
    )
    for weights in WEIGHTS.values():
        yield CardedModel(published_card(weights), weights.name, weights)


def hostile(text: str) -> CardedModel:
    """A model of which every text is the same one."""
    card = card_for(THIN)
    return CardedModel(
        replace(
            card,
            name=text,
            labels=(Label(text, text), *card.labels[1:]),
            origin=Origin(
                data=text, licence=text, started_from=text, taught_by=text, recipe=text, steps=3,
                software=text,
            ),
            published=Published(top1_percent=7.5, top5_percent=11, source=text),
            int8=replace(INT8, calibrator=text, kept_in_float=(text,)),
        ),
        text + ".onnx",
    )  # fmt: skip


@pytest.mark.parametrize("model", [*models(), *map(hostile, HOSTILE)], ids=lambda each: each.source)
def test_the_hub_reads_what_was_put_in(model: CardedModel, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    write_model_card(model, path)
    text, fields = path.read_text(), front_matter(model)
    assert metadata_load(path) == fields
    data: Any = ModelCard(text).data
    read = data.to_dict()
    for name in ("library_name", "pipeline_tag", "tags", "license", "license_name", "datasets"):
        assert read.get(name) == fields.get(name)
    assert data.pipeline_tag == "image-classification"
    assert text.count("\n---\n") == 1  # the end of the metadata; its beginning is the first line
    if "model-index" in fields:
        name, results = model_index_to_eval_results(read["model-index"])
        assert name == (model.card.name or "model")
        assert data.eval_results == results
        assert all(0 < each.metric_value <= 1 for each in results)
        kinds = {each.metric_type for each in results}
        assert kinds == set(read["metrics"]) <= {"accuracy", "mean_average_precision"}


def test_results_are_what_is_counted_or_published_of_what_the_file_computes() -> None:
    def accuracies(model: CardedModel) -> list[float]:
        if "model-index" not in (fields := yaml.safe_load(to_yaml(front_matter(model)))):
            return []
        _, results = model_index_to_eval_results(fields["model-index"])
        return [each.metric_value for each in results]

    card = shipped_card()
    assert accuracies(CardedModel(card, "default")) == [0.5924, 0.8194]
    quantized = replace(card, accuracy=None, int8=INT8)
    assert accuracies(CardedModel(quantized, "a.onnx")) == [0.74, 0.9725]
    by_float = replace(quantized, int8=replace(INT8, judged_by="float"))
    assert accuracies(CardedModel(by_float, "a.onnx")) == []
    published = Published(top1_percent=69.36, top5_percent=88.32, source="a table")
    assert accuracies(CardedModel(replace(by_float, published=published), "a.onnx")) == []
    stated = replace(card, accuracy=None, published=published)
    assert accuracies(CardedModel(stated, "a.onnx")) == [0.6936, 0.8832]
    assert accuracies(CardedModel(replace(card, task="multi-label"), "a.onnx")) == []
    many = replace(card, accuracy=None, task="multi-label", multi_label=FOUND)
    assert accuracies(CardedModel(many, "a.onnx")) == [0.875]
    assert "| right classes that are answers | 70 of 80 |" in format_card(
        CardedModel(many, "a.onnx")
    )
    int8 = replace(INT8, float_accuracy=FOUND, int8_accuracy=replace(FOUND, map=0.75, exact=29))
    of_int8 = CardedModel(replace(many, int8=int8), "a.onnx")
    assert accuracies(of_int8) == [0.75]
    assert "| in int8 | 29 of 50 images right |" in format_card(of_int8)
    weights = WEIGHTS["shufflenet_v2_x1_0.torchvision_in1k"]
    fields = yaml.safe_load(
        to_yaml(front_matter(CardedModel(published_card(weights), weights.name, weights)))
    )
    (result,) = fields["model-index"][0]["results"]
    assert result["source"]["url"] == weights.page


def test_the_catalogs_data_is_the_one_that_the_hub_knows() -> None:
    for weights in WEIGHTS.values():
        card = published_card(weights)
        assert card.origin.data == IMAGENET
        fields = front_matter(CardedModel(card, weights.name, weights))
        assert fields["datasets"] == ["ILSVRC/imagenet-1k"]
        assert fields["license"] == weights.licence.lower()


@pytest.mark.parametrize(
    ("licence", "fields"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("  MIT ", {"license": "mit"}),
        ("", {}),
        ("CC-BY-7.0", {"license": "other", "license_name": "cc-by-7.0"}),
        (
            "Ours, https://a.org/terms.txt; ask",
            {
                "license": "other",
                "license_name": "ours-ask",
                "license_link": "https://a.org/terms.txt",
            },
        ),
        ("\n---\n", {"license": "other", "license_name": "unnamed"}),
    ],
)
def test_licences_are_the_hubs_or_other(licence: str, fields: dict[str, str]) -> None:
    card = card_for(THIN)
    model = CardedModel(replace(card, origin=replace(card.origin, licence=licence)), "a.onnx")
    found = {name: value for name, value in front_matter(model).items() if "license" in name}
    assert found == fields
    assert ("licence" in not_stated(model.card)) is (not licence)


TEXTS = st.text() | st.sampled_from(HOSTILE) | st.text("-:#'\"\\\n\t {}[],&*!|>%@`~?\ud800\x85")
VALUES = st.recursive(
    TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner.filter(lambda each: not isinstance(each, list)), max_size=3)
        | st.dictionaries(st.text("abc-_", min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text("abcdefg-_ ", min_size=1), VALUES, min_size=1, max_size=4))
def test_yaml_reads_back_as_it_was_whatever_the_texts(value: dict[str, object]) -> None:
    text = to_yaml(value)  # type: ignore[arg-type]
    assert yaml.safe_load(text) == value
    assert not re.search(r"^(---|\.\.\.)", text, re.MULTILINE)


@given(TEXTS)
def test_markdown_shows_texts_as_they_are(text: str) -> None:
    """A table's cell holds one text, with nothing that markdown made of it."""
    source = f"| a |\n|---|\n| x{plain(text)}x |\n"
    tokens = (
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(source)
    )
    cell = tokens[-5]
    assert [each.type for each in cell.children or ()] in (["text"], ["text"] * 2)
    assert "".join(each.content for each in cell.children or ()) == f"x{printable(text).strip()}x"


@pytest.mark.parametrize("text", [each for each in HOSTILE if each])
def test_a_hostile_card_adds_no_links_tags_headings_or_code(text: str) -> None:
    """Markdown makes of it what it makes of a card whose texts are one letter."""

    def made(model: CardedModel) -> list[str]:
        page = format_card(model).partition("\n---\n")[2]
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
        return [
            each.type
            for token in tokens
            for each in (token, *(token.children or ()))
            if each.type not in ("text", "softbreak")
        ]

    def named(model: CardedModel) -> CardedModel:
        return replace(model, source="model.onnx")

    assert made(named(hostile(text))) == made(named(hostile("x")))
    assert format_card(hostile(text)).count("<!--") == 1


def lines(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)


class _Session:
    """Stands in for ONNX Runtime's: it keeps the batch that it is given."""

    def __init__(self, card: Card, kind: str) -> None:
        self.card, self.kind = card, kind
        self.batch: Array = np.empty(0)

    def get_modelmeta(self) -> SimpleNamespace:
        return SimpleNamespace(custom_metadata_map={"shufflenet": self.card.to_json()})

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(type=self.kind)]

    def run(self, names: list[str], feeds: dict[str, Array]) -> list[Array]:
        (self.batch,) = feeds.values()
        return [np.arange(self.card.network.classes, dtype=np.float32)[np.newaxis]]


PLAIN = Preprocess(resize_px=46, crop_px=40)
PREPARED = [
    PLAIN,
    replace(PLAIN, longer_side="round", crop_offset="floor"),
    replace(PLAIN, longer_side="half-up", exif=False, channels="bgr", value_range=255),
    replace(PLAIN, mean=(0, 0, 0), std=(1, 1, 1)),
    Preprocess(resize_px=40, crop_px=(32, 48), longer_side="round"),
    Preprocess(resize_px=40, crop_px=(48, 36)),
    Preprocess(resize_px=32, crop_px=(32, 48), fit="pad"),
    Preprocess(resize_px=32, crop_px=32, fit="pad", channels="bgr"),
    Preprocess(resize_px=32, crop_px=(32, 48), fit="squash"),
    Preprocess(resize_px=36, crop_px=32, channels="gray", mean=(0.5,), std=(0.25,)),
    Preprocess(resize_px=32, crop_px=32, fit="pad", channels="gray", mean=(0.5,), std=(0.25,)),
]


@pytest.mark.parametrize("shape", [(97, 141), (141, 97), (64, 64), (2, 150)], ids=str)
@pytest.mark.parametrize("how", PREPARED, ids=lambda how: f"{how.fit} {how.crop_px}")
def test_the_lines_of_python_prepare_photos_as_this_package_does(
    how: Preprocess, shape: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.fromarray(photo("card", *shape))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "photo.jpg", exif=exif)
    monkeypatch.chdir(tmp_path)
    for int8, kind in ((None, ""), (INT8, "tensor(float)"), (INT8, "tensor(uint8)")):
        card = replace(card_for(THIN), preprocess=how, int8=int8)
        session = _Session(card, kind)
        room = ModuleType("onnxruntime")
        room.InferenceSession = lambda path, session=session: session  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "onnxruntime", room)
        (program,) = lines(format_card(CardedModel(card, "a.onnx")), "python")
        exec(program, {})  # what a reader of the card does
        expected = prepare(tmp_path / "photo.jpg", how)
        if kind == "tensor(uint8)":
            count = how.in_channels
            plain_how = replace(
                how, mean=(0,) * count, std=(1,) * count, value_range=255,
                channels="rgb" if count == 3 else "gray",
            )  # fmt: skip
            expected = prepare(tmp_path / "photo.jpg", plain_how)
            expected = expected if how.fit != "pad" else session.batch[0]
            assert session.batch.dtype == np.uint8
        # Of photos of such a shape versions of Pillow begin with another side, and round otherwise.
        gray_level = float(2 in shape)
        if session.batch.dtype != np.uint8:
            gray_level *= how.value_range / 255 / min(how.std)
        np.testing.assert_allclose(
            session.batch, expected[np.newaxis], rtol=1e-5, atol=2e-5 + 1.01 * gray_level
        )


def exported(card: Card, path: Path) -> Path:
    """Write a small network, exported once for all tests, with a card of a test's own."""
    model = onnx.load(export(THIN, path))
    for entry in model.metadata_props:
        if entry.key == CARD_KEY:
            entry.value = card.to_json()
    return save_resealed(model, path)


def answers(program: str, folder: Path) -> list[tuple[object, str]]:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pairs = (line.strip().split("%  ") for line in done.stdout.splitlines())
    return [(float(percent), label) for percent, label in pairs]


@pytest.mark.parametrize("task", ["classification", "multi-label"])
def test_the_lines_of_python_answer_as_this_package(task: str, tmp_path: Path, run: Run) -> None:
    card = replace(card_for(THIN), task=task, preprocess=PLAIN)  # type: ignore[arg-type]
    path = exported(card, tmp_path / "thin.onnx")
    Image.fromarray(PHOTO).save(tmp_path / "photo.jpg")
    code, output, _ = run("card", path, "--to", tmp_path / "README.md", "--json")
    assert code == 0
    assert json.loads(output)["name"] == card.name
    (program,) = lines((tmp_path / "README.md").read_text(), "python")
    predictions = shufflenet.open_model(path, runtime=RUNTIME).classify(
        [tmp_path / "photo.jpg"], k=5
    )[0]
    assert answers(program, tmp_path) == [
        (pytest.approx(100 * each.probability, abs=0.051), each.label) for each in predictions
    ]


def test_the_lines_for_a_shell_and_for_python_with_this_package(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = replace(card_for(THIN), preprocess=replace(PLAIN, resizer="opencv"))
    path = exported(card, tmp_path / "thin.onnx")
    Image.fromarray(PHOTO).save(tmp_path / "photo.jpg")
    text = format_card(CardedModel(card, path.name))
    assert "because its images are resized as OpenCV does" in text
    (program,), (command, compiled) = lines(text, "python"), lines(text, "shell")
    predictions = shufflenet.open_model(path, runtime=RUNTIME).classify(
        [tmp_path / "photo.jpg"], k=5
    )[0]
    # Without the choice of the fastest runtime, which takes seconds.
    monkeypatch.setattr(shufflenet, "open_model", partial(shufflenet.open_model, runtime=RUNTIME))
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # what a reader of the card does
    printed = capsys.readouterr().out.splitlines()
    assert [line.strip().split("%  ")[1] for line in printed] == [p.label for p in predictions]
    words = [str(tmp_path / word) if "." in word else word for word in shlex.split(command)[1:]]
    code, output, _ = run(*words, "--runtime", RUNTIME)
    assert code == 0
    assert predictions[0].label in output
    assert compiled == "shufflenet compile thin.onnx --target web --to page/"


@pytest.mark.skipif(shutil.which("node") is None, reason="JavaScript is run by Node")
def test_the_lines_of_javascript_answer_as_this_package(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("llvmlite")
    pytest.importorskip("ziglang")
    card = replace(card_for(THIN), preprocess=PLAIN)
    path = exported(card, tmp_path / "thin.onnx")
    text = format_card(CardedModel(card, path.name))
    (_, command), (program,) = lines(text, "shell"), lines(text, "js")
    words = shlex.split(
        command.replace(" thin.onnx", f" {path}").replace("page/", f"{tmp_path}/page/")
    )
    code, _, notes = run(*words[1:])
    assert code == 0, notes
    height, width, _ = PHOTO.shape
    rgba = np.dstack([PHOTO, np.full((height, width, 1), 255, np.uint8)])
    (tmp_path / "rgba").write_bytes(rgba.tobytes())
    given = (
        'import { readFileSync } from "node:fs";\n'
        f'const image = {{ data: readFileSync("rgba"), width: {width}, height: {height} }};\n'
    )
    (tmp_path / "card.mjs").write_text(given + program)
    done = subprocess.run(
        ["node", "card.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (best,) = shufflenet.open_model(path, runtime=RUNTIME).classify([PHOTO], k=1)[0]
    label, probability = done.stdout.strip().rsplit(" ", 1)
    assert label == best.label
    assert float(probability) == pytest.approx(best.probability, abs=1e-3)


def test_the_file_name_of_a_stranger_is_not_put_into_commands() -> None:
    for name in ("$(touch a).onnx", "--help.onnx", "a\n```.onnx", 'a".onnx'):
        text = format_card(CardedModel(card_for(THIN), name))
        assert "shufflenet predict photo.jpg --model model.onnx" in text
        assert "its own name needs quotes" in text
        assert name not in text


def test_a_card_is_replaced_only_if_nobody_edited_it(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "sub" / "README.md"
    first = CardedModel(card_for(THIN), "a.onnx")
    write_model_card(first, path)
    write_model_card(replace(first, source="b.onnx"), path)
    assert "b.onnx" in path.read_text()
    path.write_text(path.read_text().replace("ShuffleNet", "my ShuffleNet"))
    edited = path.read_text()
    with pytest.raises(CardFileKept, match="edited since"):
        write_model_card(first, path)
    for content in ("# Mine\n", "a\n<!-- Written by shufflenet card; 0123456789abcdef -->\n"):
        path.write_text(content)
        code, output, notes = run("card", "default", "--to", path)
        assert (code, output, path.read_text()) == (1, "", content)
        assert "is kept" in notes
    link = tmp_path / "link.md"
    link.symlink_to("nowhere")
    with pytest.raises(CardFileKept):
        write_model_card(first, link)
    assert link.is_symlink()
    path.write_bytes(b"x" * (1 << 23))
    with pytest.raises(CardFileKept):
        write_model_card(first, path)
    with pytest.raises(WriteError, match="it is a folder"):
        write_model_card(first, path.parent)
    assert "my ShuffleNet" in edited


def test_the_command_says_what_the_file_does_not_state(tmp_path: Path, run: Run) -> None:
    card = card_for(THIN)
    card = replace(card, origin=Origin(data="ours", licence=""))
    path = exported(card, tmp_path / "thin.onnx")
    to = tmp_path / "README.md"
    code, output, notes = run("card", path, "--to", to)
    assert (code, output) == (0, f"{to}\n")
    assert "does not state its licence" in notes
    assert "| recipe | not stated |" in to.read_text()
    code, output, _ = run("card", "shufflenet_v2_x1_0.torchvision_in1k", "--to", to, "--json")
    assert code == 0
    assert json.loads(output) == {
        "path": str(to),
        "name": "shufflenet_v2_x1_0.torchvision_in1k",
        "license": "bsd-2-clause",
        "not_stated": ["recipe"],
    }


def test_a_network_without_weights_has_no_card(tmp_path: Path, run: Run) -> None:
    code, output, notes = run("card", "shufflenet_v2_x1_0", "--to", tmp_path / "README.md")
    assert (code, output) == (1, "")
    assert "is a network, without weights. Name weights of it, such as" in notes
