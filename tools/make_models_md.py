"""Write ``docs/models.md`` from the catalogue: ``make models``."""

from pathlib import Path

from shufflenet.files import read_card
from shufflenet.report import format_models_md
from shufflenet.zoo import DEFAULT, NETWORKS, SHIPPED, WEIGHTS

PATH = Path(__file__).parent.parent / "docs" / "models.md"

if __name__ == "__main__":
    card = read_card(str(SHIPPED.checkpoint))
    PATH.write_text(format_models_md(NETWORKS, WEIGHTS.values(), card, DEFAULT), encoding="utf-8")
    print(PATH)
