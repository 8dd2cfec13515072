"""cbir.encoders.devices: precision follows from the device and what was asked."""

import platform
import subprocess
import sys

import pytest
import torch

from cbir.base.errors import UserError
from cbir.encoders.devices import autocast, choose_precision, one_thread

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert choose_precision("auto", CPU) == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_auto_takes_bfloat16_on_a_gpu_from_capability_8(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda")) == expected


def test_of_a_gpu_in_another_machine_it_expects_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_precision("auto", torch.device("cuda")) == torch.bfloat16


def test_what_is_asked_for_is_taken() -> None:
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UserError, match="precision must be auto, float32 or bfloat16, is 'half'"):
        choose_precision("half", CPU)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_within_autocast_products_are_computed_in_that_type(dtype: torch.dtype) -> None:
    with autocast(CPU, dtype):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone gives memory back so eagerly")
@pytest.mark.heavy
def test_kept_memory_is_not_fetched_from_the_system_again() -> None:
    code = """
import resource, numpy as np
from cbir.encoders.devices import keep_memory
keep_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(25_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), faults())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = map(int, done.stdout.split())
    assert second < first / 10


def test_within_one_thread_there_is_one_and_after_it_as_many_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match="inside"), one_thread():
        assert torch.get_num_threads() == 1
        raise RuntimeError("inside")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
