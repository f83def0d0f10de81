"""How large the report's page of many answers is, and how long Chromium takes to open it.

    pip install -e '.[dev]'
    python benchmarks/report_page.py

The answers are made up: 1,000 classes, 50 images each, every photo the same noise of 160 px. A page
is open when it was loaded and two frames of it were drawn, by its own clock, which begins with the
navigation; of five loads, each in a context of its own, the median. What is printed is written
beside this script as JSON. Measured on two cores that were busy with other work.
"""

import json
import shutil
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from shufflenet.analyze import suspects
from shufflenet.report.page import Subject, draw_page

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from answered import answered

IMAGES = 50
LOADS = 5
DRAWN = (
    "new Promise((done) => requestAnimationFrame("
    "() => requestAnimationFrame(() => done(performance.now()))))"
)


def subject(classes: int, folder: Path) -> Subject:
    """Return answers that are made up, with a photo for each, and a second model's."""
    answers = answered([f"class {at}, also called so" for at in range(classes)], IMAGES)
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    photo = folder / "photo.png"
    Image.fromarray(noise).save(photo)
    samples = tuple(replace(each, path=str(photo)) for each in answers.samples)
    answers = replace(answers, samples=samples)
    return Subject(
        answers=answers,
        heat=lambda sample, index: Image.open(photo),
        suspects=suspects(answers, len(answers)),
        duplicates=(),
        leaked=(),
        other=answers,
    )


def opened(path: Path) -> list[float]:
    """Return the seconds that a page takes to open, of several loads."""
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(LOADS):
            context = browser.new_context(viewport={"width": 1200, "height": 900})
            page = context.new_page()
            page.goto(path.as_uri())
            seconds.append(page.evaluate(DRAWN) / 1000)
            context.close()
        browser.close()
    return seconds


def main() -> None:
    """Draw pages and open them; print and write the table."""
    rows = []
    for classes in (10, 200, 1000):
        with TemporaryDirectory() as temporary:
            about = subject(classes, Path(temporary))
            begin = time.perf_counter()
            page = draw_page(about)
            drawn = time.perf_counter() - begin
            path = Path(temporary, "index.html")
            path.write_bytes(page)
            seconds = opened(path)
        rows.append({
            "classes": classes,
            "answers": classes * IMAGES,
            "megabytes": round(len(page) / 1e6, 2),
            "drawn_s": round(drawn, 1),
            "open_s": round(statistics.median(seconds), 2),
            "open_s_all": [round(each, 2) for each in seconds],
        })  # fmt: skip
        print(rows[-1])
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
