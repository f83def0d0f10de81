"""The C functions of an object, loaded into this process: values, texts, and every code."""

import ctypes
import dataclasses
import json
from typing import Literal, TypeAlias

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("llvmlite")
from llvmlite import binding

from shufflenet.codegen import MESSAGES, Code, Facts, Module, build, jit, object_file
from shufflenet.codegen.kernels import aligned
from shufflenet.errors import SpecError
from shufflenet.machine import host_target
from shufflenet.native import Compiled
from shufflenet.preprocess import resize_and_crop
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Label
from small_networks import small_network

SHAPE, CLASSES = (3, 24, 20), 7
HOW = preprocess_for(24).cropped_to(SHAPE[1:])
FACTS = Facts(
    labels=[Label(f"n{n}", f"näme {n % 3}") for n in range(CLASSES)],
    card='{"näme": 1}',
    proof={"logits": [1, 2]},
    preprocess=HOW,
    most_source_px=300,
)

Argument: TypeAlias = np.ndarray | int | None


class Linked:
    """An object loaded into this process, as a linker would do."""

    def __init__(
        self,
        module: Module,
        weights: Literal["float32", "float16"] = "float32",
        facts: Facts = FACTS,
    ) -> None:
        self.made = object_file(module, facts, "net", weights=weights)
        empty = binding.parse_assembly("")
        machine = binding.Target.from_triple(module.target.triple).create_target_machine()
        self.engine = binding.create_mcjit_compiler(empty, machine)
        self.engine.add_object_file(binding.ObjectFileRef.from_data(self.made.content))
        self.engine.finalize_object()

    def call(self, name: str, *arguments: Argument, returns: type = ctypes.c_int32) -> object:
        address = self.engine.get_function_address(f"net_{name}")
        assert address, name
        kinds: list[type] = [
            ctypes.c_int32 if isinstance(each, int) else ctypes.c_void_p for each in arguments
        ]
        if name in ("prepare", "classify", "resize"):  # bytes of all, of a row
            kinds[1 if name == "prepare" else 4] = ctypes.c_ssize_t
        values = [each.ctypes.data if isinstance(each, np.ndarray) else each for each in arguments]
        result: object = ctypes.CFUNCTYPE(returns, *kinds)(address)(*values)
        return result

    def text(self, name: str, *arguments: int) -> str | None:
        found = self.call(name, *arguments, returns=ctypes.c_char_p)
        return found.decode() if isinstance(found, bytes) else None

    def memory(self) -> np.ndarray:
        memory: np.ndarray = aligned(self.made.memory_bytes, np.uint8)
        memory[:] = 99  # of whatever was there before
        assert self.call("prepare", memory, self.made.memory_bytes) == Code.OK
        return memory


@pytest.fixture(scope="module")
def modules() -> dict[bool, Module]:
    """Of float32 and, where this processor multiplies bytes, of int8."""
    return {
        int8: build(small_network(int8=int8), host_target(int8=int8), SHAPE, HOW, batches=False)
        for int8 in (False, True)
        if not int8 or host_target(int8=True).multiplies_bytes
    }


@pytest.fixture(scope="module")
def nets(modules: dict[bool, Module]) -> dict[bool, Linked]:
    return {int8: Linked(module) for int8, module in modules.items()}


@pytest.fixture
def net(nets: dict[bool, Linked]) -> Linked:
    return nets[False]


def test_an_object_computes_what_the_compiled_module_does(
    modules: dict[bool, Module], nets: dict[bool, Linked]
) -> None:
    rng = np.random.default_rng(0)
    image = rng.standard_normal(SHAPE, np.float32)
    pixels = rng.integers(0, 256, (*SHAPE[1:], 3), np.uint8)
    for int8, linked in nets.items():
        compiled: Compiled = jit(modules[int8])
        memory, logits = linked.memory(), np.full(CLASSES + 1, 99, np.float32)
        assert linked.call("logits_of_image", memory, image, logits) == Code.OK
        assert np.array_equal(logits[:CLASSES], compiled.logits_of(image)[0])
        assert linked.call("logits", memory, pixels, logits) == Code.OK
        assert np.array_equal(logits[:CLASSES], compiled.logits_of_pixels(pixels)[0])
        assert logits[CLASSES] == 99  # padding stays in the working memory


def test_weights_as_float16_compute_the_same_from_fewer_bytes(
    modules: dict[bool, Module], net: Linked
) -> None:
    expanded, constants = Linked(modules[False], "float16"), modules[False].constants
    assert expanded.made.weights_bytes < net.made.weights_bytes - constants.nbytes / 10
    grown = expanded.made.memory_bytes - net.made.memory_bytes
    assert 0 < grown == constants.nbytes
    image, plain = np.random.default_rng(1).standard_normal(SHAPE, np.float32), net.memory()
    logits = np.zeros((2, CLASSES), np.float32)
    assert net.call("logits_of_image", plain, image, logits[0]) == Code.OK
    assert expanded.call("logits_of_image", expanded.memory(), image, logits[1]) == Code.OK
    assert np.array_equal(logits[0], logits[1])
    refused = expanded.call("logits_of_image", plain, image, logits[1])
    assert refused == Code.MEMORY_NOT_PREPARED


@pytest.mark.parametrize("pixel_bytes", [3, 4])
def test_a_photo_is_resized_and_classified(net: Linked, pixel_bytes: int) -> None:
    rng = np.random.default_rng(0)
    for width, height, spare in ((31, 50, 0), (300, 77, 5), (24, 24, 64), (1, 1, 1)):
        rows = rng.integers(0, 256, (height, width * pixel_bytes + spare), np.uint8)
        photo = rows[:, : width * pixel_bytes].reshape(height, width, pixel_bytes)[..., :3]
        expected = resize_and_crop(Image.fromarray(photo), HOW)
        memory = net.memory()
        size = width, height, rows.shape[1], pixel_bytes
        cropped, logits = np.zeros((24, 20, 3), np.uint8), np.empty(CLASSES, np.float32)
        assert net.call("resize", memory, rows, *size, cropped) == Code.OK
        assert np.array_equal(cropped, expected)
        assert net.call("logits", memory, cropped, logits) == Code.OK
        probabilities = np.full(CLASSES + 1, 99, np.float32)
        assert net.call("classify", memory, rows, *size, probabilities) == Code.OK
        powers = np.exp(logits.astype(np.float64) - logits.max())
        assert np.allclose(probabilities[:-1], powers / powers.sum(), rtol=1e-5, atol=0)
        assert probabilities[-1] == 99
        flipped, size = rows[::-1].copy(), (width, height, -rows.shape[1], pixel_bytes)
        assert net.call("resize", memory, flipped[-1:], *size, cropped) == Code.OK
        assert np.array_equal(cropped, expected)


def test_a_multi_label_network_gives_each_class_a_probability(modules: dict[bool, Module]) -> None:
    net = Linked(modules[False], facts=dataclasses.replace(FACTS, task="multi-label"))
    rows = np.random.default_rng(0).integers(0, 256, (50, 93), np.uint8)
    memory, cropped = net.memory(), np.zeros((24, 20, 3), np.uint8)
    logits, probabilities = np.empty(CLASSES, np.float32), np.full(CLASSES + 1, 99, np.float32)
    assert net.call("resize", memory, rows, 31, 50, 93, 3, cropped) == Code.OK
    assert net.call("logits", memory, cropped, logits) == Code.OK
    assert net.call("classify", memory, rows, 31, 50, 93, 3, probabilities) == Code.OK
    exact = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert np.allclose(probabilities[:-1], exact, rtol=1e-5, atol=0)
    assert probabilities[-1] == 99


def test_prepared_memory_may_be_moved(nets: dict[bool, Linked]) -> None:
    image = np.random.default_rng(2).standard_normal(SHAPE, np.float32)
    for linked in nets.values():
        memory, logits = linked.memory(), np.zeros((2, CLASSES), np.float32)
        moved = aligned(linked.made.memory_bytes, np.uint8)
        moved[:] = memory
        assert linked.call("logits_of_image", memory, image, logits[0]) == Code.OK
        memory[:] = 99
        assert linked.call("logits_of_image", moved, image, logits[1]) == Code.OK
        assert np.array_equal(logits[0], logits[1])


def test_impossible_photos_are_refused(net: Linked) -> None:
    memory, photo = net.memory(), np.zeros((40, 40, 4), np.uint8)
    for name, output in (
        ("classify", np.full(CLASSES, 9, np.float32)),
        ("resize", np.full((24, 20, 3), 9, np.uint8)),
    ):
        for arguments, code in (
            ((0, 40, 160, 4), Code.BAD_IMAGE_SIZE),
            ((40, -1, 160, 4), Code.BAD_IMAGE_SIZE),
            ((301, 1, 4096, 4), Code.BAD_IMAGE_SIZE),
            ((1, 2**31 - 1, 4096, 4), Code.BAD_IMAGE_SIZE),
            ((-(2**31), 1, 4096, 4), Code.BAD_IMAGE_SIZE),
            ((40, 40, 160, 2), Code.BAD_STRIDE),
            ((40, 40, 200, 5), Code.BAD_STRIDE),
            ((40, 40, 159, 4), Code.BAD_STRIDE),
            ((40, 40, -119, 3), Code.BAD_STRIDE),
            ((40, 40, 0, 3), Code.BAD_STRIDE),
        ):
            assert net.call(name, memory, photo, *arguments, output) == code
        good = (40, 40, 160, 4)
        assert net.call(name, None, photo, *good, output) == Code.NULL_POINTER
        assert net.call(name, memory, None, *good, output) == Code.NULL_POINTER
        assert net.call(name, memory, photo, *good, None) == Code.NULL_POINTER
        assert net.call(name, memory[1:], photo, *good, output) == Code.MEMORY_MISALIGNED
        fresh = aligned(net.made.memory_bytes, np.uint8)
        assert net.call(name, fresh, photo, *good, output) == Code.MEMORY_NOT_PREPARED
        assert (output == 9).all()


def test_what_is_stated_of_the_network(net: Linked) -> None:
    for number, each in enumerate(FACTS.labels):
        assert net.text("label", number) == each.name
        assert net.text("label_id", number) == each.id
    for beyond in (-1, CLASSES, 2**31 - 1, -(2**31)):
        assert net.text("label", beyond) is net.text("label_id", beyond) is None
    assert net.text("card") == FACTS.card
    assert json.loads(net.text("proof") or "") == {
        "interface": 1,
        "channels": 3,
        "height": 24,
        "width": 20,
        "classes": CLASSES,
        "memory_bytes": net.made.memory_bytes,
        "memory_alignment": 64,
        "most_source_px": 300,
        "logits": [1, 2],
    }


def test_every_code_has_its_sentence(net: Linked) -> None:
    assert set(MESSAGES) == set(Code)
    for code in Code:
        assert net.text("message", code) == MESSAGES[code].replace("{P}", "NET")
    assert net.text("message", len(Code)) == "This is none of the codes."
    assert net.text("message", -1) == "This is none of the codes."


def test_wrong_calls_return_a_code_and_write_nothing(net: Linked) -> None:
    memory, logits = net.memory(), np.full(CLASSES, 99, np.float32)
    pixels = np.zeros((*SHAPE[1:], 3), np.uint8)
    size = net.made.memory_bytes
    fresh = aligned(size + 64, np.uint8)
    assert net.call("prepare", None, size) == Code.NULL_POINTER
    assert net.call("prepare", fresh[1:], size) == Code.MEMORY_MISALIGNED
    assert net.call("prepare", fresh, size - 1) == Code.MEMORY_TOO_SMALL
    assert net.call("prepare", fresh, 0) == Code.MEMORY_TOO_SMALL
    assert net.call("logits", fresh, pixels, logits) == Code.MEMORY_NOT_PREPARED
    assert net.call("logits", memory[1:], pixels, logits) == Code.MEMORY_MISALIGNED
    for missing in range(3):
        arguments: list[Argument] = [memory, pixels, logits]
        arguments[missing] = None
        assert net.call("logits", *arguments) == Code.NULL_POINTER
        assert net.call("logits_of_image", *arguments) == Code.NULL_POINTER
    assert not fresh.any()
    assert (logits == 99).all()


def test_memory_of_another_network_is_refused(nets: dict[bool, Linked]) -> None:
    pixels, logits = np.zeros((*SHAPE[1:], 3), np.uint8), np.zeros(CLASSES, np.float32)
    for one, other in ((False, True), (True, False)):
        if {one, other} <= nets.keys():
            code = nets[one].call("logits", nets[other].memory(), pixels, logits)
            assert code == Code.MEMORY_NOT_PREPARED


def test_the_largest_come_first_and_of_equal_ones_the_lower_class(net: Linked) -> None:
    rng = np.random.default_rng(0)
    for number in range(50):
        values = rng.integers(-2, 3, CLASSES).astype(np.float32)
        if number % 3 == 0:
            values[rng.integers(CLASSES)] = [np.inf, -np.inf, np.nan, -0.0][number % 4]

        expected = np.argsort(
            -np.where(np.isnan(values), -np.inf, values).astype(np.float64), kind="stable"
        )
        for k in (1, 3, CLASSES):
            classes = np.full(CLASSES + 1, 99, np.int32)
            assert net.call("top", values, k, classes) == Code.OK
            assert classes.tolist() == [*expected[:k], *[99] * (CLASSES + 1 - k)]
    classes = np.full(CLASSES, 99, np.int32)
    for k in (0, -1, CLASSES + 1):
        assert net.call("top", values, k, classes) == Code.BAD_COUNT
    assert (
        net.call("top", None, 1, classes) == net.call("top", values, 1, None) == Code.NULL_POINTER
    )
    assert (classes == 99).all()


def test_photos_become_images_of_the_size_that_is_compiled(modules: dict[bool, Module]) -> None:
    facts = dataclasses.replace(FACTS, preprocess=preprocess_for(24))
    with pytest.raises(SpecError, match=r"crop_px is 24, but must be \(24, 20\), as compiled"):
        object_file(modules[False], facts, "net")
