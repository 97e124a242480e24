"""Turn FLOPs into days, money and energy."""

from dataclasses import dataclass

from llmlib.scaling.laws import ScalingError


@dataclass(frozen=True)
class Machine:
    """An accelerator, with the speed given in its data sheet, the power that it draws, and the price of renting it."""

    name: str
    peak_flops: float  # per second, for dense products in bfloat16
    watts: float  # power of the accelerator alone
    dollars_per_hour: float  # an assumption: prices differ by a factor of three, and change within months
    source: str = ""  # the source of the peak and the power


MACHINES = (
    Machine("A100 80 GB", 312e12, 400, 1.5, "NVIDIA A100 data sheet, SXM: bfloat16 without sparsity"),
    Machine("H100 SXM", 989e12, 700, 2.5, "NVIDIA H100 data sheet, SXM5: bfloat16 without sparsity, half of 1,979e12"),
    Machine("one core of a laptop", 50e9, 15, 0.0, "a round figure: 3 GHz, and 16 float32 operations per cycle"),
)


@dataclass(frozen=True)
class Bill:
    """The time, money and energy that a computation takes; only the accelerators' energy is counted."""

    days: float
    machine_hours: float
    dollars: float
    kilowatt_hours: float


def bill(flops: float, machine: Machine, *, count: int = 1, utilisation: float = 0.4) -> Bill:
    """Return the time, money and energy that `count` machines need for `flops` FLOPs.

    `utilisation` is the share of the peak speed that the machines actually reach, which is 0.3 to 0.5 for training
    large models (Chowdhery et al., 2022, PaLM, section 4.1). Raises `ScalingError` for a negative number of FLOPs, for
    fewer than one machine, or for a utilisation of 0 or less, or of more than 1.

    >>> h100 = MACHINES[1]
    >>> f"{bill(3.8e25, h100, count=16_000, utilisation=0.4).days:.0f} days"  # Llama 3 405B
    '69 days'
    """
    if flops < 0 or count < 1 or not 0 < utilisation <= 1:
        raise ScalingError(
            "flops must be 0 or more, count must be 1 or more, and utilisation must be a share of the peak, greater "
            f"than 0 and at most 1; got flops={flops}, count={count}, utilisation={utilisation}."
        )
    hours = flops / (machine.peak_flops * utilisation) / 3600
    return Bill(hours / count / 24, hours, hours * machine.dollars_per_hour, hours * machine.watts / 1000)
