"""Decide which token may come next, by three kinds of rules: settings, banned tokens and a pattern."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from llmlib.explore.shared.settings import Settings, settings_of, with_settings
from llmlib.sampling import Constraint, Sampler
from llmlib.sampling.continuation import Continuation
from llmlib.widgets.sampling.branches import PROMPT, Branches


@dataclass(frozen=True)
class Rules:
    """A sampler whose logit biases ban tokens, and a constraint made from the regular expression `pattern`."""

    sampler: Sampler = field(default_factory=Sampler)
    pattern: str = ""
    constraint: Constraint | None = None
    end_ids: frozenset[int] = frozenset()

    @property
    def banned(self) -> tuple[int, ...]:
        """The ids of the banned tokens, with the newest last."""
        return tuple(self.sampler.logit_bias or ())

    def with_settings(self, settings: Settings) -> "Rules":
        """Return a copy of these rules with different settings.

        Raises `ValueError` for an unknown name or a value out of range.
        """
        return replace(self, sampler=with_settings(self.sampler, settings))

    def with_bans(self, banned: tuple[int, ...]) -> "Rules":
        """Return a copy of these rules in which exactly these tokens are banned."""
        bans = {id: float("-inf") for id in banned}
        return replace(self, sampler=replace(self.sampler, logit_bias=bans or None))

    def shown(self) -> dict[str, Any]:
        """Return these rules as plain values, in the form that a view shows."""
        return {"settings": settings_of(self.sampler), "banned": list(self.banned), "pattern": self.pattern}

    def begin(self) -> Continuation:
        """Return a `Continuation`, which says which tokens may come first."""
        return Continuation.begin(self.end_ids, self.constraint)

    def stages(
        self, logits: Float[Tensor, "1 vocab"], ids: tuple[int, ...], comes: Continuation
    ) -> list[tuple[str, Float[Tensor, " vocab"]]]:
        """Return pairs of a name and logits: first the model's logits, then the logits after each active rule.

        If a rule leaves no token, the list ends with this rule.
        """
        found = []
        for name, stage in self.sampler.stages(logits, torch.tensor([ids]), _allowed(comes, logits)):
            found.append(("model" if name == "logits" else name, stage[0]))
            if bool((stage == float("-inf")).all()):
                break
        return found

    def probabilities(
        self, logits: Float[Tensor, "1 vocab"], ids: tuple[int, ...], comes: Continuation
    ) -> Float[Tensor, " vocab"]:
        """Compute the distribution of the next token. If no token is left, raise a `ValueError` that names the rule."""
        return self.sampler.probabilities(logits, torch.tensor([ids]), _allowed(comes, logits))[0]

    def draw(
        self, logits: Float[Tensor, "1 vocab"], ids: tuple[int, ...], comes: Continuation, generator: torch.Generator
    ) -> int:
        """Draw a token, as `generate` would."""
        return int(self.sampler(logits, generator, ids=torch.tensor([ids]), allowed=_allowed(comes, logits)))


def _allowed(comes: Continuation, logits: Float[Tensor, "1 vocab"]) -> Bool[Tensor, "1 vocab"] | None:
    return None if comes.constraint is None else comes.allowed(logits.shape[-1])[None]


class Followed:
    """Finds which tokens may come after each node in a tree; each node is computed once, from its parent."""

    def __init__(self, rules: Rules, tree: Branches):
        self.rules, self.tree = rules, tree
        self._known = {PROMPT: rules.begin()}

    def at(self, node: int) -> Continuation:
        new = []
        while node not in self._known:
            new.append(node)
            node = self.tree.nodes[node].parent
        comes = self._known[node]
        for node in reversed(new):
            comes = self._known[node] = comes.after(self.tree.nodes[node].id)
        return comes
