"""LLVM's names of processors and of their features, asked of LLVM itself."""

import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from shufflenet.errors import UnknownProcessor

__all__ = ["Words", "check_words", "words_of"]

# LLVM prints the lists on stderr from C++, once a process.
_ASK = """
import sys
from llvmlite import binding
binding.initialize_all_targets()
binding.initialize_all_asmprinters()
binding.Target.from_triple(sys.argv[1]).create_target_machine(cpu="help")
"""
_LINE = re.compile(r"^  (\S+)\s+- (.*)\.$", re.MULTILINE)


class Words(NamedTuple):
    """LLVM's names for an architecture, each with what it says of it."""

    cpus: Mapping[str, str]
    features: Mapping[str, str]


def words_of(triple: str) -> Words:
    """Return LLVM's names for the architecture of a triple that it knows."""
    return _words_of_architecture(triple.partition("-")[0])


@cache
def _words_of_architecture(architecture: str) -> Words:
    """Return LLVM's names for an architecture; this takes some tenths of a second."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, architecture], capture_output=True, check=True, text=True
    )
    cpus, _, features = done.stderr.partition("Available features")
    return Words(dict(_LINE.findall(cpus)), dict(_LINE.findall(features)))


def check_words(triple: str, cpu: str, features: str) -> None:
    """Check that LLVM knows a processor and features: it would only warn, and ignore them.

    Args:
        triple: The architecture, vendor and system.
        cpu: A processor; empty for none.
        features: Such as ``+avx2,-fma``; empty for none.

    Raises:
        UnknownProcessor: it does not know one of them.
    """
    if cpu and cpu not in words_of(triple).cpus:
        raise UnknownProcessor("processor", cpu, triple, words_of(triple).cpus)
    for feature in filter(None, features.split(",")):
        name = feature[1:] if feature[:1] in "+-" else feature
        if name not in words_of(triple).features or name == feature:
            sign = "-" if feature.startswith("-") else "+"
            known = [sign + each for each in words_of(triple).features]
            raise UnknownProcessor("feature", feature, triple, known)
