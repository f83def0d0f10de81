"""Small float32 networks as files, for the tests of what reads and computes them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from conftest import card_for, with_seeded_weights
from made_once import made_once
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
    """Write a network with random weights, the same every time."""
    path.write_bytes(_exported(spec))
    return path


@cache
def _exported(spec: NetworkSpec) -> bytes:
    def make() -> bytes:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "exported.onnx"
            export_onnx(with_seeded_weights(build(spec)).eval(), card_for(spec), path)
            return path.read_bytes()

    return made_once(("exported", spec), make)
