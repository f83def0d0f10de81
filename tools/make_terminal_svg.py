r"""Run commands and draw what they print as a terminal, in SVG: the picture of the README.

    cd FOLDER_OF_IMAGES
    python .../tools/make_terminal_svg.py --to .../docs/terminal.svg \
        'shufflenet predict coffee.png --top 3' \
        'shufflenet evaluate --data tiny-imagenet-200.val.tar.gz' \
        'shufflenet list x1_0 --networks'

``docs/terminal.svg`` was drawn by these commands. The photo is the one that ``make try`` downloads.
Times are left out of the picture, since they are another machine's.
"""

import argparse
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

COLUMN_PX, LINE_PX, FONT_PX, MARGIN_PX = 8.4, 20, 14, 18
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BACKGROUND, TEXT, PROMPT = "#1b1f27", "#d7dae0", "#7ec699"


def lines_of(command: str) -> list[str]:
    """Run a command and return its prompt line and the lines of its stdout."""
    _, *arguments = shlex.split(command)
    program = [sys.executable, "-m", "shufflenet", *arguments]
    done = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True)
    return [f"$ {command}", *done.stdout.rstrip("\n").split("\n")]


def wrapped(lines: Sequence[str]) -> list[str]:
    """Break the lines of prose that are longer than the widest line of a table."""
    widest = max([72, *(len(line) for line in lines if "  " in line)])
    fit = [[line] if len(line) <= widest else textwrap.wrap(line, widest) for line in lines]
    return [part for parts in fit for part in parts]


def svg(lines: Sequence[str]) -> str:
    """Return the SVG of a terminal that shows ``lines``; those that begin with ``$`` are prompts.

    ``textLength`` keeps the columns aligned whichever of the fonts a browser has.
    """
    width = max(map(len, lines)) * COLUMN_PX + 2 * MARGIN_PX
    height = len(lines) * LINE_PX + 2 * MARGIN_PX
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img">\n'
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>\n'
        f'<g font-family="{FONTS}" font-size="{FONT_PX}" xml:space="preserve">\n'
    )
    texts = [
        f'<text x="{MARGIN_PX}" y="{MARGIN_PX + LINE_PX * (row + 0.75):g}" '
        f'textLength="{len(line) * COLUMN_PX:g}" lengthAdjust="spacingAndGlyphs" '
        f'fill="{PROMPT if line.startswith("$") else TEXT}">{escape(line)}</text>\n'
        for row, line in enumerate(lines)
        if line
    ]
    return head + "".join(texts) + "</g>\n</svg>\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="+", metavar="COMMAND")
    parser.add_argument("--to", required=True, type=Path, metavar="FILE.svg")
    args = parser.parse_args()
    shown: list[str] = []
    for command in args.commands:
        shown += [""] * bool(shown) + lines_of(command)
    args.to.write_text(svg(wrapped(shown)), encoding="utf-8")
    print(args.to)
