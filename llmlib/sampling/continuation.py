"""Keep track of what may come after a text: the tokens that a constraint allows, and whether the text has ended."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from llmlib.sampling.constraint import Constraint


@dataclass(frozen=True)
class Continuation:
    """Says what may come after a text. `after(token)` says what may come once that token has been written.

    >>> from llmlib.tokenization import CharTokenizer
    >>> constraint = Constraint.choices(["no"], CharTokenizer("no"))
    >>> start = Continuation.begin({2}, constraint)
    >>> start.allowed(3).tolist(), start.after(0).after(1).ended
    ([True, False, False], 'constraint')
    """

    end_ids: frozenset[int]
    constraint: Constraint | None = None
    state: int = 0  # the state of the constraint's automaton
    ended: Literal["", "end token", "constraint"] = ""

    @classmethod
    def begin(cls, end_ids: set[int] | frozenset[int], constraint: Constraint | None = None) -> "Continuation":
        """Return what may come first, before anything has been written."""
        if constraint is None:
            return cls(frozenset(end_ids))
        ended: Literal["", "constraint"] = "constraint" if constraint.is_finished(constraint.start) else ""
        return cls(frozenset(end_ids), constraint, constraint.start, ended)

    def after(self, token: int) -> "Continuation":
        """Return what may come after one more token (nothing, if its bytes do not fit the constraint)."""
        if token in self.end_ids:
            return replace(self, ended="end token")
        if self.constraint is None:
            return replace(self, ended="")
        state = self.constraint.step(self.state, token) if token < self.constraint.vocab_size else 0
        return replace(self, state=state, ended="constraint" if self.constraint.is_finished(state) else "")

    def allowed(self, vocab_size: int) -> Bool[Tensor, " vocab"]:
        """Return which tokens may come next; end tokens may come only if the text is complete."""
        if self.constraint is None:
            return torch.ones(vocab_size, dtype=torch.bool)
        allowed = torch.zeros(vocab_size, dtype=torch.bool)
        allowed[: self.constraint.vocab_size] = self.constraint.allowed(self.state)
        allowed[sorted(self.end_ids)] = self.is_complete
        return allowed

    @property
    def is_complete(self) -> bool:
        """Whether the text may end here."""
        return self.constraint is None or self.constraint.is_match(self.state)

    @property
    def is_hopeless(self) -> bool:
        """Whether the text can no longer satisfy the constraint."""
        return self.constraint is not None and self.state == 0
