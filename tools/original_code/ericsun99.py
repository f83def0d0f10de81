"""The networks of ericsun99's Shufflenet-v2-Pytorch."""

from pathlib import Path

from original_code.source import Entries, Run, Source, by_torch, load

__all__ = ["SOURCES"]


def _ericsun99(root: Path, name: str) -> tuple[Entries, Run]:
    # The file mixes tabs and spaces, as Python 2 allowed: a tab goes to the next multiple of 8.
    module = load(root / "ericsun99" / "ShuffleNetV2.py", "ericsun99", lambda t: t.expandtabs(8))
    return by_torch(module.ShuffleNetV2(width_mult=float(name)))


SOURCES = {
    "ericsun99": Source(
        _ericsun99,
        ("0.5", "1.0"),
        "https://github.com/ericsun99/Shufflenet-v2-Pytorch",
        "7f198bd3342ef349ad7c6688a9ccd1b0baf1d364",
        ("ericsun99/ShuffleNetV2.py",),
        "BSD-2-Clause",
        "torch.save of the entries alone",
    ),
}
