"""``shufflenet serve`` as a user types it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from conftest import Run
from services import PATIENCE
from serving import picture
from shufflenet import cli
from shufflenet.cli._serve import _limits  # no server is started for each option
from shufflenet.serve import ConnectionLimits, Limits
from shufflenet.serve.process._listen import listen
from shufflenet.zoo import SHIPPED

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs signals as POSIX has them")


@contextmanager
def served(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "shufflenet", "serve", "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def post(url: str, content: bytes, **headers: str) -> dict[str, object]:
    request = urllib.request.Request(url, content, headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # ours
        value: dict[str, object] = json.load(answer)
    return value


@POSIX
@pytest.mark.parametrize("workers", [1, 2])
def test_it_answers_as_predict_does_and_ends_by_a_signal(
    workers: int, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    expected = json.loads(run("predict", path, "--json", "--runtime", "onnxruntime")[1])
    token = tmp_path / "token"
    token.write_text("a-token-of-16-characters\n")
    token.chmod(0o600)
    arguments = ("--runtime", "onnxruntime", "--workers", workers, "--threads", 1, "--log", "json")
    models = ("--model", "default", f"again={SHIPPED.onnx}", "--token-file", token)
    with served(*arguments, *models, "--json") as process:
        assert process.stdout
        started = json.loads(process.stdout.readline())
        assert started.pop("url").startswith("http://127.0.0.1:")
        assert started == {"models": ["default", "again"], "workers": workers, "threads": 1}
    with served(*arguments, *models) as process:
        assert process.stdout
        assert process.stderr
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0].startswith(
            "default: shufflenet_v2_x1_0.tiny_imagenet_200, 200 classes, by "
        )
        found = re.match(r"Answering at (http://127\.0\.0\.1:[0-9]+)( by 2 workers)?\.", lines[2])
        assert found
        for name in ("default", "again"):
            url = f"{found[1]}/v1/classify?model={name}"
            answer = post(url, picture(), Authorization="Bearer a-token-of-16-characters")
            assert answer == {**expected, "path": "-"}
        process.terminate()
        assert process.wait(PATIENCE) == 0
        logged = [json.loads(line) for line in process.stderr]
        assert [entry["model"] for entry in logged] == ["default", "again"]


def counted(url: str) -> dict[str, float]:
    """Return the metrics that have a value, by their names with labels; nothing while it fails."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=PATIENCE) as answer:  # ours
            lines = answer.read().decode().splitlines()
    except OSError:  # a worker that is killed leaves those who asked it
        return {}
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def until_counted(url: str, name: str, value: float) -> bool:
    """Wait for a metric to have a value: what is answered is counted just after."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if counted(url).get(name) == value:
            return True
        time.sleep(0.02)
    return False


@POSIX
def test_workers_count_together_and_go_on_after_one_was_killed() -> None:
    asked = 'shufflenet_requests_total{route="/v1/classify",status="200"}'
    images = 'shufflenet_images_total{model="default",outcome="answered"}'
    options = ("--runtime", "onnxruntime", "--workers", 2, "--threads", 1, "--json")
    with served(*options) as process:
        assert process.stdout
        url = json.loads(process.stdout.readline())["url"]
        for _ in range(8):
            post(f"{url}/v1/classify", picture())
        assert until_counted(url, asked, 8)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("this system does not list the children of a process")
        killed = int(children.read_text().split()[0])
        os.kill(killed, signal.SIGKILL)
        assert until_counted(url, "shufflenet_worker_restarts_total", 1)
        post(f"{url}/v1/classify", picture())
        assert until_counted(url, asked, 9)
        assert until_counted(url, images, 9)
        assert counted(url)["shufflenet_workers"] == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device is full here")
def test_a_stdout_that_takes_nothing_is_told_by_one_sentence() -> None:
    command = [sys.executable, "-m", "shufflenet", "serve", "--port", "0"]
    command += ["--runtime", "onnxruntime"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"Cannot write the output: .*\.\n", done.stderr)


def test_a_port_in_use_is_told(run: Run) -> None:
    (taken,) = listen("127.0.0.1", 0)
    code, out, err = run("serve", "--port", taken.getsockname()[1])
    assert (code, out) == (1, "")
    assert "is in use: another program listens there. Choose another --port" in err
    taken.close()


def test_a_model_that_is_no_file_is_told(run: Run, tmp_path: Path) -> None:
    for model in (tmp_path / "nothing.onnx", "birds=nothing.onnx"):
        code, out, err = run("serve", "--port", 0, "--model", model)
        assert (code, out) == (1, "")
        assert "nothing.onnx" in err
        assert len(err.splitlines()) == 1


def test_two_models_of_one_name_are_refused(run: Run) -> None:
    models = ("--model", "default", "--model", "default", "--runtime", "onnxruntime")
    code, _, err = run("serve", "--port", 0, *models)
    assert code == 1
    assert "NAME=FILE" in err


@POSIX
def test_a_token_file_that_others_can_read_is_told(run: Run, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-16-characters")
    token.chmod(0o644)
    code, _, err = run("serve", "--port", 0, "--token-file", token)
    assert code == 1
    assert "can be read or written by others (mode 644). Keep it to yourself: chmod 600" in err


def test_a_service_that_is_open_to_all_is_told(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "nothing.onnx"
    _, _, err = run("serve", "--host", "0.0.0.0", "--port", 0, "--model", missing)
    assert err.startswith("Everybody who reaches 0.0.0.0 may use this service; --token-file asks")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "65536"], ["--port", "-1"], ["--workers", "0"], ["--seconds", "nan"],
        ["--seconds", "-1"], ["--batch", "0"], ["--log", "xml"], ["--model"],
        ["--host", "a", "--host", "b"], ["extra"],
        ["--allow-host", "http://a.b/"], ["--allow-host", "a.b:80"],
    ],
)  # fmt: skip
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", *arguments])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seconds", "0"], "seconds is 0.0, but must be from 0.001"),
        (["--max-images", "300"], "images is 300, but must be at most waiting, which is 256"),
        (["--workers", "1000"], "workers is 1000, but must be a whole number from 1 to 256"),
        (["--threads", "1000"], "threads is 1000, but must be"),
    ],
)
def test_limits_that_cannot_be_are_told(run: Run, arguments: list[str], sentence: str) -> None:
    code, _, err = run("serve", "--port", 0, *arguments)
    assert code == 1
    assert sentence in err


def test_a_missing_extra_is_told() -> None:
    code = (
        "import sys; sys.modules['starlette'] = None; from shufflenet.cli import main;"
        "sys.exit(main(['serve', '--port', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert "needs the package 'starlette', which is not installed" in done.stderr
    assert "pip install 'shufflenet[serve]'" in done.stderr


def test_every_limit_has_an_option() -> None:
    names = {
        "request_bytes": ("--max-request-mb", 1 << 20), "pixels": ("--max-pixels", 1),
        "request_pixels": ("--max-request-pixels", 1),
        "images": ("--max-images", 1), "waiting": ("--max-waiting", 1),
        "held_bytes": ("--max-held-mb", 1 << 20), "seconds": ("--seconds", 1),
        "batch": ("--batch", 1), "batch_wait_ms": ("--batch-wait-ms", 1),
    }  # fmt: skip
    assert set(names) == {field.name for field in fields(Limits)}
    given = [text for name, _ in names.values() for text in (name, "70")]
    limits = asdict(_limits(cli.parser("serve").parse_args(["serve", *given])))
    assert limits == {name: 70 * unit for name, (_, unit) in names.items()}


def test_help_names_the_defaults_that_hold() -> None:
    (action,) = [a for a in cli.parser("serve")._actions if a.dest == "command" or a.choices]
    text = " ".join(action.choices["serve"].format_help().split())  # type: ignore[index]
    limits = Limits()
    for number, words in (
        (limits.request_bytes >> 20, "mebibytes of a request's body"),
        (limits.pixels, "pixels of an image, width times height"),
        (limits.request_pixels, "pixels of all images of a request"),
        (limits.images, "images of a request"),
        (limits.waiting, "images of each worker that wait for their answer"),
        (limits.held_bytes >> 20, "mebibytes of bodies that each worker holds at once"),
        (ConnectionLimits().open, "connections of each worker at once"),
        (limits.seconds, "seconds for a body to arrive, and then for its answer"),
        (limits.batch, "images computed at once, at most"),
        (limits.batch_wait_ms, "others are decoded, at most; one alone does not wait"),
    ):
        assert f"{words} (default: {number})" in text
