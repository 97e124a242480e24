"""The alignment view shows runs (reward, KL, entropy, answer length), sampled answers, and models side by side."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from llmlib.widgets.alignment.groups import (
    LONGEST_ANSWER,
    LONGEST_PROMPT,
    Group,
    Kept,
    brief,
    cut,
    finite,
    gist,
    most_telling,
)
from llmlib.widgets.alignment.picture import draw
from llmlib.widgets.shared.runs.curves import Curve
from llmlib.widgets.shared.runs.view import RunsView, reached

VALUES = ("reward", "kl", "entropy", "length")
MOST_COMPARED = 50  # prompts


class AlignmentView(RunsView):
    """A view of runs that train a policy with a reward; everything is stored as plain numbers and strings.

    Training code calls `add_run` at the start, `log` after each step, and `mark` at the end; `compare` puts the answers
    of several models side by side.

    In addition to the fields of every `RunsView`, `runs` contains, for each run, `measures` (the names of other
    rewards, which are drawn as dashed lines), `cut_off`, `equal_groups` and `groups` (the number of groups). The trait
    `groups` lists `[run, step, groups]`, oldest first; each group comes from `pack_group`. `compared` contains
    `prompts`, `models`, and each model's `answers` and `rewards`.

    >>> view = AlignmentView()
    >>> run = view.add_run("policy", steps=2)
    >>> group = {"prompt": "2 + 2?", "answers": ["4", "5"], "rewards": [1.0, 0.0], "advantages": [1.0, -1.0]}
    >>> view.log(run, 1, reward=0.5, kl=0.0, groups=[group])
    >>> view.log(run, 2, reward=0.75, kl=0.1, groups=[group])
    >>> view.mark(run, "finished")
    >>> view
    <AlignmentView: Alignment. policy: finished after 2 steps, reward 0.75 (initially 0.5), KL 0.1 nats.
    After step 2: 2 answers to “2 + 2?”, rewards from 0 to 1.>
    """

    folder = Path(__file__).parent
    title = "Alignment dashboard"
    values = VALUES
    shown = ("runs", "curves", "groups", "compared", "place")

    groups: traitlets.List = traitlets.List().tag(sync=True)
    compared = traitlets.Dict().tag(sync=True)
    # `place` also holds: at (the step whose answers are shown; null: the newest), of (the number of its run), prompt
    # (the number of a group), question (the number of a compared prompt)

    def __init__(self, **traits: Any):
        self._kept: list[Kept] = []
        self._fresh = False
        super().__init__(**traits)

    def add_run(self, name: str, steps: int = 0, step: int = 0) -> int:
        """Add a run that has already taken `step` steps, and return the run's number.

        `steps` is the planned number of steps, or 0 if it is unknown.

        Raises `ValueError` if another run has this name.
        """
        number = self.put_run(name, steps, step, dashed=0, measures=[])
        self._kept.append(Kept())
        self.show()
        return number

    def log(
        self,
        run: int,
        step: int,
        *,
        reward: float,
        kl: float = math.nan,
        entropy: float = math.nan,
        length: float = math.nan,
        measures: Mapping[str, float] | None = None,
        cut_off: float | None = None,
        equal_groups: int | None = None,
        groups: Sequence[Mapping[str, Any]] = (),
        seconds: float = 0.0,
    ) -> None:
        """Log a step of a run; the step took `seconds` seconds.

        `reward` is the reward that the policy is trained on. `measures` contains other rewards by name, such as the
        true reward if the policy is trained on a proxy. `kl` is the KL divergence from the reference in nats per
        answer, `entropy` is in nats per token, and `length` is in tokens. `cut_off` is the share of answers that did
        not end on their own. Each of the `groups` has a `prompt` and its `answers`, `rewards` and `advantages`. Raises
        `ValueError` if a group does not have one reward and one advantage for each answer, or if `measures` does not
        have the same names as at earlier steps.
        """
        about, kept = self._about[run], self._kept[run]
        names, beside = list(measures or {}), list((measures or {}).values())
        if not len(self._curves[run][0]):
            about["measures"] = names
            self._curves[run] = self._curves[run][0], Curve(len(names))
        elif names != about["measures"]:
            raise ValueError(f"A run must keep the same measures: they were {about['measures']} and are now {names}.")
        first = {} if "first" in about or not math.isfinite(reward) else {"first": reward}
        self.took(run, step, seconds, (reward, kl, entropy, length), beside)
        about.update(first)
        about.update({f"measure {name}": value for name, value in zip(names, beside) if math.isfinite(value)})
        if cut_off is not None:
            about["cut_off"] = finite(cut_off)
        if equal_groups is not None:
            about.update(equal_groups=equal_groups, groups=len(groups))
        if groups:
            kept.add(step, groups)
            self._fresh = True
        self.show_if_due(run)

    def compare(
        self,
        prompts: Sequence[str],
        answers: Mapping[str, Sequence[str]],
        rewards: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Show several models' answers side by side; `answers` maps a model's name to its answers, one per prompt.

        Raises `ValueError` unless each model has one answer per prompt and, if it has rewards, one reward per prompt.
        """
        for name, given in [*answers.items(), *(rewards or {}).items()]:
            if len(given) != len(prompts):
                what = "answers from" if given is answers.get(name) else "rewards for"
                raise ValueError(f"There are {len(prompts)} prompts, but {len(given)} {what} {name!r}.")
        if unknown := set(rewards or {}) - set(answers):
            raise ValueError(f"`rewards` contains {sorted(unknown)}, but `answers` has no answers from these models.")
        self.compared = {
            "prompts": [cut(str(prompt), LONGEST_PROMPT) for prompt in prompts[:MOST_COMPARED]],
            "models": list(answers),
            "answers": [[cut(str(one), LONGEST_ANSWER) for one in given[:MOST_COMPARED]] for given in answers.values()],
            "rewards": [
                [finite(float(one)) for one in (rewards or {}).get(name, ())[:MOST_COMPARED]] for name in answers
            ],
        }
        self.show()

    def _show_more(self) -> None:
        if self._fresh:
            self.groups = [[run, *one] for run, kept in enumerate(self._kept) for one in zip(kept.steps, kept.groups)]
            self._fresh = False

    def last_groups(self) -> list[tuple[str, int, list[Group]]]:
        """For each run that has sampled answers, list its name, its last step with answers, and that step's groups."""
        return [
            (about["name"], kept.steps[-1], kept.groups[-1])
            for about, kept in zip(self._about, self._kept)
            if kept.steps
        ]

    @property
    def alt(self) -> str:
        words = " ".join(map(run_in_words, self._about)) or "There is no run yet."
        for name, step, groups in self.last_groups():
            group = groups[most_telling(groups)]
            whose = f" {name}, after" if len(self._about) > 1 else " After"
            known = [reward for reward in group["rewards"] if reward is not None]
            ends = f", rewards from {brief(min(known))} to {brief(max(known))}" if known else ""
            words += f"{whose} step {step:,}: {group['n']} answers to “{gist(group['prompt'])}”{ends}."
        if self.compared:
            words += f" Side by side: {', '.join(self.compared['models'])}."
        return f"Alignment. {words}"

    def svg(self) -> str:
        return draw(self)


def run_in_words(about: dict[str, Any]) -> str:
    """Describe a run in one sentence."""
    words = reached(about)
    if "reward" in about:
        words += f", reward {brief(about['reward'])} (initially {brief(about['first'])})"
    for name in about["measures"]:
        if f"measure {name}" in about:
            words += f", {name} {brief(about[f'measure {name}'])}"
    if "kl" in about:
        words += f", KL {brief(about['kl'])} nats"
    return f"{words}. {about['words']}".rstrip() if about["words"] else f"{words}."
