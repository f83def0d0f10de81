r"""Take pictures of the service's page in headless Chromium: one for the docs, others to look at.

    pip install --no-deps --target build/photos scikit-image==0.26.0
    npm install --prefix build/font @fontsource/inter@5.3.0; pip install fonttools brotli
    python tools/make_serve_pictures.py build/photos/skimage/data \
        --model imagenet=shufflenet_v2_x1_0.onnx_zoo_12_int8 --model default \
        --fonts build/font/node_modules/@fontsource/inter/files --to docs/serve-page.png
    python tools/make_serve_pictures.py build/photos/skimage/data --all FOLDER

``docs/serve-page.png`` was made so. The photos are the cat, the coffee and the rocket of
scikit-image, CC0, and NASA's astronaut, in the public domain:
https://scikit-image.org/docs/stable/api/skimage.data.html. The page has the font of whoever looks
at it; the picture has Inter (SIL Open Font License 1.1).
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import uvicorn
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shufflenet.serve import make_app

PHOTOS = ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png")
DESKTOP = {"viewport": {"width": 1000, "height": 770}}
PHONE = {
    "viewport": {"width": 360, "height": 720},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
LARGEST_BYTES = 200_000
MARGIN_PX, EDGE_PX = 28, 1
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><dir>/usr/share/fonts</dir><cachedir>{cache}</cachedir>
<alias binding="strong"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>"""
GROUND, EDGE = (231, 229, 224), (190, 188, 182)


@contextlib.contextmanager
def serving(models: list[str], token: str | None = None) -> Iterator[str]:
    """Serve models on a free port, and yield the address."""
    server = uvicorn.Server(
        uvicorn.Config(make_app(models, token=token), port=0, log_level="error")
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@contextlib.contextmanager
def opened(
    browser: Browser, address: str, device: Mapping[str, object], scheme: str
) -> Iterator[Page]:
    """Open the page on a device, and yield it when the service has told its models."""
    context = browser.new_context(**device, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def ready(page: Page) -> None:
    """Wait until photos can be chosen."""
    expect(page.locator("#status")).to_have_text(re.compile("^Ready"))


def choose(page: Page, paths: list[Path]) -> None:
    """Choose photos, and wait for the answers."""
    page.locator("#files").set_input_files(paths)
    expect(page.locator("#status")).to_have_text(re.compile("nswered"))


def show_table(page: Page) -> None:
    """Scroll to the table, and wait for its photos."""
    page.locator("#many").evaluate("(it) => scrollBy(0, it.getBoundingClientRect().top - 16)")
    expect(page.locator("#rows img").first).to_be_visible()
    page.wait_for_timeout(500)


def taken(page: Page, path: Path) -> Image.Image:
    """Take a picture of what is seen, and keep it as a file."""
    page.screenshot(path=path)
    return Image.open(path).convert("RGB")


def for_docs(browser: Browser, address: str, photos: list[Path], folder: Path) -> Image.Image:
    """Return the page on a desktop, one photo, and beside it on a phone, several, dark."""
    with opened(browser, address, DESKTOP, "light") as page:
        ready(page)
        for _ in range(2):  # the first photo of a format loads what decodes it
            choose(page, photos[:1])
        desktop = taken(page, folder / "docs-desktop.png")
    with opened(browser, address, PHONE, "dark") as page:
        ready(page)
        choose(page, photos)
        show_table(page)
        phone = taken(page, folder / "docs-phone.png")
    phone = phone.resize((desktop.height * phone.width // phone.height, desktop.height))
    desktop, phone = framed(desktop), framed(phone)
    size = (desktop.width + phone.width + 3 * MARGIN_PX, desktop.height + 2 * MARGIN_PX)
    picture = Image.new("RGB", size, GROUND)
    picture.paste(desktop, (MARGIN_PX, MARGIN_PX))
    picture.paste(phone, (desktop.width + 2 * MARGIN_PX, MARGIN_PX))
    return picture


def framed(picture: Image.Image) -> Image.Image:
    """Return a picture with a thin edge."""
    size = (picture.width + 2 * EDGE_PX, picture.height + 2 * EDGE_PX)
    frame = Image.new("RGB", size, EDGE)
    frame.paste(picture, (EDGE_PX, EDGE_PX))
    return frame


def write(picture: Image.Image, path: Path) -> None:
    """Write a picture of 256 colors, which must not be too large for the docs."""
    palette = picture.quantize(256)
    picture.quantize(palette=palette).save(path, optimize=True)  # which dithers
    if path.stat().st_size > LARGEST_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {LARGEST_BYTES}.")
    print(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size} bytes")


def take_all(browser: Browser, address: str, photos: list[Path], folder: Path) -> None:
    """Take pictures of each state, on a desktop and a phone, light and dark."""
    for name, device in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            with opened(browser, address, device, scheme) as page:
                ready(page)
                taken(page, folder / f"{name}-{scheme}-1-begin.png")
                choose(page, photos[:1])
                taken(page, folder / f"{name}-{scheme}-2-one.png")
                page.locator("#files").set_input_files(photos[-1])
                expect(page.locator("#problem")).not_to_have_text("")
                taken(page, folder / f"{name}-{scheme}-3-problem.png")
                choose(page, photos)
                taken(page, folder / f"{name}-{scheme}-4-many.png")
                page.locator("#rows button").first.click()
                show_table(page)
                taken(page, folder / f"{name}-{scheme}-5-rows.png")


def take_token(browser: Browser, address: str, folder: Path) -> None:
    """Take pictures of the form that asks for a token."""
    for name, device, scheme in (("desktop", DESKTOP, "dark"), ("phone", PHONE, "light")):
        with opened(browser, address, device, scheme) as page:
            page.get_by_role("textbox", name="Token").fill("not the token of it")
            page.get_by_role("button", name="Continue").click()
            expect(page.locator("#token-told")).not_to_have_text("")
            taken(page, folder / f"{name}-{scheme}-6-token.png")


def fonts_of(fonts: Path, folder: Path) -> dict[str, str | float | bool]:
    """Return an environment in which ``system-ui`` is Inter, whose files a folder has as WOFF2."""
    converted = folder / "fonts"
    converted.mkdir()
    for weight in (400, 600, 700):
        font = TTFont(fonts / f"inter-latin-{weight}-normal.woff2")
        font.flavor = None  # the browser takes no WOFF2 from the system
        font.save(converted / f"{weight}.ttf")
    path = folder / "fonts.conf"
    path.write_text(FONTS.format(fonts=converted, cache=folder / "kept"))
    return {**os.environ, "FONTCONFIG_FILE": str(path)}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="the folder of scikit-image's photos")
    parser.add_argument("--model", action="append", help="models to serve (default: default)")
    parser.add_argument("--to", type=Path, help="the picture for the docs")
    parser.add_argument("--fonts", type=Path, help="a folder with Inter, for the page's font")
    parser.add_argument("--all", type=Path, help="a folder for pictures of every state")
    args = parser.parse_args()
    models = args.model or ["default"]
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = args.all or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bad = Path(temporary, "notes.jpg")
        bad.write_bytes(b"no image")
        photos = [*(args.photos / name for name in PHOTOS), bad]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--use-fake-device-for-media-stream"],
            env=fonts_of(args.fonts, Path(temporary)) if args.fonts else None,
        )
        with serving(models) as address:
            if args.to:
                write(for_docs(browser, address, photos, folder), args.to)
            if args.all:
                take_all(browser, address, photos, folder)
        if args.all:
            with serving(models, "the token of this service") as address:
                take_token(browser, address, folder)
        browser.close()


if __name__ == "__main__":
    main()
