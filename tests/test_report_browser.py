"""The report's page in headless Chromium, opened as a file: what it shows, and how it is used."""

import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright")

from playwright.sync_api import Browser, Page, expect, sync_playwright

from answered import HOSTILE, answered
from found_boxes import found_boxes
from shufflenet.analyze import Duplicate, Suspect
from shufflenet.report.page import Subject, write_report

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_PHONE, _DESKTOP = {"width": 360, "height": 740}, {"width": 1200, "height": 900}
_MATRIX = "#matrix canvas"

expect.set_options(timeout=60_000)  # a page that takes longer hangs


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not _CHROMIUM:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Write reports of 8 and of 40 classes, some of which have hostile names, and of boxes (0)."""
    folder = tmp_path_factory.mktemp("boxes")
    boxes = found_boxes([*(f"class {at}" for at in range(24)), *HOSTILE], 40, folder, HOSTILE)
    addresses = {0: write_report(folder / "report", boxes).as_uri()}
    for count in (8, 40):
        folder = tmp_path_factory.mktemp("photos")
        labels = [*(f"class {at}" for at in range(count - len(HOSTILE))), *HOSTILE]
        answers = answered(labels, 12, folder)
        noise = np.random.default_rng(5).normal(0, 2, answers.logits.shape).astype(np.float32)
        other = replace(answers, logits=answers.logits + noise)
        twins = [Duplicate(answers.samples[1], answers.samples[0], 0.99, 0.99)]
        epochs = [
            {"epoch": at, "loss": 1 / at, "top1": at, "top5": 9, "images": 9} for at in (1, 2)
        ]
        subject = Subject(
            answers, _heat, [Suspect(0, 0, 1, 0.1, 0.9, True)], twins, HOSTILE[1], other,
            epochs, HOSTILE,
        )  # fmt: skip
        addresses[count] = write_report(folder / "report", subject).as_uri()
    return addresses


def _heat(sample: object, index: int) -> Image.Image:
    return Image.new("RGB", (20, 20), "orange")


@pytest.fixture(
    params=[(8, "light"), (40, "light"), (40, "dark"), (0, "light"), (0, "dark")], ids=str
)
def opened(
    request: pytest.FixtureRequest, browser: Browser, reports: dict[int, str]
) -> Iterator[Page]:
    count, scheme = request.param
    yield from _open(browser, reports[count], {"color_scheme": scheme, "viewport": _DESKTOP})


@pytest.fixture
def page(browser: Browser, reports: dict[int, str]) -> Iterator[Page]:
    """Open the report of 40 classes."""
    yield from _open(browser, reports[40], {"viewport": _DESKTOP})


def _open(browser: Browser, address: str, device: dict[str, Any]) -> Iterator[Page]:
    """Open a page; at the end, nothing was asked of others and the browser has no complaint."""
    context = browser.new_context(**device)
    asked: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(address)
    yield page
    assert page.title() in (
        "Which images go wrong",
        "Which boxes go wrong",
    )  # no label's script ran
    assert not complaints
    assert [url for url in asked if not url.startswith("data:")] == [address]
    context.close()


def told(page: Page) -> str:
    return page.locator("#matrix-told").text_content() or ""


def test_the_page_is_drawn_without_a_complaint(opened: Page) -> None:
    errors = re.compile("Errors made most confidently|Largest boxes that are missed")
    expect(opened.get_by_role("heading", name=errors)).to_be_visible()
    broken = opened.evaluate(
        "[...document.images].filter((each) => each.complete && !each.naturalWidth).length"
    )
    assert broken == 0
    assert opened.evaluate("document.images.length") > 20


@pytest.mark.parametrize("count", [0, 8, 40])
@pytest.mark.parametrize("viewport", [_PHONE, _DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_screen(
    browser: Browser, reports: dict[int, str], count: int, viewport: dict[str, int]
) -> None:
    for page in _open(browser, reports[count], {"viewport": viewport}):
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        wide = page.evaluate(
            "[...document.querySelectorAll('main > section > *, li, .chart, canvas')]"
            ".filter((each) => each.getBoundingClientRect().right > innerWidth + 1)"
            ".map((each) => each.outerHTML.slice(0, 80))"
        )
        assert wide == []
        small = page.evaluate(
            "[...document.querySelectorAll('.chart text')].filter((each) => {"
            " const { width, height } = each.getBoundingClientRect();"
            " return width && Math.min(width, height) < 5; }).length"
        )
        assert small == 0


def test_what_is_under_the_pointer_is_told(page: Page) -> None:
    matrix = page.locator(_MATRIX)
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    assert box
    for at in range(40):  # on the diagonal, where every class has an answer near
        page.mouse.move(box["x"] + (at + 0.5) * box["width"] / 40, box["y"] + 40)
        if "None" not in told(page) and "Point" not in told(page):
            break
    assert re.fullmatch(
        r"\d+ of 12 images of “class \d+” answered (right|“.*”) \(\d+ %\)\..*", told(page)
    )


def test_a_finger_asks_what_a_cell_counts(browser: Browser, reports: dict[int, str]) -> None:
    device = {"viewport": _PHONE, "has_touch": True, "is_mobile": True}
    for page in _open(browser, reports[40], device):
        page.locator(_MATRIX).tap(position={"x": 100, "y": 100})
        assert "12 images of “" in told(page)


def test_the_keyboard_goes_from_error_to_error_and_from_cell_to_cell(page: Page) -> None:
    page.locator(_MATRIX).focus()
    page.keyboard.press("Enter")
    first = told(page)
    counts = [int(first.split()[0])]
    assert re.fullmatch(r"\d+ of 12 images of “.*” answered “.*” \(\d+ %\)\.", first)
    for _ in range(5):
        page.keyboard.press("Enter")
        counts.append(int(told(page).split()[0]))
    assert counts == sorted(counts, reverse=True)
    for _ in range(5):
        page.keyboard.press("Shift+Enter")
    assert told(page) == first
    page.keyboard.press("ArrowRight")
    second = told(page)
    page.keyboard.press("ArrowDown")
    assert len({first, second, told(page)}) == 3
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert told(page) == first


def test_a_class_is_found_and_shown_closer(page: Page) -> None:
    field = page.get_by_role("combobox", name="Find a class")
    field.fill("class 17")
    field.press("Tab")
    expect(page.locator("#matrix-told")).to_have_text(
        re.compile("of 12 images of “class 17” answered right")
    )
    before = page.locator(_MATRIX).screenshot()
    page.get_by_role("button", name="All").click()
    assert page.locator(_MATRIX).screenshot() != before
    field.fill("no such class")
    field.press("Tab")
    expect(page.locator("#matrix-told")).to_have_text("No class is called so.")


def test_what_is_closer_is_dragged(page: Page) -> None:
    matrix = page.locator(_MATRIX)
    for _ in range(2):
        page.get_by_role("button", name="Closer").click()
    matrix.scroll_into_view_if_needed()
    before, box = matrix.screenshot(), matrix.bounding_box()
    assert box
    page.mouse.move(box["x"] + 500, box["y"] + 500)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.up()
    assert matrix.screenshot() != before


def test_the_colors_are_those_of_the_scheme_and_paper_is_light(page: Page) -> None:
    def ground() -> int:
        picture = Image.open(io.BytesIO(page.locator(_MATRIX).screenshot()))
        return int(np.asarray(picture.convert("L"))[20, 20])

    page.get_by_role("button", name="Closer").click()  # beside the names is nothing but paper
    page.mouse.move(0, 0)
    assert ground() > 200
    page.emulate_media(color_scheme="dark")
    assert ground() < 60
    page.emulate_media(media="print")
    assert ground() > 200


def test_tables_are_sorted_and_filtered(page: Page) -> None:
    table = page.locator("#class-table")
    accuracies = (
        "[...document.querySelectorAll('#class-table tbody tr')]"
        ".map((row) => +row.cells[1].dataset.value)"
    )
    rising = page.evaluate(accuracies)
    assert rising == sorted(rising)
    header = table.get_by_role("columnheader", name="Accuracy")
    header.get_by_role("button").click()
    header.get_by_role("button").click()
    assert page.evaluate(accuracies) == sorted(rising, reverse=True)
    assert header.get_attribute("aria-sort") == "descending"
    page.get_by_role("searchbox", name="Show classes called").fill("class 17")
    assert table.locator("tbody tr:visible").count() == 1


def test_classes_of_boxes_are_sorted_and_filtered(
    browser: Browser, reports: dict[int, str]
) -> None:
    for page in _open(browser, reports[0], {"viewport": _DESKTOP}):
        table = page.locator("#class-table")
        boxes = table.get_by_role("columnheader", name="Wrong")
        boxes.get_by_role("button").click()
        wrong = [int(each) for each in table.locator("tbody tr td:last-child").all_text_contents()]
        assert wrong == sorted(wrong)
        page.get_by_role("searchbox", name="Show classes called").fill("class 17")
        assert table.locator("tbody tr:visible").count() == 1


def test_all_that_is_used_is_reached_by_tab(page: Page) -> None:
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.dataset.do ?? document.activeElement.tagName")
        )
    assert {"A", "closer", "wider", "whole", "find", "CANVAS", "BUTTON"} <= reached


def test_every_picture_and_control_has_a_name(page: Page) -> None:
    tree = page.evaluate(
        "[...document.querySelectorAll('img, svg, canvas, button, input')].filter((each) =>"
        " !(each.alt || each.getAttribute('aria-label') || each.textContent.trim()"
        " || each.labels?.length)).map((each) => each.outerHTML.slice(0, 90))"
    )
    assert tree == []
