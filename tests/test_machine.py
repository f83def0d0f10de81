"""The processor at hand as a target, of features that are made up."""

from collections.abc import Iterator

import pytest

pytest.importorskip("llvmlite")
from llvmlite import binding

from shufflenet import machine
from shufflenet.machine import host_target
from shufflenet.spec import Target

AVX512_VNNI = "avx2 avx avx512f avx512vnni avx512bw avx512vl"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    host_target.cache_clear()
    yield
    host_target.cache_clear()


def host_with(
    features: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    triple: str = "x86_64-unknown-linux-gnu",
    int8: bool = True,
) -> Target:
    found = binding.FeatureMap.fromkeys(features.split(), True)
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: found)
    monkeypatch.setattr(binding, "get_process_triple", lambda: triple)
    return host_target(int8=int8)


@pytest.mark.parametrize(
    ("features", "permitted", "best"),
    [
        ("", True, ""),
        ("avx2", True, "AVX2"),
        ("avx2 avxvnni", True, "AVX-VNNI"),
        ("avx2 avx512vnni", True, "AVX2"),  # without the rest of AVX-512 that is used
        (AVX512_VNNI, True, "AVX-512 VNNI"),
        (f"{AVX512_VNNI} avxvnni amx-tile amx-int8", True, "AMX"),
        (f"{AVX512_VNNI} avxvnni amx-tile amx-int8", False, "AVX-512 VNNI"),
    ],
)
def test_the_fastest_instructions_are_found(
    features: str, permitted: bool, best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "amx_permitted", lambda: permitted)
    assert host_with(features, monkeypatch).multiplies_bytes == best


def test_amx_is_asked_for_only_by_what_multiplies_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "amx_permitted", lambda: pytest.fail("it was asked for"))
    features = f"{AVX512_VNNI} amx-tile amx-int8"
    assert host_with(features, monkeypatch, int8=False).multiplies_bytes == "AVX-512 VNNI"


@pytest.mark.parametrize(
    ("triple", "features", "vector_bytes", "registers"),
    [
        ("x86_64-unknown-linux-gnu", "sse2", 16, 16),
        ("x86_64-unknown-linux-gnu", "avx", 32, 16),
        ("x86_64-unknown-linux-gnu", "avx avx512f", 64, 32),
        ("aarch64-unknown-linux-gnu", "neon", 16, 32),
        ("arm64-apple-darwin25.0.0", "neon", 16, 32),
    ],
)
def test_vectors_are_those_of_the_processor(
    triple: str,
    features: str,
    vector_bytes: int,
    registers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = host_with(features, monkeypatch, triple=triple)
    assert (target.vector_bytes, target.registers) == (vector_bytes, registers)
    assert target.triple == triple
    assert all(f"+{feature}" in target.features.split(",") for feature in features.split())
