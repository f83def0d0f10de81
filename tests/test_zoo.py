from pathlib import Path

import pytest

from shufflenet.errors import CheckpointError, UnknownName
from shufflenet.zoo import NETWORKS, SHIPPED, find_network, find_weights


def test_every_network_is_found_by_the_name_it_bears() -> None:
    assert len(NETWORKS) == 7
    assert all(find_network(name).name == name for name in NETWORKS)


def test_an_unknown_network_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'shufflenet_v2_x1_0'"):
        find_network("shufflenet_v2_x10")


def test_weights_are_found_by_name_and_by_file() -> None:
    assert find_weights("default") is SHIPPED
    assert find_weights(SHIPPED.name) is SHIPPED
    assert find_weights("a/b.onnx").onnx == Path("a/b.onnx")
    assert find_weights("a/b.safetensors").checkpoint == Path("a/b.safetensors")


def test_the_shipped_files_lie_in_the_package_and_stay_below_6_mb() -> None:
    assert SHIPPED.onnx
    assert SHIPPED.checkpoint
    assert SHIPPED.onnx.stat().st_size + SHIPPED.checkpoint.stat().st_size <= 6_000_000


def test_what_has_no_weights_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a network without weights"):
        find_weights("shufflenet_v2_x1_0")
    with pytest.raises(UnknownName, match="No model is called 'defualt'. Did you mean 'default'"):
        find_weights("defualt")
    (tmp_path / "a.pth").touch()
    with pytest.raises(CheckpointError, match=r"neither a .onnx nor a .safetensors"):
        find_weights(tmp_path / "a.pth")
