"""Choose a device to compute on, and a precision to compute in."""

from dataclasses import dataclass

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class DeviceAndDtype:
    """A device and a dtype, with the reason for each choice."""

    device: torch.device
    dtype: torch.dtype
    device_reason: str
    dtype_reason: str


def choose(device: str | torch.device = "auto", dtype: str | torch.dtype = "auto") -> DeviceAndDtype:
    """Return the device and the dtype to use, with the reason for each choice.

    For the device, "auto" means CUDA if this machine has it, or else MPS, or else the CPU. For the dtype, "auto" means
    bfloat16 if bfloat16 is fast on this machine, or else float32.

    Raises `ValueError` for a device that this machine does not have, or for an unknown dtype.

    >>> choose("cpu", "float32").dtype
    torch.float32
    """
    chosen_device, device_reason = _choose_device(device)
    chosen_dtype, dtype_reason = _choose_dtype(dtype, chosen_device)
    return DeviceAndDtype(chosen_device, chosen_dtype, device_reason, dtype_reason)


def memory_of(device: torch.device | str) -> int:
    """Return a device's total memory in bytes (used and free).

    >>> memory_of("cpu") > 2**20
    True
    """
    import psutil

    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return psutil.virtual_memory().total


def _choose_device(device: str | torch.device) -> tuple[torch.device, str]:
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda"), f"there is an NVIDIA GPU ({torch.cuda.get_device_name()})"
        if torch.backends.mps.is_available():
            return torch.device("mps"), "there is an Apple GPU"
        return torch.device("cpu"), "there is no GPU that torch can use"
    try:
        asked = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"{device!r} is not a device. Use 'auto', 'cpu', 'cuda' or 'mps'.") from None
    if asked.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "You asked for device='cuda', but torch cannot find an NVIDIA GPU. Use device='auto' or 'cpu'."
        )
    if asked.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError("You asked for device='mps', but torch cannot find an Apple GPU. Use device='auto' or 'cpu'.")
    return asked, "you asked for it"


def _choose_dtype(dtype: str | torch.dtype, device: torch.device) -> tuple[torch.dtype, str]:
    if dtype == "auto":
        if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
            return torch.bfloat16, "this GPU multiplies bfloat16 in hardware (compute capability 8 or newer)"
        if device.type == "cpu" and _cpu_multiplies_bfloat16():
            return torch.bfloat16, "this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX)"
        return torch.float32, "bfloat16 may not be fast here"
    if isinstance(dtype, str):
        if dtype not in DTYPES:
            raise ValueError(f"{dtype!r} is not a supported dtype. Use 'auto' or one of: {', '.join(DTYPES)}.")
        dtype = DTYPES[dtype]
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{dtype!r} is not a dtype. Use 'auto' or one of: {', '.join(DTYPES)}.")
    if not dtype.is_floating_point:
        raise ValueError(f"{dtype} cannot hold fractions. Use 'auto' or one of: {', '.join(DTYPES)}.")
    return dtype, "you asked for it"


def _cpu_multiplies_bfloat16() -> bool:
    # torch has no public function for this; in a release without these private functions we answer "no", which is safe.
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check is not None and check() for check in checks)
