"""The scaling view computes loss, FLOPs, days, money and energy from parameters, tokens, machines and a scaling law."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from llmlib.widgets.scaling.picture import draw
from llmlib.widgets.scaling.rows import Row, amount, law_row, loss_of, machine_row, model_row, runs_row
from llmlib.widgets.shared.base import View

PLACE = {
    "parameters": 70e9,
    "tokens": 1.4e12,
    "machine": 0,
    "count": 1000,
    "utilisation": 0.4,
    "price": None,  # dollars per hour, or None for the machine's listed price
    "answers": 1e9,
    "answer_tokens": 1000,
    "chart": "plane",  # or "compute"
    "window": "all",  # or "models" or "runs"
}


class ScalingView(View):
    """A plane of parameters and tokens with lines of equal loss, other models, your own runs, and a movable model.

    `laws`, `models` and `machines` are rows (see `rows.py` for their fields), and `runs` contains the parameters,
    tokens and measured loss of your own runs, by name. `law` is the name of the law that is shown first. `place`
    contains what the user sets (`PLACE` lists the names); the browser computes everything else. Raises `ValueError` if
    numbers in the rows are not positive, or if a law or a setting does not exist.

    >>> law = {"name": "Ours", "E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    >>> ScalingView([law], [{"name": "Chinchilla", "parameters": 70e9, "tokens": 1.4e12}])
    <ScalingView: By the law Ours, a model of 70B parameters that is trained on 1.4T tokens (20 per parameter) reaches a
    loss of 1.937 nats. Training takes 5.9e+23 FLOPs. Also shown: Chinchilla.>
    """

    folder = Path(__file__).parent
    title = "Scaling explorer"
    shown = ("laws", "models", "machines", "runs", "place")

    laws: traitlets.List = traitlets.List().tag(sync=True)
    models: traitlets.List = traitlets.List().tag(sync=True)
    machines: traitlets.List = traitlets.List().tag(sync=True)
    runs: traitlets.List = traitlets.List().tag(sync=True)
    place = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        laws: Iterable[Mapping[str, Any]],
        models: Iterable[Mapping[str, Any]] = (),
        machines: Iterable[Mapping[str, Any]] = (),
        runs: Mapping[str, Sequence[Sequence[float]]] | None = None,
        *,
        law: str | None = None,
        **place: Any,
    ):
        rows = [law_row(one) for one in laws]
        names = [row["name"] for row in rows]
        if not rows:
            raise ValueError("Pass at least one scaling law.")
        if law is not None and law not in names:
            raise ValueError(f"There is no law {law!r}; the laws are {', '.join(names)}.")
        if unknown := sorted(set(place) - set(PLACE)):
            raise ValueError(f"There is no setting {unknown[0]!r}; the settings are {', '.join(PLACE)}.")
        for name in ("parameters", "tokens", "count", "utilisation", "answer_tokens"):
            if not place.get(name, 1) > 0:
                raise ValueError(f"{name} must be a positive number; got {place[name]}.")
        own = [runs_row(name, points) for name, points in (runs or {}).items() if len(points)]
        super().__init__(
            laws=rows,
            models=[model_row(one) for one in models],
            machines=[machine_row(one) for one in machines],
            runs=own,
            place={**PLACE, "law": names.index(law) if law else 0, **place},
        )

    @property
    def law(self) -> Row:
        """The law that is currently shown."""
        return dict(self.laws[self.place["law"]])

    @property
    def loss(self) -> float:
        """The loss that the current law predicts for the user's model."""
        return loss_of(self.law, self.place["parameters"], self.place["tokens"])

    @property
    def alt(self) -> str:
        parameters, tokens = self.place["parameters"], self.place["tokens"]
        words = (
            f"By the law {self.law['name']}, a model of {amount(parameters)} parameters that is trained on "
            f"{amount(tokens)} tokens ({amount(tokens / parameters)} per parameter) reaches a loss of "
            f"{self.loss:.3f} nats. Training takes {6 * parameters * tokens:.1e} FLOPs."
        )
        if self.models:
            words += f" Also shown: {', '.join(row['name'] for row in self.models)}."
        if self.runs:
            each = [f"{len(row['points'])} of {row['name']}" for row in self.runs]
            words += f" Your own runs: {', '.join(each)}."
        return words

    def svg(self) -> str:
        return draw(self)
