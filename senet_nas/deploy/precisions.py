"""The number formats in which networks run, and the devices. Imports no torch."""

from collections.abc import Mapping

# The number formats of weights and activations, with torch's name for those that torch computes in.
PRECISIONS: Mapping[str, str | None] = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "int8": None}
INT8 = "int8"
CPU = "cpu"
CUDA = "cuda"
