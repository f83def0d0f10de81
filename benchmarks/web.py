"""How fast compiled networks are in a browser, beside onnxruntime-web, and how soon a page answers.

    pip install -e '.[compile,torch,quantize]'
    python benchmarks/web.py

needs ``npm``, which fetches onnxruntime-web, and Chromium (``--browser``). V2 1.0 for images of 80
and 224 px, one thread: onnxruntime-web's ``wasm`` backend computes the same float32 file that is
compiled. All take turns in one page, in short blocks, of which the fastest call counts, and beside
it, on Linux, the processor time of the block, which other programs change less; logits are compared
before anything is timed. Then the page that ``shufflenet compile --target web`` writes is
opened by browsers that never saw it, from this machine: the time from its address to the answer
about a photo. Medians, quartiles and ratios are printed, and written beside this script as JSON.
"""

import argparse
import functools
import json
import platform
import shutil
import subprocess
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import numpy.typing as npt
from contenders import OURS, Networks, quantise_as_ours
from PIL import Image

from shufflenet.compile import compile_network
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import FLOAT32_TOLERANCE
from shufflenet.zoo import SHIPPED

ORT = "onnxruntime-web@1.30.0"
NAME = "shufflenet_v2_x1_0"
ROUNDS, BLOCK_MS = 15, 100
PAGES = 5
LIMIT_S = 500.0
SWITCHES = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip
ORT_FILE = "onnxruntime-web, float32"


def networks(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return V2 1.0 in float32 and in int8, by what the images measure, px.

    Raises:
        SystemExit: no model ships.
    """
    if SHIPPED.onnx is None:
        raise SystemExit("no model ships in this checkout")
    files = {"80": SHIPPED.onnx, "224": Networks(folder).file(NAME, OURS, "float32")}
    pairs = {}
    for side, source in files.items():
        pairs[side] = source, folder / f"{side}.int8.onnx"
        quantise_as_ours(*pairs[side])
    return pairs


def write_files(folder: Path, side: str, pair: tuple[Path, Path]) -> dict[str, Any]:
    """Compile a network in every way, and return what the page is to do with the files."""
    image = np.random.default_rng(0).standard_normal((1, 3, int(side), int(side)), np.float32)
    (folder / f"{side}.image").write_bytes(image.tobytes())
    ways = []
    for precision, source in zip(("float32", "int8"), pair, strict=True):
        expected = OnnxClassifier(source, threads=1).logits(image)
        for what, target in (("baseline", "wasm32"), ("relaxed SIMD", "wasm32-relaxed")):
            file = folder / f"{side}.{precision}.{target}.wasm"
            compile_network(source, file, target)
            ways.append((f"ours, {precision}, {what}", file, expected))
    shutil.copy(pair[0], folder / f"{side}.onnx")
    ways.append((ORT_FILE, folder / f"{side}.onnx", OnnxClassifier(pair[0]).logits(image)))
    files = [{"title": t, "file": f.name, "logits": logits[0].tolist()} for t, f, logits in ways]
    return {"image": f"{side}.image", "side": int(side), "ways": files}


def visit(browser: str, address: str, results: "Queue[Any]") -> Any:  # noqa: ANN401  # it is JSON
    """Open a page in a browser that never saw it, and return what it sends when it is done.

    Raises:
        SystemExit: the page failed.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *SWITCHES, f"--user-data-dir={profile}", address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            result = results.get(timeout=LIMIT_S)
        finally:
            process.terminate()
            process.wait()
    if "error" in result:
        raise SystemExit(f"The page failed: {result['error']}")
    return result


def used_ms() -> float | None:
    """Return the processor time of this machine's browser pages, ms; None where Linux is not."""
    total, found = 0, False
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (process / "cmdline").read_bytes():
                found = True
                for each in process.glob("task/*/schedstat"):
                    total += int(each.read_text().split()[0])
        except OSError:
            continue  # it ended
    return total / 1e6 if found else None


def serve(folder: Path, results: "Queue[Any]") -> ThreadingHTTPServer:
    """Serve a folder; what pages post is put into a queue."""

    class Handler(SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.path == "/used":
                content = json.dumps(used_ms()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            length = int(self.headers["Content-Length"])
            results.put(json.loads(self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def end_headers(self) -> None:
            # Pages that are isolated measure time to 5 us, others to 100.
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def quartiles(values: npt.NDArray[np.float64], digits: int) -> list[float]:
    """Return the first quartile, the median and the third quartile."""
    return [round(float(x), digits) for x in np.quantile(values, (0.25, 0.5, 0.75))]


def table(measured: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return times, and how many times longer onnxruntime-web took in the same round.

    Raises:
        SystemExit: a float32 network computes other logits.
    """
    theirs = np.array(measured[ORT_FILE]["ms"])
    rows = {}
    for title, each in measured.items():
        if "float32" in title and each["difference"] > FLOAT32_TOLERANCE:
            raise SystemExit(f"{title} computes other logits: {each['difference']:.1e}")
        ms = np.array(each["ms"])
        rows[title] = {"ms": quartiles(ms, 2), "onnxruntime-web / it": quartiles(theirs / ms, 2)}
        if None not in each["processor"]:
            used = np.array(each["processor"])
            ratio = np.array(measured[ORT_FILE]["processor"]) / used
            rows[title] |= {
                "processor ms": quartiles(used, 2),
                "onnxruntime-web / it, processor": quartiles(ratio, 2),
            }
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", default=shutil.which("chromium") or "google-chrome")
    browser = parser.parse_args().browser
    with tempfile.TemporaryDirectory() as name:
        folder, results = Path(name), Queue[Any]()
        install = ["npm", "install", "--silent", "--no-audit", "--prefix", name, ORT]
        subprocess.run(install, check=True)
        shutil.copy(Path(__file__).with_suffix(".html"), folder / "run.html")
        pairs = networks(folder)
        plan = {side: write_files(folder, side, pair) for side, pair in pairs.items()}
        settings = {"rounds": ROUNDS, "blockMs": BLOCK_MS, "sizes": plan}
        (folder / "plan.json").write_text(json.dumps(settings))
        compile_network(pairs["80"][0], folder / "site", "web")
        photo = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
        Image.fromarray(photo).save(folder / "photo.jpg")
        origin = f"http://127.0.0.1:{serve(folder, results).server_port}"
        measured = visit(browser, f"{origin}/run.html", results)
        pages = [visit(browser, f"{origin}/run.html?page", results) for _ in range(PAGES)]
    program = [browser, "--version"]
    result = {
        "machine": platform.processor() or platform.machine(),
        "browser": subprocess.run(program, capture_output=True, text=True).stdout.strip(),
        "beside": ORT,
        "what": "one image, one thread, ms: first quartile, median, third quartile",
        "rows": {f"{side} px": table(measured[side]) for side in measured},
        "page to first answer, cold, s": sorted(round(each["ms"] / 1000, 3) for each in pages),
    }
    text = json.dumps(result, indent=1)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
