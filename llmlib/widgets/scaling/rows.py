"""Make the rows of a scaling view (laws, models, machines and runs), and compute predictions from a law."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]
Number = int | float  # the browser sends 7e10 as a whole number

AT = 1e18  # FLOPs: the compute for which `best_size` is the best size
CONSTANTS = ("A", "B", "alpha", "beta", "power")


def law_row(law: Mapping[str, Any]) -> Row:
    """Check a scaling law L = (E + A / N^alpha + B / D^beta)^power, and fill in missing fields.

    `power` is 1 by default. `best_size` is the optimal number of parameters for 10^18 FLOPs, and `size_exponent` says
    how this number grows with compute; by default, both follow from the constants. `parameters` and `tokens` are the
    ranges that the law was fitted to, `note` says what the user should know before trusting the law, and `one_pass`
    says whether training reads each of the D tokens once, so that training takes 6 N D FLOPs. Raises `ValueError` if a
    constant is not positive; only E may be 0.
    """
    row = {"power": 1.0, "source": "", "note": "", "one_pass": True, "parameters": None, "tokens": None, **law}
    for name in ("E", *CONSTANTS):
        if not math.isfinite(row[name]) or row[name] < 0 or (name != "E" and row[name] == 0):
            wanted = "a finite number, 0 or more" if name == "E" else "a finite number greater than 0"
            raise ValueError(f"The law {row['name']!r} has {name}={row[name]}, but {name} must be {wanted}.")
        row[name] = float(row[name])
    if "best_size" not in row:
        steep = row["alpha"] + row["beta"]
        row["size_exponent"] = row["beta"] / steep
        balance = (row["alpha"] * row["A"] / (row["beta"] * row["B"])) ** (1 / steep)
        row["best_size"] = balance * (AT / 6) ** row["size_exponent"]
    return row


def model_row(model: Mapping[str, Any]) -> Row:
    """Return the row for a model with `name`, `parameters`, `tokens` and `source`.

    Raises `ValueError` unless the numbers of parameters and tokens are positive.
    """
    if not (_positive(model["parameters"]) and _positive(model["tokens"])):
        raise ValueError(f"The model {model['name']!r} must have positive numbers of parameters and tokens.")
    return {"source": "", **model, "parameters": float(model["parameters"]), "tokens": float(model["tokens"])}


def machine_row(machine: Mapping[str, Any]) -> Row:
    """Return the row for a machine with `name`, `peak_flops` (per second), `watts`, `dollars_per_hour` and `source`.

    Raises `ValueError` if a number is out of range.
    """
    if not (_positive(machine["peak_flops"]) and _positive(machine["watts"]) and machine["dollars_per_hour"] >= 0):
        raise ValueError(
            f"Machine {machine['name']!r} must have positive peak_flops and watts, and dollars_per_hour of 0 or more."
        )
    return {"source": "", **machine}


def runs_row(name: str, points: Sequence[Sequence[float]]) -> Row:
    """Return the row for the user's own runs, each with parameters, tokens and loss.

    Raises `ValueError` unless each run has three positive numbers.
    """
    rows = [[float(value) for value in point] for point in points]
    if not all(len(row) == 3 and all(map(_positive, row)) for row in rows):
        raise ValueError(f"Each run in {name!r} must have three positive numbers: parameters, tokens and loss.")
    return {"name": name, "points": rows}


def _positive(value: Number) -> bool:
    return math.isfinite(value) and value > 0


def loss_of(law: Row, parameters: Number, tokens: Number) -> float:
    """Compute the loss that a scaling law predicts for this many parameters and this many training tokens."""
    inside = law["E"] + law["A"] * parameters ** -law["alpha"] + law["B"] * tokens ** -law["beta"]
    return float(inside ** law["power"])


def best_for(law: Row, compute: Number) -> tuple[float, float]:
    """Compute the optimal number of parameters and of tokens for this many FLOPs, according to a scaling law."""
    parameters = law["best_size"] * (compute / AT) ** law["size_exponent"]
    return parameters, compute / 6 / parameters


def line_of(law: Row, loss: float, steps: int = 120) -> list[tuple[float, float]]:
    """List points (parameters, tokens) with this loss, from few parameters to many; a loss below E has no points."""
    gap = loss ** (1 / law["power"]) - law["E"]
    if gap <= 0:
        return []
    shares = (1 / (1 + math.exp(-at)) for at in (24 - 48 * k / steps for k in range(steps + 1)))
    return [
        ((law["A"] / (share * gap)) ** (1 / law["alpha"]), (law["B"] / ((1 - share) * gap)) ** (1 / law["beta"]))
        for share in shares
    ]


def amount(value: Number) -> str:
    """Format a number of parameters or tokens, as `amount` in words.mjs does.

    >>> amount(70e9), amount(1.4e12), amount(381_600), amount(950)
    ('70B', '1.4T', '382k', '950')
    """
    for size, sign in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{float(f'{value / size:.3g}'):g}{sign}"
    return f"{float(f'{value:.3g}'):g}"
