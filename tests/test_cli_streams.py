"""What the program prints for people, and what it does with streams and signals that are odd."""

import csv
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from conftest import Run
from shufflenet import cli
from shufflenet.cli import _main
from shufflenet.cli._output import Notes, print_json, print_note, print_table, progress
from shufflenet.labels import printable
from shufflenet.runtimes import Prediction

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs descriptors as POSIX has them")
HOSTILE = "\x1b]0;title\x07\x1b[2J\r\nFAKE\x9b1m \u202ecat\u2028\udcff\x7f"
SHOWN = r"\x1b]0;title\x07\x1b[2J\r\nFAKE\x9b1m \u202ecat\u2028\udcff\x7f"


def program(
    *arguments: object, before: Callable[[], None] | None = None, **environment: str
) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "shufflenet", *map(str, arguments)],
        capture_output=True, text=True, check=False, preexec_fn=before, timeout=120,  # no threads
        env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "text", ["café 中文 naïve", "🏴󠁧󠁢󠁥󠁮󠁧󠁿 می‌خواهم", "a\u00a0b\u3000c", ""]
)  # as people write
def test_what_people_write_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_controls_are_printed_as_escapes() -> None:
    assert printable(HOSTILE) == SHOWN
    for number in (
        *range(0x20),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0xD800, 0xE000),
    ):
        assert printable(chr(number)).isascii()
        assert printable(chr(number)).startswith("\\")


def test_notes_tables_and_logs_hold_no_controls(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_note(HOSTILE)
    print_table([{"name": HOSTILE, "number": "1"}])
    out, err = capsys.readouterr()
    assert err == f"{SHOWN}\n"
    assert out.splitlines()[1] == f"{SHOWN}       1"
    record = logging.LogRecord("shufflenet", logging.INFO, "", 0, "%s", (HOSTILE,), None)
    assert _main._Formatter().format(record) == SHOWN


@pytest.fixture
def hostile_answers(monkeypatch: pytest.MonkeyPatch) -> list[Prediction]:
    answers = [Prediction(0, HOSTILE, 0.75), Prediction(1, 'a "b",\r\n c', 0.25)]

    def classify(model: object, paths: list[Path], **options: object) -> object:
        return [(path, tuple(answers)) for path in paths]

    monkeypatch.setattr("shufflenet.runtimes.classify", classify)
    return answers


def test_labels_and_names_are_escaped_for_people_and_exact_in_json_and_csv(
    run: Run, photos: Path, hostile_answers: list[Prediction]
) -> None:
    name = photos / "a\x1b[2J\nb.jpg"
    (photos / "a.jpg").rename(name)
    code, out, err = run("predict", name)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        str(photos / r"a\x1b[2J\nb.jpg"), f"   75.0%  {SHOWN}", r'   25.0%  a "b",\r\n c',
    ]  # fmt: skip
    out = run("predict", name, "--json")[1]
    assert "\x1b" not in out
    assert json.loads(out) == {
        "path": str(name), "predictions": [asdict(answer) for answer in hostile_answers],
    }  # fmt: skip
    del hostile_answers[0]
    rows = list(csv.reader(io.StringIO(run("predict", name, "--csv")[1], newline="")))
    assert rows[1] == [str(name), "1", "1", 'a "b",\r\n c', "0.250000"]


def test_csv_on_a_terminal_is_escaped(
    run: Run, photos: Path, hostile_answers: list[Prediction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = run("predict", photos / "a.jpg", "--csv")[1]
    assert "\x1b" not in out
    assert SHOWN in out


def test_wrong_usage_is_told_without_controls(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["predict", "a.jpg", "--\x1b[2J"])
    assert caught.value.code == 2
    assert r"unrecognized arguments: --\x1b[2J" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--top", "--threads"])
def test_a_number_of_five_thousand_digits_is_wrong_usage(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["predict", "a.jpg", option, "9" * 5000])
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"argument {option}: '{'9' * 20}'... has 5000 characters")


def test_only_the_output_prints() -> None:
    """Other files of the command line print by its functions, which escape."""
    folder = Path(cli.__file__).parent
    printing = [p.name for p in folder.glob("*.py") if " print(" in p.read_text("utf-8")]
    assert printing == ["_output.py"]


def test_json_has_neither_nan_nor_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1.5, float("nan")], "b": {"c": float("-inf"), "d": "\x7f"}, "e": True})
    out = capsys.readouterr().out
    assert out == '{"a": [1.5, null], "b": {"c": null, "d": "\\u007f"}, "e": true}\n'


@POSIX
@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["--help"]])
def test_a_closed_stdout_is_told(command: list[str]) -> None:
    code, _, err = program(*command, before=lambda: os.close(1))
    assert (code, err) == (1, "Cannot write the output: [Errno 9] Bad file descriptor.\n")


@POSIX
def test_a_closed_stderr_leaves_results_and_codes_as_they_are(photos: Path) -> None:
    code, out, err = program("list", "default", before=lambda: os.close(2))
    assert (code, err) == (0, "")
    assert "shufflenet_v2_x1_0.tiny_imagenet_200" in out
    code, out, _ = program("predict", photos / "none.jpg", before=lambda: os.close(2))
    assert (code, out) == (1, "")  # no note on stdout instead


@POSIX
@pytest.mark.parametrize("command", ["list", "list --json", "--help", "predict --help"])
def test_a_reader_may_stop_reading(command: str) -> None:
    done = subprocess.run(
        f"{sys.executable} -m shufflenet {command} | head -c 1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout[1:].strip() in ("0", "1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_written_is_told(option: str, unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "shufflenet", option],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    said = "Cannot write the output: [Errno 28] No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_notes_that_cannot_be_written_are_left_out(photos: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "shufflenet", "predict", photos, photos / "none.jpg", "--json"],
            stdout=subprocess.PIPE, stderr=full, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 4


def test_warnings_and_settings_of_libraries_do_not_matter(photos: Path) -> None:
    code, out, err = program(
        "predict", photos, "--json", PYTHONWARNINGS="error", PYTHONOPTIMIZE="2", COLUMNS="abc",
        LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii",
        TQDM_DISABLE="1", TQDM_MININTERVAL="x", TQDM_NCOLS="y", TQDM_BAR_FORMAT="{z}",
    )  # fmt: skip
    assert code == 0
    assert len(out.splitlines()) == 3
    assert err.startswith("3 files in ")
    assert err.count("\n") == 1


@POSIX
def test_a_command_runs_in_a_folder_that_is_gone(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()

    def leave() -> None:
        os.chdir(tmp_path / "gone")
        os.rmdir(tmp_path / "gone")

    code, out, err = program("predict", photos / "a.jpg", "--top", 1, before=leave)
    assert (code, err, len(out.splitlines())) == (0, "", 2)


@POSIX
@pytest.mark.parametrize(
    "command",
    [
        ("convert", "a.pth", "--to", "a.safetensors"),
        ("export", "default", "--to", "/tmp/a.onnx"),  # torch's MKL would end the process
    ],
)
def test_a_removed_folder_is_told_where_it_is_needed(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()

    def leave() -> None:
        os.chdir(tmp_path / "gone")
        os.rmdir(tmp_path / "gone")

    assert program(*command, before=leave) == (
        1, "", "The current folder was removed. Change to one that exists: cd FOLDER.\n",
    )  # fmt: skip


@POSIX
def test_an_interrupt_before_the_command_begins_ends_quietly() -> None:
    text = (
        "import os, signal, sys; from shufflenet import cli;"
        "sys.meta_path.insert(0, type('', (), {'find_spec': lambda *a: "
        "os.kill(os.getpid(), signal.SIGINT)}));"  # on the first import of the program
        "sys.argv[1:] = ['list']; cli.program()"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_that_a_library_turns_into_another_error_is_one(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def importing(*arguments: object, **options: object) -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    monkeypatch.setattr("shufflenet.runtimes.classify", importing)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run("predict", photos)[0] == code
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_a_lack_of_memory_is_told(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("shufflenet.runtimes.classify", failing)
    code, _, err = run("predict", photos)
    sentence = "Memory does not suffice. Give fewer or smaller images, or a smaller --batch.\n"
    assert (code, err) == (1, sentence)


def test_a_fault_of_ours_is_not_hidden(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("shufflenet.runtimes.classify", failing)
    with pytest.raises(ZeroDivisionError):
        run("predict", photos)


def test_progress_is_hidden_where_tqdm_is_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with progress(100, "images") as bar:
        bar.update(3)
        bar.set_postfix_str("loss 1", refresh=False)
        assert bar.total is None


def test_progress_on_a_closed_stderr_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with progress(100, "images") as bar:
        bar.delay = 0
        bar.update(3)
        bar.refresh()
    assert not Notes().isatty()
    assert np.isfinite(bar.n)
