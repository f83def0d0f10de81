"""The processor at hand as a target, of made-up features; threads, and what forks leave of them."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("llvmlite")
from llvmlite import binding

from shufflenet import machine, open_model
from shufflenet.errors import SpecError
from shufflenet.machine import MOST_THREADS, PerProcess, check_threads, host_target
from shufflenet.spec import RUNTIMES, Target

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
        ("", True, "portable"),
        ("avx2", True, "AVX2"),
        ("avx2 avxvnni", True, "AVX-VNNI"),
        ("avx2 avx512vnni", True, "AVX2"),  # without the rest of AVX-512 that is used
        (AVX512_VNNI, True, "AVX-512 VNNI"),
        (f"{AVX512_VNNI} avxvnni amx-tile amx-int8", True, "AMX"),
        (f"{AVX512_VNNI} avxvnni amx-tile amx-int8", False, "AVX-512 VNNI"),
        ("neon fp-armv8", True, "NEON"),
        ("neon fp-armv8 dotprod", True, "NEON dotprod"),
        ("neon fp-armv8 dotprod i8mm", True, "NEON i8mm"),
    ],
)
def test_the_fastest_instructions_are_found(
    features: str, permitted: bool, best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "amx_permitted", lambda: permitted)
    assert host_with(features, monkeypatch).multiplies_bytes == best


@pytest.mark.parametrize(
    ("extensions", "best"),
    [(set(), "NEON"), ({"dotprod"}, "NEON dotprod"), ({"dotprod", "i8mm"}, "NEON i8mm")],
)
def test_what_linux_says_of_arm_is_told_to_llvm(
    extensions: set[str], best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "linux_extensions", lambda: extensions)
    target = host_with("fp-armv8", monkeypatch, triple="aarch64-unknown-linux-gnu")
    assert target.multiplies_bytes == best
    told = set(target.features.split(","))
    assert told == {"+fp-armv8", "+neon"} | {f"+{name}" for name in extensions}


@pytest.mark.parametrize(("cpu", "best"), [("apple-m1", "NEON dotprod"), ("apple-m4", "NEON i8mm")])
def test_apple_processors_are_known_by_name(
    cpu: str, best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: cpu)
    target = host_with("", monkeypatch, triple="arm64-apple-darwin25.0.0")
    assert (target.cpu, target.multiplies_bytes, target.registers) == (cpu, best, 32)


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


@pytest.mark.parametrize("threads", [None, 1, 2, MOST_THREADS])
def test_numbers_of_threads_that_can_be(threads: int | None) -> None:
    check_threads(threads)


@pytest.mark.parametrize("threads", [0, -1, MOST_THREADS + 1, 99999999999, 2.0, True, "2"])
def test_other_numbers_of_threads_are_refused(threads: object) -> None:
    with pytest.raises(SpecError, match=f"threads is {threads!r}, but must be a whole number from"):
        check_threads(threads)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("runtime", ["auto", *RUNTIMES])
def test_every_runtime_refuses_them_alike(runtime: str) -> None:
    for threads in (0, -1, 99999999999):
        with pytest.raises(SpecError, match="from 1 to 256"):
            open_model(runtime=runtime, threads=threads)


def test_an_object_of_a_process_is_made_once() -> None:
    of_process = PerProcess(list[int])
    of_process.get().append(1)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: of_process.get(), range(8))) == [[1]] * 8


def test_an_object_of_another_process_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    of_process = PerProcess(list[int])
    of_process.get().append(1)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert of_process.get() == []
