"""The page in headless Chromium, and its module in Node: what they answer and what they ask for."""

import contextlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("llvmlite")
pytest.importorskip("ziglang")

import shufflenet
from chromium import Page, Server, browsing
from node import base64_of, in_node
from shufflenet.cli import main
from shufflenet.compile import compile_network
from shufflenet.errors import NotForPages
from shufflenet.files import read_onnx_card
from shufflenet.runtimes import Model, Prediction
from shufflenet.zoo import SHIPPED

RNG = np.random.default_rng
ANSWERS = "[...document.querySelectorAll('li')].map((each) => ({...each.dataset}))"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web") / "site"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert not main(["compile", "default", "--to", str(folder), "--target", "web", "--json"])
    told = json.loads(printed.getvalue())
    assert (told["path"], told["target"], told["header"]) == (str(folder), "web", "")
    assert told["code_bytes"] <= 80_000
    assert told["file_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    # With labels and the card; so that a page's code is there before its picture is.
    for name in ("shufflenet.wasm", "shufflenet-relaxed.wasm"):
        assert (folder / name).stat().st_size < 100_000
    return folder


@pytest.fixture(scope="module")
def model() -> Model:
    return shufflenet.open_model(runtime="onnxruntime")


@pytest.fixture(scope="module")
def opened(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Server]]:
    with browsing(site, tmp_path_factory.mktemp("profile")) as (browser, server):
        page = browser.new_page()
        page.open(f"{server.origin}/")
        page.wait_until("document.getElementById('status').textContent.startsWith('Ready')")
        yield page, server


def check(answers: list[dict[str, Any]], expected: Sequence[Prediction]) -> None:
    """Compare with what ``predict`` answers: labels, and probabilities to the third decimal."""
    assert [each["label"] for each in answers] == [each.label for each in expected]
    for each, right in zip(answers, expected, strict=True):
        assert int(each["index"]) == right.index
        assert abs(float(each["probability"]) - right.probability) < 5e-4


def picture(width: int, height: int, channels: int = 3) -> np.ndarray:
    """Return pixels with soft edges, as photos have, whose answer is not far from being another."""
    small = RNG(width).integers(0, 256, (5, 6, channels), np.uint8)
    large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(number: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = number
    return encoded(Image.fromarray(picture(200, 120)), "JPEG", quality=95, exif=exif)


def test_in_node_pixels_of_any_size_are_classified_as_by_predict(site: Path, model: Model) -> None:
    images = [picture(333, 250), picture(92, 92), picture(80, 150), picture(120, 101, 4)]
    answers = in_node(
        site,
        """
        const model = await load();
        const classify = ({ data, ...size }) => model.classify({ data: bytes(data), ...size });
        return [model.card.name, await Promise.all(given.map(classify))];
        """,
        [
            {"data": base64_of(each.tobytes()), "width": each.shape[1], "height": each.shape[0]}
            for each in images
        ],
    )
    assert answers[0] == SHIPPED.name
    expected = model.classify([Image.fromarray(image) for image in images])
    for found, right in zip(answers[1], expected, strict=True):
        check(found, right)
        assert list(found[0]) == ["index", "id", "label", "probability"]


def test_in_node_what_is_wrong_is_told_in_a_sentence(site: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()
    for path in site.glob("*.*"):
        content = path.read_bytes()
        (tmp_path / "cut" / path.name).write_bytes(content[: 10**6])
    (tmp_path / "empty.wasm").write_bytes(b"\0asm\1\0\0\0")
    told = in_node(
        site,
        """
        const model = await load();
        const pixels = { data: new Uint8Array(2 * 2 * 3), width: 2, height: 2 };
        const count = (await model.classify(pixels, { k: 999 })).length;
        return [count, ...(await Promise.all([
          told(model.classify({ ...pixels, width: 3 })),
          told(model.classify("cat.jpg")),
          told(model.classify(pixels, { k: 0 })),
          told(load("nowhere.wasm")),
          told(load(given.folder + "/empty.wasm")),
          told(load(given.folder + "/cut/shufflenet.wasm")),
          told(load(new Uint8Array(9))),
          told(load(readFileSync(given.site + "/shufflenet.wasm"))),
        ]))];
        """,
        {"folder": str(tmp_path), "site": str(site)},
    )
    assert told[0] == 200
    beginnings = [
        "The image's data must be 3 x 2 pixels of 3 or 4 bytes each, RGB or RGBA.",
        "Here an image must be pixels: {data, width, height}.",
        "k is 0, but must be a whole number of at least 1.",
        "Cannot load file:///",
        "This WebAssembly is no network that shufflenet compile wrote.",
        "The file weights-",
        "The network cannot be compiled: it is damaged, or ",
        "This WebAssembly needs weights-",
    ]
    for sentence, beginning in zip(told[1:], beginnings, strict=True):
        assert sentence.startswith(f"ShuffleNetError: {beginning}")
        assert sentence.endswith(".")


def test_one_file_with_its_weights_is_loaded_too(model: Model, site: Path, tmp_path: Path) -> None:
    assert SHIPPED.onnx
    path = tmp_path / "net.wasm"
    compile_network(SHIPPED.onnx, path, "wasm32", prefix="net")
    pixels = picture(130, 100)
    code = """
        const models = await Promise.all([readFileSync(given.path), given.path].map(load));
        const image = { data: bytes(given.data), width: 130, height: 100 };
        return Promise.all(models.map((each) => each.classify(image, { k: 3 })));
    """
    given = {"path": str(path), "data": base64_of(pixels.tobytes())}
    for answers in in_node(site, code, given):
        check(answers, model.classify(Image.fromarray(pixels), k=3)[0])


def test_networks_that_take_no_photos_get_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SHIPPED.onnx
    card = read_onnx_card(SHIPPED.onnx)
    how = replace(card.preprocess, resize_px=256, crop_px=224, mean_image="megvii-imagenet-224")
    other = replace(card, preprocess=how)
    monkeypatch.setattr("shufflenet.compile._page.read_onnx_card", lambda _: other)
    with pytest.raises(NotForPages, match="images of which a mean image is subtracted"):
        compile_network(SHIPPED.onnx, tmp_path / "site", "web")
    assert not (tmp_path / "site").exists()


def test_a_photo_chosen_by_keyboard_also_without_a_network(
    site: Path, model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(picture(640, 427)), "JPEG", quality=90))
    (expected,) = model.classify([path])
    with browsing(site, tmp_path / "profile") as (browser, server):
        page = browser.new_page()
        for is_served in (True, False):
            if not is_served:
                page.wait_until("!document.getElementById('offline').hidden")
                server.stop()
            page.open(f"{server.origin}/")
            page.call("Page.setInterceptFileChooserDialog", enabled=True)
            page.press("Tab")
            assert page.evaluate("document.activeElement.labels[0].textContent") == "Choose a photo"
            page.press(" ")
            node = page.wait_for("Page.fileChooserOpened")["backendNodeId"]
            page.call("DOM.setFileInputFiles", files=[str(path)], backendNodeId=node)
            page.wait_until("document.querySelectorAll('li').length === 5")
            check(page.evaluate(ANSWERS), expected)
            best = expected[0]
            said = f"{best.label.split(',')[0]}, {100 * best.probability:.1f}%. Answered in "
            assert page.evaluate("document.getElementById('status').textContent").startswith(said)
        assert server.foreign == []
        assert "/photo.jpg" not in server.paths
        weights = [each for each in server.paths if each.startswith("/weights-")]
        assert len(weights) == 2  # by the worker; asked about by what keeps it


def test_real_photos_are_classified_as_by_predict(
    opened: tuple[Page, Server], model: Model, real_data: Path
) -> None:
    with tarfile.open(real_data / "imagenet-samples.tar.gz") as archive:
        members = [member for member in archive if member.isfile()][:60:10]
        files = {each.name: archive.extractfile(each).read() for each in members}  # type: ignore[union-attr]
    compare(opened[0], model, files)


def compare(page: Page, model: Model, files: Mapping[str, bytes]) -> None:
    """Compare what the module answers in a browser about files with what ``predict`` does."""
    contents = {name: base64_of(content) for name, content in files.items()}
    answers = page.evaluate(
        """(async (files) => {
          const { load } = await import("/shufflenet.js");
          const model = await load();
          const found = {};
          for (const [name, text] of Object.entries(files)) {
            const blob = new Blob([Uint8Array.from(atob(text), (each) => each.charCodeAt(0))]);
            found[name] = await model.classify(blob);
          }
          return found;
        })"""
        f"({json.dumps(contents)})"
    )
    for name, content in files.items():
        check(answers[name], model.classify([content])[0])


def test_files_of_every_kind_are_decoded_as_by_predict(
    opened: tuple[Page, Server], model: Model
) -> None:
    rgb, gray = Image.fromarray(picture(150, 110)), Image.fromarray(picture(150, 110)).convert("L")
    wide = np.tile(picture(1100, 90), (1, 8, 1))[:, :8192]
    compare(
        opened[0],
        model,
        {
            **{f"turned {number}": turned(number) for number in range(1, 9)},
            "gray": encoded(gray, "PNG"),
            "palette": encoded(rgb.quantize(200), "PNG"),
            "16 bits": encoded(Image.fromarray(np.asarray(gray, np.uint16) * 257), "PNG"),
            "WebP": encoded(rgb, "WEBP", lossless=True),
            "GIF": encoded(rgb.quantize(255), "GIF"),
            "transparent": encoded(Image.fromarray(picture(140, 100, 4)), "PNG"),
            "strips": encoded(Image.fromarray(picture(3000, 2200)), "PNG", compress_level=1),
            "the longest": encoded(Image.fromarray(wide), "PNG", compress_level=1),
        },
    )


def test_the_camera_is_used_by_keyboard_and_released(opened: tuple[Page, Server]) -> None:
    page, server = opened
    page.evaluate("document.getElementById('camera').focus()")
    page.press("Enter")
    page.wait_until("document.getElementById('video').videoWidth")
    assert page.evaluate("document.activeElement.textContent") == "Take the photo"
    page.press("Enter")
    page.wait_until("document.querySelectorAll('li').length === 5")
    assert page.evaluate("document.getElementById('video').srcObject") is None
    assert page.evaluate("document.activeElement.id") == "camera"
    assert server.foreign == []


def test_a_file_that_is_no_image_is_told_and_the_page_goes_on(
    opened: tuple[Page, Server],
) -> None:
    page, _ = opened
    drop = """(content) => {
      const data = new DataTransfer();
      data.items.add(new File([content], "a.jpg", { type: "image/jpeg" }));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }"""
    page.evaluate(f"({drop})('no image')")
    page.wait_until("document.getElementById('problem').textContent")
    problem = page.evaluate("document.getElementById('problem').textContent")
    assert problem == "This is no image that can be read here."
    text = base64_of(turned(1))
    page.evaluate(f"({drop})(Uint8Array.from(atob('{text}'), (each) => each.charCodeAt(0)))")
    page.wait_until("document.querySelectorAll('li').length === 5")
    assert page.evaluate("document.getElementById('problem').textContent") == ""


def test_everything_on_the_page_has_a_name_for_screen_readers(opened: tuple[Page, Server]) -> None:
    nodes = opened[0].call("Accessibility.getFullAXTree")["nodes"]
    found = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    }
    assert {
        ("heading", "What is in the photo?"),
        ("button", "Choose a photo"),
        ("button", "Use the camera"),
        ("DisclosureTriangle", "About this network"),
    } <= found
    assert {"status", "alert", "main", "banner", "contentinfo"} <= {role for role, _ in found}
    named = {"button", "image", "link", "textbox", "region", "dialog"}
    assert all(name for role, name in found if role in named)


def test_nothing_can_be_loaded_from_elsewhere_nor_sent(opened: tuple[Page, Server]) -> None:
    page, server = opened
    for attempt in (
        "fetch('http://elsewhere.example/')",
        "new Promise((yes, no) => Object.assign(new Image(), {onload: yes, onerror: no})"
        ".src = 'http://elsewhere.example/a.png')",
    ):
        with pytest.raises(RuntimeError):
            page.evaluate(f"(async () => {{ await {attempt} }})()")
    assert server.foreign == []
