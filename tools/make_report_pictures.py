"""Take the pictures of docs/report.md of two reports, in headless Chromium.

    shufflenet report --data tiny-imagenet-200.val.tar.gz --to build/report
    python benchmarks/digits.py --keep build/digits
    shufflenet report --data build/digits/test --model build/digits/run --to build/of-digits
    python tools/make_report_pictures.py build/report build/of-digits

The pictures in ``docs`` were made so. Those with photos are of the second report, since the digits
(E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository) are free to be shown, CC BY 4.0. They have 256 colors and less than 200 kB each.
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parents[1] / "docs"
DESKTOP = {"width": 1000, "height": 900}
PHONE = {"width": 360, "height": 780}
LARGEST_BYTES = 200_000
MARGIN_PX = 24
GROUND = (231, 229, 224)


def taken(page: Page, selector: str) -> Image.Image:
    """Return a picture of an element."""
    return Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Return pictures beside each other, of one height."""
    height = min(each.height for each in pictures)
    scaled = [each.resize((each.width * height // each.height, height)) for each in pictures]
    width = sum(each.width + MARGIN_PX for each in scaled) + MARGIN_PX
    whole = Image.new("RGB", (width, height + 2 * MARGIN_PX), GROUND)
    at = MARGIN_PX
    for each in scaled:
        whole.paste(each, (at, MARGIN_PX))
        at += each.width + MARGIN_PX
    return whole


def write(picture: Image.Image, name: str) -> None:
    """Write a picture of 256 colors, which must not be too large for the docs."""
    path = DOCS / name
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LARGEST_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {LARGEST_BYTES}.")
    print(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size} bytes")


def matrix(page: Page) -> Image.Image:
    """Return the confusion matrix, and beside it the part around the most frequent error."""
    whole = taken(page, "#matrix canvas")
    page.locator("#matrix canvas").focus()
    for key in ("Enter", "+", "+"):
        page.keyboard.press(key)
    page.locator("#matrix canvas").blur()
    return beside([whole, taken(page, "#matrix canvas")])


def errors(page: Page) -> Image.Image:
    """Return the first three photos that are answered wrongly."""
    return beside([taken(page, f"#errors > .photos > li:nth-child({at})") for at in (1, 2, 3)])


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path, help="the folder of a report")
    parser.add_argument("of_digits", type=Path, help="the folder of the report with photos")
    args = parser.parse_args()
    address, of_digits = (
        (folder / "index.html").resolve().as_uri() for folder in (args.report, args.of_digits)
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type]
        page.goto(address)
        write(matrix(page), "report-matrix.png")
        page.goto(of_digits)
        write(errors(page), "report-errors.png")
        page.goto(address)
        desktop = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        phone = browser.new_page(viewport=PHONE, color_scheme="dark", device_scale_factor=2)  # type: ignore[arg-type]
        phone.goto(f"{address}#reliability")
        shown = Image.open(io.BytesIO(phone.screenshot())).convert("RGB")
        write(beside([desktop, shown]), "report-page.png")
        browser.close()


if __name__ == "__main__":
    main()
