"""Draw ``docs/speed.svg`` from what ``speed.py`` measured: one image, one thread.

    python benchmarks/chart.py

needs the extra ``chart``.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from contenders import OURS, QUANTISED
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MEASURED = Path(__file__).parent / "speed.json"
DRAWN = Path(__file__).parent.parent / "docs" / "speed.svg"
_COLOURS = {
    ("standard", "float32"): "#b0b7c3",
    ("standard", "int8"): "#d9c9a3",
    (OURS, "float32"): "#2563a8",
    (OURS, "int8"): "#c2571a",
    (QUANTISED, "int8"): "#c2571a",
}


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measured", type=Path, default=MEASURED, metavar="FILE.json")
    parser.add_argument("--to", type=Path, default=DRAWN, metavar="FILE.svg")
    args = parser.parse_args()
    rcParams["svg.fonttype"], rcParams["svg.hashsalt"] = "none", "speed"  # small, and the same
    result = json.loads(args.measured.read_text())
    rows = [row for row in result["rows"] if (row["threads"], row["batch"]) == (1, 1)]
    networks = list(dict.fromkeys(row["network"] for row in rows))
    figure = Figure(figsize=(9, 1 + 2.6 * len(networks)), layout="constrained")
    for axes, network in zip(
        figure.subplots(len(networks), squeeze=False)[:, 0], networks, strict=True
    ):
        panel(axes, network, [row for row in rows if row["network"] == network])
    machine = result["machine"]
    figure.suptitle(
        f"One image of 224 px, one thread of {machine['processor']} ({machine['flags']})\n"
        "milliseconds, less is better; the shuffle-free graph in strong colours",
        fontsize=10,
    )
    figure.savefig(args.to, metadata={"Date": None})  # the same file from the same figures
    print(args.to)


def panel(axes: Axes, network: str, rows: list[dict[str, Any]]) -> None:
    """Draw the contenders of a network, slowest first."""
    rows = sorted(rows, key=lambda row: -float(row["p50_ms"]))
    names = [f"{row['runtime']}, {row['graph']}, {row['precision']}" for row in rows]
    bars = axes.barh(
        names,
        [row["p50_ms"] for row in rows],
        color=[_COLOURS[row["graph"], row["precision"]] for row in rows],
    )
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.margins(x=0.1)
    axes.set_title(network, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
