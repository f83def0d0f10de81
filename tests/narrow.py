"""This processor with short vectors: code for it is compiled in half the time."""

from dataclasses import replace

import pytest

pytest.importorskip("llvmlite")  # without it, what imports this file is skipped too

from shufflenet.machine import host_target

NARROW = replace(host_target(int8=False), vector_bytes=16, registers=16)
