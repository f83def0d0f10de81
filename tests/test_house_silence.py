"""No command speaks to any network but to download; nothing is kept about this machine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import write_colours
from shufflenet.spec import RUNTIMES
from sites import BODY, running

INTERNET = re.compile(r"AF_INET6?\b.*")
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"}  # the last two are bound
ADDRESS = r'_addr=inet_addr\("([^"]*)"|inet_pton\(AF_INET6, "([^"]*)"'


def run_traced(tmp_path: Path, *words: str, offline: str = "1") -> tuple[list[str], str]:
    """Run a command in a home of its own, and return its uses of the internet and its output."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "true"], check=False).returncode:
        pytest.skip("strace is not installed, or may not trace")
    home, trace = tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
        "HOME": str(home),
        "SHUFFLENET_HOME": str(tmp_path / "cache"),
        "SHUFFLENET_OFFLINE": offline,
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [
            strace,
            "-f",
            "--seccomp-bpf",
            "-e",
            "trace=%network",
            "-o",
            trace,
            sys.executable,
            *words,
        ],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert all("matplotlib" in path for path in kept), kept  # the fonts it found
    return INTERNET.findall(trace.read_text()), done.stdout


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])  # whose makers would like to know
def test_predicting_speaks_to_nobody(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip(RUNTIMES[runtime].package)
    images = write_colours(tmp_path) / "red" / "0.png"
    command = ("-m", "shufflenet", "predict", str(images), "--runtime", runtime)
    assert run_traced(tmp_path, *command)[0] == []


def test_evaluating_speaks_to_nobody(tmp_path: Path) -> None:
    folder = write_colours(tmp_path)
    for name, known in (("red", "n01443537"), ("blue", "n01629819"), ("green", "n01641577")):
        (folder / name).rename(folder / known)
    used, output = run_traced(tmp_path, "-m", "shufflenet", "evaluate", "--data", str(folder))
    assert used == []
    assert "of 24" in output


def test_scoring_speaks_to_nobody(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    words = ["-m", "shufflenet", "score", str(write_colours(tmp_path)), "--workers", "1"]
    words += ["--out", str(tmp_path / "answers"), "--runtime", "onnxruntime"]
    used, output = run_traced(tmp_path, *words)
    assert used == []
    assert "24 images" in output


def test_scoring_by_ray_on_this_machine_speaks_to_this_machine_alone(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    words = ["-m", "shufflenet", "score", str(write_colours(tmp_path)), "--workers", "1"]
    words += ["--out", str(tmp_path / "answers"), "--runtime", "onnxruntime", "--cluster", "local"]
    used, output = run_traced(tmp_path, *words)
    assert output == f"{tmp_path / 'answers' / 'answers'}: 24 images in 1 files\n"
    assert addresses_in(used)
    assert addresses_in(used) <= LOOPBACK


def addresses_in(used: list[str]) -> set[str]:
    """Return the addresses that were bound or connected; other lines list what there is here."""
    spoken = [line for line in used if "_port=" in line]
    return {match[1] or match[2] for line in spoken for match in re.finditer(ADDRESS, line)}


def test_training_speaks_to_nobody(tmp_path: Path) -> None:
    words = ["-m", "shufflenet", "train", "--data", str(write_colours(tmp_path))]
    words += ["--out", str(tmp_path / "run"), "--model", "shufflenet_v2_x0_25", "--epochs", "1"]
    used, _ = run_traced(tmp_path, *words, "--image-px", "32", "--workers", "1")
    # Where boto3 is installed, tensorboard imports it, and urllib3 tries whether ::1 can be bound.
    assert addresses_in(used) <= LOOPBACK
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_downloading_speaks_to_the_address_it_was_given_alone(tmp_path: Path) -> None:
    with running() as site:
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]);"
            "from sites import weights; from shufflenet.files.downloads import download;"
            "print(download(weights(url=sys.argv[2])).stat().st_size)"
        )
        folder = str(Path(__file__).parent)
        used, output = run_traced(tmp_path, "-c", program, folder, site.url, offline="0")
        assert output == f"{len(BODY)}\n"
    connected = [line for line in used if "sin_port" in line]
    assert connected
    assert all(f"htons({site.server_port})" in line and "127.0.0.1" in line for line in connected)


def test_telemetry_is_off_before_a_runtime_is_imported() -> None:
    """The same without strace: nobody is asked, nothing is sent."""
    program = (
        "import os; from shufflenet import open_model; open_model(runtime='openvino');"
        "import sys; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1';"
        "assert 'openvino_telemetry' not in sys.modules"
    )
    pytest.importorskip("openvino")
    subprocess.run([sys.executable, "-c", program], check=True)
