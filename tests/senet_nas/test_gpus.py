"""Counting GPUs, and telling by an error what became of one: on a stub of torch.cuda."""

import pytest
import torch

from senet_nas import gpus

ERRORS = {
    "torch's own": (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"), "memory"),
    "the driver's": (torch.AcceleratorError("CUDA error: out of memory"), "memory"),
    "cuDNN's": (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "memory"),
    "cuBLAS's": (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "memory"),
    "a bad address": (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), "broken"),
    "an older torch": (RuntimeError("CUDA error: unspecified launch failure"), "broken"),
    "an assertion": (RuntimeError("CUDA error: device-side assert triggered"), "broken"),
    "cuDNN broke": (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "broken"),
    "cuBLAS broke": (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), "broken"),
    "NCCL": (RuntimeError("NCCL error in: ProcessGroupNCCL.cpp:1100, unhandled cuda error"), "broken"),
    "a shape": (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
    "the host": (MemoryError("9 GB"), None),
    "a value": (ValueError("CUDA error: said by somebody else"), None),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_tells_what_became_of_the_gpu(name):
    error, expected = ERRORS[name]
    assert gpus.failure(error) == expected


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_gpus_are_counted(two):
    assert gpus.count({}) == 2
    assert gpus.count({"CUDA_VISIBLE_DEVICES": "0,1"}) == 2


def test_slices_count_although_cuda_shows_one(two, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert gpus.count({"CUDA_VISIBLE_DEVICES": "MIG-a,MIG-b, MIG-c"}) == 3


def test_without_a_gpu_there_are_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpus.count({"CUDA_VISIBLE_DEVICES": "MIG-a"}) == 0


def test_emulated_bfloat16_is_not_native(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not gpus.has_native_bfloat16()


def test_memory_is_given_back_and_limited_where_there_is_a_gpu(two, monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("empty"))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", calls.append)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    gpus.release()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    gpus.release()
    gpus.limit(0.25)
    gpus.limit(1.5)
    assert calls == ["empty", 0.25, 1.0]


def test_without_a_gpu_nothing_is_limited(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpus.limit(0.25)
