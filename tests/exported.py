"""Small float32 networks as files, for the tests of what reads and computes them."""

from pathlib import Path

from conftest import card_for, with_seeded_weights
from shufflenet.export import export_onnx
from shufflenet.networks import build
from shufflenet.spec import NetworkSpec, Stage, V2Spec

# A network whose channels fill no vector, with two, three and one unit in its stages.
THIN = V2Spec(
    name="thin",
    stages=tuple(Stage(channels=c, repeats=n) for c, n in ((26, 2), (60, 3), (84, 1))),
    stem_channels=10,
    head_channels=145,
    classes=11,
)


def export(spec: NetworkSpec, path: Path) -> Path:
    export_onnx(with_seeded_weights(build(spec)).eval(), card_for(spec), path)
    return path
