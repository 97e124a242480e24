"""In the threshold view, users drag a line through scores to see which answers are let through or held back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Bool

from llmlib.widgets.shared.base import View
from llmlib.widgets.threshold.picture import draw
from llmlib.widgets.threshold.scores import Scores, brief, checked, checked_right, groups_in_words

# In characters. Texts are cut to an equal share of `MOST_CHARACTERS`, but to at least `SHORTEST`, at most `LONGEST`.
LONGEST, SHORTEST, MOST_CHARACTERS = 300, 40, 400_000
LONGEST_NAME = 40


class ThresholdView(View):
    """Answers plotted by score, a threshold to drag, the four groups of answers, and curves over all thresholds.

    Make a view with `threshold_view`. `about` contains `n`, `names` (the words for right and wrong) and `scores`. For
    each score, `scores` contains the `name`, the `low` and `high` ends and the `step` of the axis, and the `area` under
    the ROC curve (None if all answers are right, or all are wrong). If all values of a score are between 0 and 1,
    `scores` also contains the `bins` of the reliability diagram and the calibration `error`. `data` contains the values
    of one score after the other (little-endian f8), and then a byte for each answer (1 if it is right).
    """

    folder = Path(__file__).parent
    title = "Threshold"
    shown = ("about", "data", "texts", "place")

    about = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes(b"").tag(sync=True)
    texts: traitlets.List = traitlets.List(traitlets.Unicode()).tag(sync=True)
    place = traitlets.Dict().tag(sync=True)  # score (its number), threshold, group (which texts are listed)

    @property
    def score(self) -> str:
        """The name of the score that the user is looking at."""
        return self.looked_at().name

    @property
    def threshold(self) -> float:
        """The threshold to which the user has dragged the line."""
        return float(self.place["threshold"])

    @property
    def let_through(self) -> Bool[np.ndarray, " answer"]:
        """Which answers reach the threshold."""
        return self.looked_at().values >= self.threshold

    def all_scores(self) -> list[Scores]:
        """Return all scores, as they were given."""
        n, names = self.about["n"], [one["name"] for one in self.about["scores"]]
        values = np.frombuffer(self.data, "<f8", n * len(names)).reshape(len(names), n)
        right = np.frombuffer(self.data, "u1", n, offset=values.nbytes).astype(bool)
        return [Scores(name, row, right) for name, row in zip(names, values)]

    def looked_at(self) -> Scores:
        return self.all_scores()[self.place["score"]]

    @property
    def alt(self) -> str:
        looked_at, about = self.looked_at(), self.about["scores"]
        counts = looked_at.counts(self.threshold)
        kept, withheld = groups_in_words(counts, self.about["names"])
        known = [f"{one['name']} {one['area']:.2f}" for one in about if one["area"] is not None]
        error = about[self.place["score"]]["error"]
        return (
            f"{self.score} at least {brief(self.threshold)}: {kept} {withheld}"
            + (f" Area under the ROC curve: {', '.join(known)}." if known else "")
            + (f" Calibration error: {error:.2f}." if error is not None else "")
        )

    def svg(self) -> str:
        """Draw the answers along the score axis, and the three curves; the same state always yields the same bytes."""
        return draw(self)


def threshold_view(
    scores: Any,
    right: Any,
    texts: Sequence[str] = (),
    *,
    names: tuple[str, str] = ("right", "wrong"),
    threshold: float | int | None = None,
    bins: int = 10,
) -> ThresholdView:
    """Show which answers a score lets through and which it holds back, at a threshold that the user can drag.

    `scores` contains a number for each answer (higher means more certain) or, to compare several scores, maps each
    score's name to such numbers. `right` contains a 1 for each answer that should be let through, and a 0 for every
    other answer; `names` are the words for 1 and 0. `texts` contains one text per answer, and the view lists those near
    the threshold. Without a `threshold`, half of the answers are let through at first. Scores that are all between 0
    and 1 get a reliability diagram with `bins` bins. The user's choices are in `view.score`, `view.threshold` and
    `view.let_through`. Sources: Fawcett (2006), "An introduction to ROC analysis"; Geifman and El-Yaniv (2017),
    "Selective Classification for Deep Neural Networks"; Guo et al. (2017), "On Calibration of Modern Neural Networks".
    Raises `ValueError` if lengths differ, if there are no answers, if a score is not finite, or if both names are the
    same.

    >>> threshold_view({"confidence": [0.9, 0.8, 0.6, 0.3]}, [1, 1, 0, 1], threshold=0.5)
    <ThresholdView: confidence at least 0.5: 3 of 4 let through: 2 right, 1 wrong. 1 withheld: 1 right, 0 wrong.
    Area under the ROC curve: confidence 0.67. Calibration error: 0.40.>
    """
    is_right = checked_right(right)
    named = scores if isinstance(scores, Mapping) else {"confidence": scores}
    if not named:
        raise ValueError("Pass at least one score.")
    yes, no = map(str, names)
    if not yes.strip() or not no.strip() or yes == no:
        raise ValueError(f"names say what 1 and 0 mean, so they must be two different words; got {names!r}.")
    if len(texts) not in (0, len(is_right)):
        raise ValueError(f"Pass a text for each of the {len(is_right)} answers, or no texts; got {len(texts)}.")
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins}.")
    rows = [checked(str(name), values, is_right) for name, values in named.items()]
    if threshold is not None and not np.isfinite(threshold):
        raise ValueError(f"threshold must be a number, got {threshold}.")
    longest = max(SHORTEST, min(LONGEST, MOST_CHARACTERS // len(is_right)))
    about = [row.describe(bins) for row in rows]
    return ThresholdView(
        about={
            "n": len(is_right),
            "names": [_cut(yes, LONGEST_NAME), _cut(no, LONGEST_NAME)],
            "scores": [{**one, "name": _cut(one["name"], LONGEST_NAME)} for one in about],
        },
        data=b"".join(row.values.astype("<f8").tobytes() for row in rows) + is_right.astype("u1").tobytes(),
        texts=[_cut(str(text), longest) for text in texts],
        place={
            "score": 0,
            "threshold": rows[0].threshold_for(len(is_right) / 2) if threshold is None else float(threshold),
            "group": "kept_wrong",
        },
    )


def _cut(text: str, longest: int) -> str:
    whole = text.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be sent
    return whole if len(whole) <= longest else whole[: longest - 1] + "…"
