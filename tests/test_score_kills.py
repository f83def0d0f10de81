"""What scoring promises when processes are killed: the small form of benchmarks/score_kills.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "score_kills.py"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize(
    ("words", "kinds"),
    [((), {"worker", "driver"}), (("--cluster",), {"actor", "node", "driver"})],
    ids=["processes", "cluster"],
)
def test_no_row_is_lost_doubled_or_changed_by_kills(
    words: tuple[str, ...], kinds: set[str]
) -> None:
    if words:
        pytest.importorskip("ray")
    command = [sys.executable, str(SCRIPT), "--kills", str(len(kinds)), "--images", "200", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: found[name] for name in ("lost", "doubled", "different")} == {
        "lost": 0,
        "doubled": 0,
        "different": 0,
    }
    assert found["rows"] == 201
    assert {each["kind"] for each in found["each"]} == kinds
