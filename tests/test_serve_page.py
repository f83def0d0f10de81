"""The service's page in headless Chromium: what it shows, sends, saves, and how it is used."""

import csv
import io
import json
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("playwright")

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import shufflenet
from shufflenet.benchmark import cost
from shufflenet.cli import main
from shufflenet.preprocess import IMAGE_SUFFIXES
from shufflenet.runtimes import Model, Prediction
from shufflenet.serve import Limits, make_app

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en", "--mute-audio",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
_LIMITS = Limits(request_bytes=1 << 20)
_HOSTILE = '<img src=x onerror="document.title=1">, =1+1 "quoted"'

expect.set_options(timeout=60_000)  # a page that takes longer hangs


@dataclass
class Gate:
    """The service, before which refusals and answers of a test's own can be put.

    Attributes:
        app: The service.
        token: The token that ``/v1`` asks for, if any.
        refusals: What the next requests to classify are answered: a status, headers, a sentence.
        answer: What requests to classify are answered for each image, in place of the service.
        asked: The paths of all requests, and of those to classify how many images they had.
    """

    app: ASGIApp
    token: str = ""
    refusals: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix("/deep")
        body = await _body(receive) if path == "/v1/classify" else b""
        images = body.count(b'name="image"')
        self.asked.append((path, images))
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if path.startswith("/v1") and self.token and given != f"Bearer {self.token}":
            await _send(send, 401, {"WWW-Authenticate": "Bearer"}, {"error": "Bring the token."})
        elif images and self.refusals:
            status, headers, sentence = self.refusals.pop(0)
            await _send(send, status, headers, {"error": sentence})
        elif images and self.answer is not None:
            await _send(send, 200, {}, [self.answer] * images)
        else:
            await self.app(scope, _receiving(body) if body else receive, send)


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _receiving(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _send(send: Send, status: int, headers: dict[str, str], content: object) -> None:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


@pytest.fixture(scope="module")
def model() -> Model:
    return shufflenet.open_model(runtime="onnxruntime", threads=1)


@pytest.fixture(scope="module")
def served(model: Model) -> Iterator[tuple[Gate, str]]:
    app = make_app({"default": model, "other": model}, _LIMITS)
    gate = Gate(Starlette(routes=[Mount("/deep", app), Mount("/", app)]))
    server = uvicorn.Server(uvicorn.Config(gate, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield gate, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def gate(served: tuple[Gate, str]) -> Iterator[Gate]:
    gate = served[0]
    yield gate
    gate.token, gate.answer = "", None
    gate.refusals.clear()
    gate.asked.clear()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not _CHROMIUM:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(**getattr(request, "param", {}), reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, served: tuple[Gate, str], gate: Gate) -> Iterator[Page]:
    """Open the page; at the end, nothing was asked of others and the browser has no complaint."""
    origin = served[1]
    asked: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    # Choosers are intercepted from the start: at the first wait for one, it may be too late.
    page.on("filechooser", lambda _: None)
    page.goto(origin)
    yield page
    foreign = [url for url in asked if not url.startswith((f"{origin}/", "blob:", "data:"))]
    assert not foreign
    # Chromium prints every refusal, also those that the page expects.
    refused = re.compile(
        r"Failed to load resource: (the server responded with a status of [45]\d\d|net::ERR_)"
    )
    assert not [each for each in complaints if not refused.match(each)]


def jpeg(seed: int, width: int = 120, height: int = 90) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    large.save(file, "JPEG", quality=90)
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 13 photos, one with a name that CSV must quote, and of other files."""
    folder = tmp_path_factory.mktemp("in") / "photos"
    (folder / "b").mkdir(parents=True)
    (folder / ".hidden").touch()
    (folder / "notes.txt").write_text("none")
    for number in range(12):
        (folder / ("b" if number % 2 else "") / f"{number}.jpg").write_bytes(jpeg(number))
    (folder / 'a "cat", large.JPEG').write_bytes(jpeg(12))
    return folder


def write_photo(path: Path) -> Path:
    path.write_bytes(jpeg(7, 300, 200))
    return path


def status(page: Page) -> Locator:
    return page.locator("#status")


def ready(page: Page) -> None:
    expect(status(page)).to_have_text("Ready: it knows 200 classes.")


def ended(page: Page, sentence: str) -> None:
    expect(status(page)).to_have_text(sentence)


def images_asked(gate: Gate) -> int:
    return sum(images for _, images in gate.asked)


def check_bars(page: Page, expected: Sequence[Prediction]) -> None:
    expect(page.locator("#classes li")).to_have_count(5)
    found = page.evaluate(
        "[...document.querySelectorAll('#classes li')].map((it) => ({...it.dataset}))"
    )
    assert [(each["label"], int(each["index"])) for each in found] == [
        (each.label, each.index) for each in expected
    ]
    for each, right in zip(found, expected, strict=True):
        assert abs(float(each["probability"]) - right.probability) < 1e-5


def drop(page: Page, *paths: Path) -> None:
    """Drop files or folders as the system does, which a script cannot."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 50, "y": 150, "data": data})


def saved(page: Page) -> str:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as CSV").click()
    assert waiting.value.suggested_filename == "predictions.csv"
    return Path(waiting.value.path()).read_bytes().decode()


def names(page: Page) -> list[tuple[str, str]]:
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]


def check_named(page: Page) -> None:
    controls = {"button", "image", "link", "textbox", "combobox", "checkbox", "region", "dialog",
                "table", "DisclosureTriangle", "progressbar", "columnheader", "list"}  # fmt: skip
    unnamed = [role for role, name in names(page) if role in controls and not name.strip()]
    assert not unnamed


def test_a_photo_is_answered_by_five_bars_as_predict_answers_it(
    page: Page, model: Model, tmp_path: Path
) -> None:
    ready(page)
    path = write_photo(tmp_path / "photo.jpg")
    page.locator("#files").set_input_files(path)
    (expected,) = model.classify([path])
    check_bars(page, expected)
    best = expected[0]
    said = re.escape(f"{best.label.split(',')[0]}, {100 * best.probability:.1f}%. Answered in ")
    parts = r"[\d.,]+\sms: [\d.,]+\sms decoding, [\d.,]+\sms computing, [\d.,]+\sms waiting\.$"
    expect(status(page)).to_have_text(re.compile(said + parts))
    assert page.evaluate("document.getElementById('photo').naturalWidth") == 300
    page.locator("#model").select_option("other")  # which asks again
    expect(status(page)).to_have_text(re.compile("Answered"))
    check_bars(page, expected)


def test_the_page_of_an_app_that_is_mounted_asks_that_app(page: Page, tmp_path: Path) -> None:
    ready(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{page.url}deep/")
    ready(page)
    page.locator("#files").set_input_files(write_photo(tmp_path / "photo.jpg"))
    expect(page.locator("#classes li")).to_have_count(5)
    assert any("/v1/classify" in url for url in asked)
    assert not [url for url in asked if "/deep/" not in url and not url.startswith("blob:")]


def test_a_photo_is_dropped_or_pasted(page: Page, model: Model, tmp_path: Path) -> None:
    ready(page)
    path = write_photo(tmp_path / "photo.jpg")
    drop(page, path)
    (expected,) = model.classify([path])
    check_bars(page, expected)
    page.evaluate(
        """(bytes) => {
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([new Uint8Array(bytes)], "image.png"));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }""",
        list(jpeg(3)),
    )
    (expected,) = model.classify([jpeg(3)])
    expect(page.locator(f"#classes li[data-label='{expected[0].label}']")).to_be_visible()
    check_bars(page, expected)


def test_a_folder_becomes_a_table_that_is_saved_as_predict_prints_it(
    page: Page, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ready(page)
    page.locator("#folder").set_input_files(folder)
    ended(page, "13 photos answered.")
    found = saved(page)
    monkeypatch.chdir(folder.parent)
    capsys.readouterr()
    assert main(["predict", "photos", "--csv", "--runtime", "onnxruntime"]) == 0
    check_csv(found, capsys.readouterr().out)
    expect(page.locator("#many-title")).to_have_text("13 photos by default")
    expect(page.locator("#rows img[src^='blob:']").first).to_be_visible()


def check_csv(found: str, expected: str) -> None:
    """Compare text that Python's writer would write too, but for the sixth digit of a number."""
    rows, right = list(csv.reader(io.StringIO(found))), list(csv.reader(io.StringIO(expected)))
    assert [row[:-1] for row in rows] == [row[:-1] for row in right]
    for (*_, a), (*_, b) in zip(rows[1:], right[1:], strict=True):
        assert abs(float(a) - float(b)) < 5e-6
        assert len(a) == len(b)
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    assert written.getvalue() == found


def test_folders_and_files_are_dropped_together(page: Page, folder: Path, tmp_path: Path) -> None:
    ready(page)
    drop(page, folder, write_photo(tmp_path / "no suffix"))
    ended(page, "14 photos answered.")
    paths = page.locator("#rows th").all_text_contents()
    assert sorted(paths) == sorted(
        ["no suffix", *(path.relative_to(folder.parent).as_posix()
                        for path in folder.rglob("*.[jJ]*"))]
    )  # fmt: skip
    assert "photos/b/1.jpg" in paths


def test_folders_are_searched_for_what_predict_takes_for_images(page: Page) -> None:
    names = [f"a{suffix}" for suffix in sorted(IMAGE_SUFFIXES)]
    others = ["a.txt", "a", ".jpg", "jpg", "a.jpg.zip"]
    found = page.evaluate(
        """async (names) => {
          const { ofFolder } = await import("/parts/photos.js");
          return ofFolder(names.map((name) => new File([], name))).map(({ path }) => path);
        }""",
        names + others + ["B.JPG"],
    )
    assert found == sorted([*names, "B.JPG"])


def test_rows_are_sorted_filtered_and_opened(page: Page, folder: Path, tmp_path: Path) -> None:
    ready(page)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    page.locator("#files").set_input_files([*sorted(folder.rglob("*.jpg")), bad])
    ended(page, "13 photos answered; 1 could not be classified.")
    heading = page.get_by_role("columnheader", name="Probability")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    shares = page.locator("#rows td.percent").all_text_contents()
    numbers = [float(text.rstrip("%")) for text in shares[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    assert shares[-1] == ""  # the one without comes last
    page.get_by_role("button", name="Photo", exact=True).click()
    paths = page.locator("#rows th").all_text_contents()
    assert paths[:4] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    page.get_by_role("checkbox", name="Errors only (1)").check()
    expect(page.locator("#rows tr:visible")).to_have_count(1)
    sentence = "Cannot read 'bad.jpg' as an image: it is empty or not an image."
    expect(page.locator("#rows tr:visible .label")).to_have_text(sentence)
    lines = list(csv.DictReader(io.StringIO(saved(page))))
    assert list(lines[0]) == ["path", "rank", "index", "label", "probability", "error"]
    wrong = [line for line in lines if line["error"]]
    assert wrong == [dict.fromkeys(lines[0], "") | {"path": "bad.jpg", "error": sentence}]
    assert len(lines) == 12 * 5 + 1
    page.get_by_role("checkbox").uncheck()
    row = page.locator("#rows button").first
    row.click()
    assert row.get_attribute("aria-expanded") == "true"
    expect(page.locator("#rows .more li")).to_have_count(5)
    row.click()
    expect(page.locator("#rows .more")).to_have_count(0)


def test_a_file_that_is_no_image_is_told_in_the_services_sentence(
    page: Page, model: Model, tmp_path: Path
) -> None:
    ready(page)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    page.locator("#files").set_input_files(bad)
    sentence = "Cannot read 'bad.jpg' as an image: it is empty or not an image."
    expect(page.locator("#problem")).to_have_text(sentence)
    expect(page.locator("#classes li")).to_have_count(0)
    path = write_photo(tmp_path / "photo.jpg")
    page.locator("#files").set_input_files(path)
    check_bars(page, model.classify([path])[0])
    expect(page.locator("#problem")).to_have_text("")


def test_what_the_service_would_not_take_is_told_and_not_sent(
    page: Page, gate: Gate, tmp_path: Path
) -> None:
    ready(page)
    large = tmp_path / "large.jpg"
    large.write_bytes(jpeg(1) + bytes(2 << 20))
    sentence = "This photo has 2.1 MB; the service takes at most 1 MB."
    page.locator("#files").set_input_files(large)
    expect(page.locator("#problem")).to_have_text(sentence)
    page.locator("#files").set_input_files([large, write_photo(tmp_path / "photo.jpg")])
    ended(page, "2 photos answered; 1 could not be classified.")
    expect(page.locator("#rows .failed .label")).to_have_text(sentence)
    assert [images for path, images in gate.asked if path == "/v1/classify"] == [1]


def test_labels_and_names_of_others_are_shown_as_text(
    page: Page, gate: Gate, tmp_path: Path
) -> None:
    ready(page)
    classes = [{"index": 1, "label": _HOSTILE, "probability": 0.75}]
    gate.answer = {"predictions": [*classes, {"index": 2, "label": "@b", "probability": 0.25}]}
    paths = [write_photo(tmp_path / name) for name in ("=a.jpg", "<b>b<b>.jpg")]
    page.locator("#files").set_input_files(paths[0])
    expect(page.locator("#classes li").first).to_contain_text(_HOSTILE.split(",")[0])
    page.locator("#files").set_input_files(paths)
    ended(page, "2 photos answered.")
    page.locator("#rows button").first.click()
    assert page.locator("#rows th").all_text_contents() == ["=a.jpg", "<b>b<b>.jpg"]
    assert page.title() == "What is in the photo?"
    assert page.locator("main b, main [onerror]").count() == 0
    assert saved(page).splitlines()[1:3] == [
        f'\'=a.jpg,1,1,"{_HOSTILE.replace(chr(34), chr(34) * 2)}",0.750000',
        "'=a.jpg,2,2,'@b,0.250000",
    ]


def test_a_token_is_asked_for_and_kept_in_the_tab(
    context: BrowserContext, served: tuple[Gate, str], page: Page, gate: Gate, tmp_path: Path
) -> None:
    ready(page)
    gate.token = "the right token"
    page.reload()
    field = page.get_by_role("textbox", name="Token")
    expect(field).to_be_focused()
    check_named(page)
    expect(page.get_by_role("button", name="Choose photos")).to_be_hidden()
    page.keyboard.type("a wrong token")
    page.keyboard.press("Enter")
    expect(page.locator("#token-told")).to_have_text("The service does not accept this token.")
    field.fill("the right token")
    page.get_by_role("button", name="Continue").click()
    ready(page)
    expect(field).to_be_hidden()
    page.locator("#files").set_input_files(write_photo(tmp_path / "photo.jpg"))
    expect(page.locator("#classes li")).to_have_count(5)
    page.reload()
    ready(page)
    kept = page.evaluate("[{...sessionStorage}, {...localStorage}, document.cookie]")
    assert kept == [{"shufflenet token": "the right token"}, {}, ""]
    gate.token = "another token"  # while the page is open
    page.locator("#files").set_input_files([write_photo(tmp_path / f"{n}.jpg") for n in range(20)])
    expect(field).to_be_visible()
    field.fill("another token")
    field.press("Enter")
    ended(page, "20 photos answered.")
    other = context.new_page()
    other.goto(served[1])
    expect(other.get_by_role("textbox", name="Token")).to_be_visible()


def test_what_is_refused_for_now_is_sent_again_in_smaller_requests(
    page: Page, gate: Gate, tmp_path: Path
) -> None:
    ready(page)
    gate.refusals += [(413, {}, "Too large.")]
    gate.refusals += [(429, {"Retry-After": "0"}, "Too much waits.")] * 3
    gate.refusals += [(503, {}, "Not in time.")]
    page.locator("#files").set_input_files([write_photo(tmp_path / f"{n}.jpg") for n in range(40)])
    ended(page, "40 photos answered.")
    sent = [images for path, images in gate.asked if path == "/v1/classify"]
    assert sent[0] == 8
    assert max(sent) <= 8
    assert 1 in sent  # after the refusals
    assert not gate.refusals
    expect(page.locator("#rows .failed")).to_have_count(0)


def test_one_photo_is_sent_again_too(page: Page, gate: Gate, model: Model, tmp_path: Path) -> None:
    ready(page)
    path = write_photo(tmp_path / "photo.jpg")
    gate.refusals += [(429, {"Retry-After": "600"}, "Too much waits.")]
    page.locator("#files").set_input_files(path)
    expect(status(page)).to_have_text("The service is busy. Trying again in 600 s.")
    gate.refusals += [(503, {"Retry-After": "0"}, "Not in time.")]
    page.locator("#files").set_input_files(path)
    check_bars(page, model.classify([path])[0])
    gate.refusals += [(500, {}, "The service failed at this request. Its log says why.")]
    page.locator("#files").set_input_files(path)
    expect(page.locator("#problem")).to_have_text(re.compile("^The service failed"))
    expect(page.locator("#classes li")).to_have_count(0)


def test_a_file_that_is_gone_is_told(page: Page, tmp_path: Path) -> None:
    ready(page)
    path = write_photo(tmp_path / "photo.jpg")
    page.locator("#files").set_input_files(path)
    expect(page.locator("#classes li")).to_have_count(5)
    path.unlink()
    page.locator("#model").select_option("other")
    gone = "The browser cannot read this file: it may be gone."
    expect(page.locator("#problem")).to_have_text(gone)


def test_a_service_that_is_not_reached_is_told_and_asked_again(
    page: Page, context: BrowserContext, tmp_path: Path
) -> None:
    ready(page)
    context.set_offline(True)
    page.locator("#files").set_input_files(write_photo(tmp_path / "photo.jpg"))
    expect(status(page)).to_have_text("The service cannot be reached. Trying again in 1 s.")
    context.set_offline(False)
    expect(page.locator("#classes li")).to_have_count(5)


def test_delays_are_numbers_or_dates(page: Page) -> None:
    found = page.evaluate(
        """async (texts) => {
          const { delay } = await import("/parts/service.js");
          return texts.map(delay);
        }""",
        ["0", "120", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", None],
    )
    assert found == [0, 120, 0, 1, 1]


def test_four_requests_are_sent_at_once_at_most(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { sendAll } = await import("/parts/sending.js");
          let now = 0, most = 0;
          const order = [], sizes = [];
          const classify = async (photos) => {
            most = Math.max(most, ++now);
            await new Promise((later) => setTimeout(later));
            now--;
            sizes.push(photos.length);
            return { answers: photos };
          };
          const photos = Array.from({ length: 50 }, (_, n) => ({ file: { size: 2e6 }, path: n }));
          await sendAll(photos, classify, {
            limits: { images: 64, request_bytes: 1e9 },
            signal: new AbortController().signal,
            told: { answer: ({ path }) => order.push(path) },
          });
          return [most, Math.max(...sizes), order];
        }"""
    )
    assert found == [4, 3, list(range(50))]


def test_nothing_is_sent_before_the_time_that_the_service_asks_for(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { sendAll } = await import("/parts/sending.js");
          const { Refusal } = await import("/parts/service.js");
          const end = new AbortController();
          let sent = 0;
          const classify = async () => {
            sent++;
            throw new Refusal("Too much waits.", 429, 600);
          };
          const photos = Array.from({ length: 50 }, (_, n) => ({ file: { size: 1 }, path: n }));
          const told = { waiting: () => {} };
          const limits = { images: 64, request_bytes: 1e9 };
          const sending = sendAll(photos, classify, { limits, signal: end.signal, told });
          await new Promise((later) => setTimeout(later, 50));
          end.abort();
          await sending;
          return sent;
        }"""
    )
    assert found == 4


def test_a_refused_request_is_halved_until_each_photo_has_its_answer(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { sendAll } = await import("/parts/sending.js");
          const { Refusal } = await import("/parts/service.js");
          const outcomes = [[429, 0], [413, 0], [0, 0]];
          const sizes = [], answers = {};
          const classify = async (photos) => {
            if (sizes.push(photos.length) > 99) throw new Error("It never ends.");
            const outcome = outcomes.shift();
            if (outcome) throw new Refusal("No.", ...outcome);
            if (photos.some(({ path }) => path === "3")) throw new Refusal("Not 3.", 400);
            return { answers: photos.map(({ path }) => `answer ${path}`) };
          };
          const photos = [..."0123"].map((path) => ({ file: new File(["0"], path), path }));
          await sendAll(photos, classify, {
            limits: { images: 4, request_bytes: 1e6 },
            signal: new AbortController().signal,
            told: {
              answer: ({ path }, { error = "none" }) => (answers[path] = error),
              waiting: () => {},
            },
          });
          return [Math.max(...sizes), sizes.at(-1), answers];
        }"""
    )
    assert found == [4, 1, {"0": "none", "1": "none", "2": "none", "3": "Not 3."}]


def test_what_a_request_is_refused_for_is_told_of_the_photo_that_it_is_refused_for_alone(
    page: Page, gate: Gate, tmp_path: Path
) -> None:
    ready(page)
    gate.refusals += [(400, {}, "The form is broken.")] * 2
    page.locator("#files").set_input_files([write_photo(tmp_path / f"{n}.jpg") for n in range(2)])
    ended(page, "2 photos answered; 1 could not be classified.")
    expect(page.locator("#rows .failed .label")).to_have_text("The form is broken.")


def test_sending_is_cancelled_and_gone_on_with(page: Page, gate: Gate, tmp_path: Path) -> None:
    ready(page)
    gate.refusals += [(429, {"Retry-After": "600"}, "Too much waits.")] * 4
    page.locator("#files").set_input_files([write_photo(tmp_path / f"{n}.jpg") for n in range(40)])
    expect(page.locator("#pace")).to_have_text("The service is busy. Trying again in 600 s.")
    expect(page.get_by_role("progressbar", name="Photos answered")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(status(page)).to_have_text(re.compile(r"Stopped: \d+ of 40 photos answered\."))
    gate.refusals.clear()
    page.get_by_role("button", name="Go on").click()
    ended(page, "40 photos answered.")
    page.locator("#model").select_option("other")
    before = images_asked(gate)
    page.get_by_role("button", name="Classify again by other").click()
    expect(page.locator("#many-title")).to_have_text("40 photos by other")
    while images_asked(gate) < before + 40:  # the sentence of before still stands
        page.wait_for_timeout(10)
    ended(page, "40 photos answered.")
    gate.refusals += [(429, {"Retry-After": "600"}, "Too much waits.")] * 4
    page.locator("#files").set_input_files(tmp_path / "1.jpg")
    expect(page.locator("#pace")).to_have_text("The service is busy. Trying again in 600 s.")
    gate.refusals.clear()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#many")).to_be_hidden()
    page.evaluate("new Promise((later) => setTimeout(later, 50))")  # what was sent has ended
    expect(status(page)).to_have_text("")
    page.locator("#files").set_input_files(tmp_path / "1.jpg")
    expect(page.locator("#classes li")).to_have_count(5)


def test_a_table_that_is_cleared_while_photos_are_added_stays_empty(page: Page, gate: Gate) -> None:
    ready(page)
    rows = page.evaluate(
        """async () => {
          const turn = () => new Promise((later) => setTimeout(later));
          const dataTransfer = new DataTransfer();
          for (let number = 0; number < 2000; number++)
            dataTransfer.items.add(new File(["no image"], `${number}.jpg`));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
          const rows = document.getElementById("rows").children;
          while (!rows.length) await turn();
          document.getElementById("clear").click();
          for (let turns = 0; turns < 20; turns++) await turn();
          return rows.length;
        }"""
    )
    assert rows == 0
    assert not any(path == "/v1/classify" for path, _ in gate.asked)


@pytest.mark.parametrize("refused", [404, 421])
def test_what_would_be_refused_for_every_photo_ends_it(
    page: Page, gate: Gate, tmp_path: Path, refused: int
) -> None:
    ready(page)
    # More than there are photos: what 421 refuses, Chromium asks once more by itself.
    gate.refusals += [(refused, {}, "It is refused.")] * 100
    page.locator("#files").set_input_files([write_photo(tmp_path / f"{n}.jpg") for n in range(40)])
    expect(page.locator("#problem")).to_have_text("It is refused.")
    expect(status(page)).to_have_text(re.compile("^Stopped: "))


def test_the_camera_is_used_and_released(page: Page) -> None:
    ready(page)
    button = page.get_by_role("button", name="Take photo")
    expect(button).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")
    take = page.get_by_role("button", name="Take the photo")
    expect(take).to_be_focused()
    check_named(page)
    page.locator("#video:not([width])").evaluate(
        "(video) => video.videoWidth || new Promise((yes) => (video.onloadeddata = yes))"
    )
    page.evaluate("window.track = document.getElementById('video').srcObject.getTracks()[0]")
    page.keyboard.press("Enter")
    expect(page.locator("#classes li")).to_have_count(5)
    assert page.evaluate("document.getElementById('video').srcObject") is None
    assert page.evaluate("window.track.readyState") == "ended"
    expect(button).to_be_focused()


def test_a_keyboard_suffices(page: Page, folder: Path) -> None:
    ready(page)
    expect(page.get_by_role("button", name="Take photo")).to_be_visible()
    page.keyboard.press("Tab")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(sorted(folder.rglob("*.jpg")))
    ended(page, "12 photos answered.")
    order = [focused(page)]
    while order[-1] != "its description":
        page.keyboard.press("Tab")
        order.append(focused(page))
    rows = page.locator("#rows button").all_text_contents()
    assert order == [
        "Choose photos", "Choose folder", "Take photo", "model", "About this model",
        "errors-only", "Save as CSV", "Clear", "Photo", "Most probable", "Probability",
        rows[0], "the API", "its description",
    ]  # fmt: skip
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    assert focused(page) == rows[1]
    page.keyboard.press("Enter")
    expect(page.locator("#rows .more li")).to_have_count(5)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#rows .more")).to_have_count(0)
    outline = "getComputedStyle(document.activeElement, '::before').outlineStyle"
    assert page.evaluate(outline) == "solid"


def focused(page: Page) -> str:
    shown: str = page.evaluate("""() => {
        const { id, innerText, nodeName } = document.activeElement;
        return ["SELECT", "INPUT"].includes(nodeName) ? id : innerText;
    }""")
    return shown


@pytest.mark.parametrize(
    "context",
    [{"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}],
    indirect=True,
)
def test_a_phones_screen_suffices(page: Page, folder: Path, tmp_path: Path, gate: Gate) -> None:
    ready(page)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 360
    expect(page.get_by_text("Choose photos or take one.")).to_be_visible()
    expect(page.locator("#card")).not_to_be_visible()  # until it is asked for
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take photo").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files(write_photo(tmp_path / "photo.jpg"))
    expect(page.locator("#classes li")).to_have_count(5)
    assert page.evaluate(width) == 360
    bad = tmp_path / ("a_long_name_without_a_place_to_break" * 3 + ".jpg")
    bad.write_bytes(b"none")
    page.locator("#files").set_input_files([*sorted(folder.rglob("*.jpg")), bad])
    ended(page, "13 photos answered; 1 could not be classified.")
    page.locator("#rows button").first.tap()
    expect(page.locator("#rows .more li")).to_have_count(5)
    assert page.evaluate(width) == 360
    cut = "(all) => all.filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.innerText)"
    assert page.locator("th.path, td.label, td.percent").evaluate_all(cut) == []
    smallest = """[...document.querySelectorAll('button, select, summary')]
        .filter((it) => it.checkVisibility() && !it.closest('tr'))
        .map((it) => it.getBoundingClientRect().height)"""
    assert min(page.evaluate(smallest)) >= 36


def test_everything_has_a_name_for_screen_readers(page: Page, folder: Path) -> None:
    ready(page)
    check_named(page)
    page.locator("#folder").set_input_files(folder)
    ended(page, "13 photos answered.")
    check_named(page)
    found = names(page)
    assert {
        ("heading", "What is in the photo?"),
        ("combobox", "Which model classifies"),
        ("table", "13 photos by default"),
        ("columnheader", "Probability"),
        ("checkbox", "Errors only"),
    } <= set(found)
    assert sum(role == "rowheader" for role, _ in found) == 13
    assert {"status", "alert", "main", "banner", "contentinfo"} <= {role for role, _ in found}


def test_the_model_is_described(page: Page, model: Model) -> None:
    ready(page)
    told = page.locator("#card dt").all_text_contents()
    facts = dict(zip(told, page.locator("#card dd").all_text_contents(), strict=True))
    card = model.card
    assert card.accuracy
    assert facts == {
        "Weights": card.name,
        "Network": card.network.name,
        "Classes": "200",
        "Parameters": f"{cost(card.network).parameters:,}",
        "Sees photos at": "80 \N{MULTIPLICATION SIGN} 80 pixels",
        "Trained on": card.origin.data,
        "Accuracy": f"{card.accuracy.top1_percent:.1f}% ({card.accuracy.top1:,}) of 5,000 images, "
        f"top five {card.accuracy.top5_percent:.1f}% ({card.accuracy.top5:,})",
        "License": card.origin.licence,
        "Computed by": "onnxruntime",
    }


def test_thousands_of_photos_are_no_burden(page: Page, gate: Gate) -> None:
    ready(page)
    gate.answer = {"predictions": [{"index": 1, "label": "cat", "probability": 0.75}]}
    page.evaluate(
        """(bytes) => {
          const dataTransfer = new DataTransfer();
          for (let number = 0; number < 2000; number++)
            dataTransfer.items.add(new File([new Uint8Array(bytes)], `${number}.jpg`));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
        }""",
        list(jpeg(1, 32, 32)),
    )
    ended(page, "2,000 photos answered.")
    expect(page.locator("#rows tr.answered")).to_have_count(2000)
    images = "document.querySelectorAll('#rows img[src]').length"
    assert 0 < page.evaluate(images) < 60  # only of what is seen
    page.evaluate("document.querySelector('#rows').lastElementChild.scrollIntoView()")
    expect(page.locator("#rows img").last).to_have_attribute("src", re.compile("^blob:"))
    assert page.evaluate(images) < 60


def test_the_files_are_kept_by_tag_and_by_themselves(model: Model) -> None:
    client = TestClient(make_app({"default": model}))
    page = client.get("/")
    scripts = re.findall(r'(?:src|href)="([\w/.]+\.(?:js|css|svg))"', page.text)
    assert "page.js" in scripts
    assert len(scripts) > 8
    for path in ["", "favicon.ico", *scripts]:
        answer = client.get(f"/{path}")
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-cache"
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Permissions-Policy"].startswith("camera=(self)")
        tag = answer.headers["ETag"]
        again = client.get(f"/{path}", headers={"If-None-Match": f'"other", W/{tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(f"/{path}", headers={"If-None-Match": '"other"'}).status_code == 200
        assert client.head(f"/{path}").headers["ETag"] == tag
    imported = {
        name for path in scripts if path.endswith(".js")
        for name in re.findall(r'from "\./(?:parts/)?([\w.]+)"', client.get(f"/{path}").text)
    }  # fmt: skip
    assert imported == {path.removeprefix("parts/") for path in scripts if "parts/" in path}
