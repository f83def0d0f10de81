import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shufflenet.outside import IrregularFile
from shufflenet.outside.arrays import open_array


@given(
    array=arrays.arrays(
        arrays.floating_dtypes() | arrays.integer_dtypes(),
        arrays.array_shapes(min_dims=0, min_side=0),
    ),
    fortran=st.booleans(),
)
def test_what_numpy_writes_is_read_as_it_was(
    array: npt.NDArray[np.generic], fortran: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.npy"
    array = np.asfortranarray(array) if fortran else array  # of at least one axis
    np.save(path, array)
    back = open_array(path)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")


def header(text: str, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its header is damaged"),
        (b"PK\x03\x04", "it is an archive of arrays"),
        (b"\x93NUMPY\x09\x00", "its header is damaged (KeyError)"),
        (header("(" * 9000), "its header is damaged"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", b"1234"), "it has 4 by"),
        (
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}"),
            "it has 0 bytes of numbers, not those of (4611686018427387904,)",
        ),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1)}", b"1234"), "it has"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': ()}", b"12345678"), "objects"),
        (header("{'descr': '<zz', 'fortran_order': False, 'shape': ()}"), "its header is damaged"),
    ],
)
def test_a_file_that_is_no_array_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(reason)):
        open_array(tmp_path / "a.npy")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(IrregularFile):
        open_array(tmp_path / "a.npy")
