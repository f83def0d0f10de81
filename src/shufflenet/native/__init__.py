"""A shuffle-free network of ShuffleNet V1's or V2's layers as machine code, compiled by LLVM.

Other runtimes compute an operation after the other, and copy channels to split and to join them.
Here every convolution reads its channels where they lie, and a depthwise convolution is computed
some pixels at a time, just before the 1x1 convolution that reads it (``docs/performance.md``).
"""

from shufflenet.native._classifier import LlvmClassifier

__all__ = ["LlvmClassifier"]
