"""Millions of images answered, each exactly once, on this machine or on a Ray cluster.

A source is cut into parts that are always the same (``shufflenet.data.parts``). Workers read,
compute and write a part each; its answers appear as one parquet file, whole or not at all, under a
name that the part determines. So whatever ends in the middle, and even if two workers answer the
same part, every image has one row. A second run does what is missing.
"""

from shufflenet.score._answers import Columns, Counts
from shufflenet.score._job import Job
from shufflenet.score._run import Progress, Summary, score

__all__ = ["Columns", "Counts", "Job", "Progress", "Summary", "score"]
