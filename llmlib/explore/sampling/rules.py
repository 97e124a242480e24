"""All that decides which token may come next: settings, banned tokens, a constraint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from llmlib.sampling import Constraint, Sampler
from llmlib.widgets.sampling.view import NEUTRAL

Settings = Mapping[str, float | int | None]


@dataclass(frozen=True)
class Rules:
    """Settings by name, ids that are banned, and a constraint with the regular expression that it was made from."""

    settings: Settings = field(default_factory=lambda: dict(NEUTRAL))
    banned: tuple[int, ...] = ()
    pattern: str = ""
    constraint: Constraint | None = None
    end_ids: tuple[int, ...] = ()

    @cached_property
    def sampler(self) -> Sampler:
        """Raises `ValueError` for a setting out of its range, or one that there is not."""
        if unknown := set(self.settings) - set(NEUTRAL):
            raise ValueError(f"There is no setting {unknown.pop()!r}; there are {', '.join(NEUTRAL)}.")
        bans = {id: float("-inf") for id in self.banned}
        return Sampler(**self.settings, logit_bias=bans or None)  # type: ignore[arg-type]

    def told(self) -> dict[str, Any]:
        """What a view shows of them."""
        return {"settings": dict(self.settings), "banned": list(self.banned), "pattern": self.pattern}

    def stages(
        self, logits: Float[Tensor, "1 vocab"], prompt: tuple[int, ...], written: tuple[int, ...]
    ) -> list[tuple[str, Float[Tensor, " vocab"]]]:
        """The logits as the model gives them and after each rule in use, by name; it ends where no token is left."""
        ids, found = torch.tensor([prompt + written]), []
        for name, stage in self.sampler.stages(logits, ids, self._allowed(written, logits.shape[-1])):
            found.append(("model" if name == "logits" else name, stage[0]))
            if bool((stage == float("-inf")).all()):
                break
        return found

    def probabilities(
        self, logits: Float[Tensor, "1 vocab"], prompt: tuple[int, ...], written: tuple[int, ...]
    ) -> Float[Tensor, " vocab"]:
        """Raises `ValueError` where the rules leave no token, and says which did it."""
        ids = torch.tensor([prompt + written])
        return self.sampler.probabilities(logits, ids, self._allowed(written, logits.shape[-1]))[0]

    def draw(
        self, logits: Float[Tensor, "1 vocab"], prompt: tuple[int, ...], written: tuple[int, ...], generator: Any
    ) -> int:
        """A token, as `generate` would draw it."""
        ids, allowed = torch.tensor([prompt + written]), self._allowed(written, logits.shape[-1])
        return int(self.sampler(logits, generator, ids=ids, allowed=allowed))

    def ends(self, written: tuple[int, ...]) -> str:
        """Why a text ends here, or ""."""
        if written and written[-1] in self.end_ids:
            return "end token"
        if self.constraint is not None and self.constraint.is_finished(self._state(written)):
            return "constraint"
        return ""

    def misfit(self, written: tuple[int, ...]) -> bool:
        """Whether what is written can no more become a match of the pattern."""
        return self.constraint is not None and self._state(written) == 0

    def _state(self, written: tuple[int, ...]) -> int:
        assert self.constraint is not None
        state = self.constraint.start
        for token in written:
            state = self.constraint.step(state, token)
        return state

    def _allowed(self, written: tuple[int, ...], vocab_size: int) -> Bool[Tensor, "1 vocab"] | None:
        if self.constraint is None:
            return None
        state = self._state(written)
        allowed = torch.zeros(1, vocab_size, dtype=torch.bool)
        allowed[0, : self.constraint.vocab_size] = self.constraint.allowed(state)
        allowed[0, list(self.end_ids)] = self.constraint.is_match(state)
        return allowed
