"""Pickles and archives that ask for more work, memory or trust than their size explains."""

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from shufflenet.convert import _pickle, convert_checkpoint
from shufflenet.convert._read import read_foreign
from shufflenet.convert._weight_sets import _dictionaries, find_sets
from shufflenet.errors import CheckpointError, ShuffleNetError
from shufflenet.models import create_model


def archive(pickled: bytes, *others: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return what torch.save writes around a pickle, with further entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, content in (("data.pkl", pickled), ("version", b"3\n"), *others):
            packed.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def refused(content: bytes, folder: Path, *parts: str) -> None:
    path = folder / "a.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        convert_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    for part in parts:
        assert part in str(caught.value)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def put(place: int) -> bytes:
    return b"r" + struct.pack("<I", place)


def get(place: int) -> bytes:
    return b"j" + struct.pack("<I", place)


def doubled(depth: int) -> bytes:
    """Return a pickle of dictionaries each of which holds the one before twice."""
    parts = [b"\x80\x02}" + put(0)]
    for i in range(1, depth):
        parts.append(b"}" + put(i) + b"(" + b"".join(text(k) + get(i - 1) for k in "ab") + b"u")
    return b"".join(parts) + b"."


def test_each_dictionary_is_visited_once() -> None:
    """Of 64 that each hold the one before twice there are 2 ** 64 ways."""
    saved = _pickle.read_pickle(io.BytesIO(doubled(64)))
    visited = [id(names) for _, names in _dictionaries(saved)]
    assert len(visited) == len(set(visited)) == 9  # the deepest have no weights
    cycle: dict[str, object] = {}
    cycle["state_dict"] = cycle
    assert [path for path, _ in _dictionaries(cycle)] == [()]


STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n("


def tensor(
    offset: bytes = b"K\x00", size: bytes = b"K\x04\x85", stride: bytes = b"K\x01\x85"
) -> bytes:
    """Return a tensor of four numbers, or another view of them."""
    return REBUILD + STORAGE + offset + size + stride + b"\x89NtR"


def state(*tensors: bytes, names: list[str] | None = None) -> bytes:
    named = names or [f"{i}.weight" for i in range(len(tensors))]
    items = b"".join(text(name) + each for name, each in zip(named, tensors, strict=True))
    return b"\x80\x02}(" + items + b"u."


FOUR = np.arange(4, dtype="<f4").tobytes()
SIGNATURE = "stage2.0.branch2.0.weight"


def long(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<i", len(data)) + data


NINETY_NINE = b"(" + b"K\x01" * 99 + b"t"


@pytest.mark.parametrize(
    ("view", "part"),
    [
        (tensor(size=long(1 << 40) + b"\x85", stride=b"K\x00\x85"), "larger than its storage"),
        (tensor(size=long(1 << 62) + b"\x85"), "larger than its storage"),
        (tensor(size=long(1 << 4000) + b"\x85"), "impossible shape"),
        (tensor(size=long(-4) + b"\x85"), "impossible shape"),
        (tensor(stride=long(-1) + b"\x85"), "impossible shape"),
        (tensor(offset=long(-1)), "impossible shape"),
        (tensor(offset=b"K\x01"), "larger than its storage"),
        (tensor(offset=b"N"), "impossible shape"),
        (
            tensor(size=b"(" + b"K\x01" * 99 + b"t", stride=b"(" + b"K\x01" * 99 + b"t"),
            "impossible",
        ),
        (tensor(size=b"G" + struct.pack(">d", 4.0) + b"\x85"), "impossible shape"),
        (tensor(size=b")", stride=b"K\x01\x85"), "not a complete file"),
        (tensor().replace(b"FloatStorage", b"ComplexFloatStorage"), "numbers of ComplexFloat"),
    ],
)
def test_a_view_that_is_none_of_its_storage_is_refused(
    view: bytes, part: str, tmp_path: Path
) -> None:
    refused(archive(state(view, names=[SIGNATURE]), ("data/0", FOUR)), tmp_path, part)


def test_many_views_share_one_storage(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    numbers = torch.arange(1000.0)
    torch.save({f"{i}.weight": numbers[i:] for i in range(3)}, path)
    arrays = list(read_foreign(path).arrays.values())
    assert np.array_equal(arrays[2], np.arange(2, 1000))
    assert all(np.shares_memory(arrays[0], array) for array in arrays[1:])
    torch.save({f"{i}.weight": numbers.view(10, 100) for i in range(400)}, path)
    with pytest.raises(CheckpointError, match="together larger than the file"):
        read_foreign(path)


def test_numbers_of_other_machines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    big = np.arange(4, dtype=">f4").tobytes()
    path.write_bytes(archive(state(tensor()), ("data/0", big), ("byteorder", b"big")))
    assert np.array_equal(read_foreign(path).arrays["0.weight"], [0, 1, 2, 3])


@pytest.mark.parametrize("kind", [torch.complex64, torch.float8_e4m3fn, torch.uint16])
def test_numbers_that_no_weights_have_are_named(kind: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({SIGNATURE: torch.ones(2).to(kind)}, path)
    with pytest.raises(CheckpointError, match=r"'stage2\.0\.branch2\.0\.weight' has numbers of"):
        read_foreign(path)


def test_a_sparse_tensor_and_one_without_numbers_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({SIGNATURE: torch.eye(2).to_sparse()}, path)
    with pytest.raises(CheckpointError, match="has numbers in a sparse form"):
        read_foreign(path)
    torch.save({SIGNATURE: torch.ones(2, device="meta")}, path)
    with pytest.raises(CheckpointError, match="has no numbers"):
        read_foreign(path)


def test_an_archive_that_lies_is_refused(tmp_path: Path) -> None:
    whole = state(tensor())
    refused(archive(whole, ("data/0", FOUR), method=zipfile.ZIP_DEFLATED), tmp_path, "compressed")
    refused(archive(whole), tmp_path, "data/0")
    refused(archive(whole, ("data/0", FOUR[:-1])), tmp_path)
    refused(archive(whole, ("data/0", FOUR), ("../../b/data.pkl", whole)), tmp_path, "not one of")
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(whole, ("data/0", FOUR), ("data/0", FOUR))
    refused(twice, tmp_path, "two of its entries have one name")
    good = archive(whole, ("data/0", FOUR))
    directory, end = good.index(b"PK\x01\x02"), good.index(b"PK\x05\x06")
    for at, bits in ((directory + 8, b"\x01\x00"), (directory + 10, b"\x0e\x00")):
        refused(good[:at] + bits + good[at + 2 :], tmp_path)  # encrypted, another method
    refused(good[: directory + 42] + b"\xff\xff\xff\x7f" + good[directory + 46 :], tmp_path)
    refused(good[: end + 12] + b"\xff\xff\xff\x7f" + good[end + 16 :], tmp_path, "too long")
    refused(good[: end + 16] + b"\xff\xff\xff\x7f" + good[end + 20 :], tmp_path)
    nonsense = b"PK\x06\x06" + b"\xff" * 52 + b"PK\x06\x07" + b"\xff" * 16
    refused(good[:end] + nonsense + good[end:], tmp_path, "too long")


def legacy(saved: bytes, keys: bytes, storages: bytes) -> bytes:
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    return magic + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + saved + keys + storages


def test_the_older_format_is_bounded_too(tmp_path: Path) -> None:
    saved, keys = state(tensor()), pickle.dumps(["0"], 2)
    path = tmp_path / "a.pth"
    path.write_bytes(legacy(saved, keys, struct.pack("<q", 4) + FOUR))
    assert np.array_equal(read_foreign(path).arrays["0.weight"], [0, 1, 2, 3])
    for count in (1 << 40, -1, 5):
        refused(legacy(saved, keys, struct.pack("<q", count) + FOUR), tmp_path, "ends within")
    nest = b"\x80\x02]" + b")" + b"2\x86" * 60 + b"a."
    refused(legacy(saved, nest, b""), tmp_path, "lists no storages")
    part = STORAGE.replace(b"K\x04tQ", b"K\x04K\x00tQ")
    refused(
        legacy(state(tensor()).replace(STORAGE, part), keys, b""), tmp_path, "views of storages"
    )


TUPLE = b"c__builtin__\ntuple\n" + get(0) + b"\x85R"
ENCODED = b"c_codecs\nencode\n" + get(0) + text("latin1") + b"\x86R"
NEVER = b"\x80\x02" + b")" + b"2\x86" * 60  # an empty tuple, paired with itself sixty times
HOSTILE = {
    "tuples in tuples": b"\x80\x02)" + b"\x85" * 20_000 + b".",
    "lists in lists": b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b".",
    "a name that never ends": NEVER + b"2\x93)R.",
    "a key that never ends": b"\x80\x02}" + NEVER[2:] + b"K\x01s.",
    "text that is longer than the file": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 50) + b"a.",
    "bytes that are longer than the file": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"a.",
    "an array longer than the file": b"\x80\x05\x96" + struct.pack("<Q", 1 << 50) + b"a.",
    "a number that is longer": b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b"a.",
    "a number of digits": b"I" + b"9" * 100_000 + b"\n.",
    "a frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 63) + b"N.",
    "a place": b"N" + b"p" + b"9" * 4000 + b"\n.",
    "copies": b"\x80\x02(" + b"N" * 9000 + b"l" + put(0) + b"(" + TUPLE * 900 + b"t.",
    "encoded": b"\x80\x02" + text("a" * 90_000) + put(0) + b"(" + ENCODED * 900 + b"t.",
    "an unknown object": b"\x80\x02cother\nThing\n)R}b.",
    "a state for nothing": b"\x80\x02}}b.",
    "an object made anew": b"ccopy_reg\n_reconstructor\n(cother\nThing\nc__builtin__\nlist\nNtR.",
    "nothing on the stack": b"\x80\x02\x86.",
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pickle_is_refused_within_its_size(content: bytes, tmp_path: Path) -> None:
    if len(content) < 1000:  # to trace memory takes long
        tracemalloc.start()
        with suppress(Exception):  # it is refused below
            _pickle.read_pickle(io.BytesIO(content))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100_000
    for whole in (content, archive(content)):
        refused(whole, tmp_path)


def test_instructions_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pickle, "_MAX_OPCODES", 1000)
    refused(b"\x80\x02" + b"N0" * 501 + b"N.", tmp_path, "more than 1,000 instructions")


def test_an_object_of_a_class_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), path)
    with pytest.raises(CheckpointError, match=r"container\.Sequential.*state_dict"):
        convert_checkpoint(path)
    torch.save({"model": torch.nn.Linear(2, 2), "epoch": 3}, path)
    with pytest.raises(CheckpointError, match=r"modules\.linear\.Linear.*state_dict"):
        convert_checkpoint(path)


def test_a_network_of_ours_saved_whole_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    for value in (
        create_model("shufflenet_v2_x0_25"),
        {"net": create_model("shufflenet_v2_x0_25")},
    ):
        torch.save(value, path)
        with pytest.raises(CheckpointError, match=r"class shufflenet\..*ShuffleNetV2.*state_dict"):
            convert_checkpoint(path)


def test_arrays_of_other_machines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"a": np.arange(3, dtype=">f4")}))
    array = read_foreign(path).arrays["a"]
    assert array.dtype == np.dtype(np.float32)
    assert np.array_equal(array, [0, 1, 2])


def test_small_floats_in_safetensors_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({SIGNATURE: torch.ones(2).to(torch.float8_e4m3fn)}, path)
    with pytest.raises(CheckpointError, match=r"has numbers of torch\.float8_e4m3fn"):
        read_foreign(path)


PIECES: list[Callable[[np.random.Generator], bytes]] = [
    lambda _: b"(", lambda _: b"}", lambda _: b"]", lambda _: b")", lambda _: b"2", lambda _: b"0",
    lambda _: b"\x85", lambda _: b"\x86", lambda _: b"t", lambda _: b"u", lambda _: b"s",
    lambda _: b"a", lambda _: b"e", lambda _: b"R", lambda _: b"b", lambda _: b"Q",
    lambda _: b"\x81", lambda _: b"\x93", lambda _: b"\x94", lambda _: b"l", lambda _: b"d",
    lambda _: b"\x90", lambda _: b"\x91", lambda _: b"1", lambda _: b"N",
    lambda rng: put(int(rng.integers(8))), lambda rng: get(int(rng.integers(8))),
    lambda rng: text(str(rng.choice(["a", "state_dict", "storage", SIGNATURE, "latin1", "f4"]))),
    lambda rng: b"K" + bytes([int(rng.integers(256))]),
    lambda rng: long(int(rng.integers(-9, 9)) << int(rng.integers(0, 70))),
    lambda rng: b"C\x04" + rng.bytes(4), lambda _: tensor(), lambda _: text("b") + tensor() + b"s",
    lambda _: b"ctorch._utils\n_rebuild_tensor_v2\n", lambda _: b"ccollections\nOrderedDict\n",
    lambda _: b"c__builtin__\ntuple\n", lambda _: b"c_codecs\nencode\n",
    lambda _: b"cnumpy._core.multiarray\n_reconstruct\n", lambda _: b"cnumpy\ndtype\n",
]  # fmt: skip


def test_no_sequence_of_instructions_costs_more_than_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted are instructions, dictionaries visited and arrays, of 800 pickles."""
    rng = np.random.default_rng(19)
    steps: list[str] = []
    step = _pickle._Machine.step  # the instructions themselves, which nothing else tells
    monkeypatch.setattr(
        _pickle._Machine,
        "step",
        lambda self, name, argument: steps.append(name) or step(self, name, argument),  # type: ignore[func-returns-value]
    )
    path, read = tmp_path / "a.pth", 0
    for _ in range(800):
        pieces = [PIECES[i](rng) for i in rng.integers(0, len(PIECES), rng.integers(1, 40))]
        content = b"\x80\x02}" + put(0) + b"]" + put(1) + b"".join(pieces) + get(0) + b"."
        steps.clear()
        with suppress(Exception):  # the readers' own, which convert_checkpoint refuses below
            saved = _pickle.read_pickle(io.BytesIO(content))
            assert len(list(_dictionaries(saved))) <= len(content)
            assert sum(len(each.arrays) for each in find_sets(saved)) <= len(content)
            read += 1
        assert len(steps) <= len(content)
        path.write_bytes(archive(content, ("data/0", FOUR)) if read % 2 else content)
        with suppress(ShuffleNetError):  # and no other error
            arrays = read_foreign(path).arrays.values()
            assert sum(array.nbytes for array in arrays) <= 4 * path.stat().st_size
    assert read > 30
