"""Chooses the device and the precision of a network, and how a processor's memory is kept."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import torch

from cbir.base.errors import UserError

Precision = Literal["auto", "float32", "bfloat16"]

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h; see mallopt(3)


def choose_device() -> torch.device:
    """Returns the first GPU that this machine has, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """Returns the type that convolutions and matrix products compute in.

    ``auto`` is bfloat16 where the device computes in it natively, which makes a ResNet-18 about 6 times faster on
    such a processor; elsewhere bfloat16 is emulated and slower than float32.

    Raises:
        UserError: ``precision`` is none of auto, float32 and bfloat16.
    """
    match precision:
        case "float32":
            return torch.float32
        case "bfloat16":
            return torch.bfloat16
        case "auto":
            return torch.bfloat16 if _computes_bfloat16(device) else torch.float32
    raise UserError(f"precision must be auto, float32 or bfloat16, is {precision!r}")


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Computes in ``dtype``, within its block, what gains from it; parameters stay as they are."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def keep_memory() -> None:
    """Lets this process keep the memory that it frees, for what it allocates next; only glibc (Linux) needs it.

    By itself glibc gives blocks as large as feature maps back to the system, which fills them with zeros, page by page,
    when the next layer asks for as much: 60 % of a training step of MobileNetV2 (64 pairs at 160 px, two cores).
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps PyTorch on one core: single images are too small to share, and on a busy machine threads wait for each
    other.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":  # of a GPU in another machine nothing is known; those made since 2020 do
        return not torch.cuda.is_available() or torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False
