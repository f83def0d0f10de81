"""The arithmetic of docs/scoring.md is what its simulation prints."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_has_the_table_of_the_simulation() -> None:
    script = ROOT / "benchmarks" / "score_plan.py"
    printed = subprocess.check_output([sys.executable, str(script)], text=True)
    page = (ROOT / "docs" / "scoring.md").read_text()
    for line in printed.splitlines():
        assert line in page


def test_the_simulation_agrees_with_arithmetic() -> None:
    script = ROOT / "benchmarks" / "score_plan.py"
    subprocess.run([sys.executable, "-m", "doctest", str(script)], check=True)
