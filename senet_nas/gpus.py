"""The GPUs that this process may use, what their errors mean, and how much of one a training may take.

Torch is imported where it is needed, so that the command line starts without it.
"""

import gc
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

# What a GPU that has no memory left says, in torch and in NVIDIA's libraries.
_NO_MEMORY = re.compile(
    r"out of memory|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation", re.IGNORECASE
)
# What a context of CUDA says that cannot be used any more, or may not be: every later call of the process would fail.
_BROKEN = re.compile(r"CUDA error|cuDNN error|CUDNN_STATUS_|CUBLAS_STATUS_|cuBLAS error|NCCL error|device-side assert")
_SLICE = "MIG-"
# The share of its part of a GPU that a training gives to images; the network and its activations need the rest.
SHARE_OF_IMAGES = 0.5

Failure = Literal["memory", "broken"]


def count(environ: Mapping[str, str] = os.environ) -> int:
    """The number of GPUs. Slices of a GPU (MIG) count one each if CUDA_VISIBLE_DEVICES names them.

    CUDA shows a process one slice at most, so torch would count one; each worker of Ray gets a slice of its own.
    """
    import torch

    slices = [name for name in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip().startswith(_SLICE)]
    if not torch.cuda.is_available():
        return 0
    return len(slices) or torch.cuda.device_count()


def has_native_bfloat16() -> bool:
    """Whether the GPU computes in bfloat16 itself. Torch emulates it on older ones (V100, T4, RTX 20), slowly."""
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def has_mps(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether CUDA's MPS runs here: programs that share a GPU then use it at the same time, without a word of ours."""
    folder = Path(environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))
    return (folder / "control").exists()


def holds_images(size: int, memory: int, share: float = 1.0) -> bool:
    """Whether training images of so many bytes stay on a GPU with so much memory, of which a training has ``share``."""
    return size <= SHARE_OF_IMAGES * share * memory


def failure(error: BaseException) -> Failure | None:
    """What an exception says about the GPU: no ``memory`` left, a context that is ``broken``, or None: nothing."""
    kind = type(error).__name__
    text = str(error)
    if kind == "OutOfMemoryError" or (isinstance(error, RuntimeError) and _NO_MEMORY.search(text)):
        return "memory"
    if kind == "AcceleratorError" or (isinstance(error, RuntimeError) and _BROKEN.search(text)):
        return "broken"
    return None


def release() -> None:
    """Gives the memory of what has ended back to the GPU, where other processes can have it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def limit(share: float) -> None:
    """Lets this process take ``share`` of the memory of its GPU at most: more is an error of its training alone.

    Nothing happens in a process that has not loaded torch, or has no GPU.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(min(1.0, share))


def total_memory(device: str) -> int:
    """Bytes of memory of a GPU."""
    import torch

    return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)
