"""Write several continuations of the same text side by side, each with different settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from llmlib.explore.sampling.rules import Rules
from llmlib.explore.shared.own_model import own_model
from llmlib.sampling.continuation import Continuation
from llmlib.transformer import Cache, Transformer

MOST_LANES = 6
ROOM = 128  # how many more tokens fit in a cache after its first text


@dataclass(eq=False)
class Lane:
    """A text written under one set of rules."""

    rules: Rules
    comes: Continuation  # says which tokens may come next
    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)  # the model's own, before any settings are applied
    chances: list[float] = field(default_factory=list)  # each token's probability under the rules when it was drawn
    generator: torch.Generator = field(default_factory=torch.Generator)

    @property
    def ended(self) -> str:
        """The reason why the text has ended, or ""."""
        return self.comes.ended


class Lanes:
    """Writes all lanes in one batch; a lane that was added late catches up first.

    Each lane has its own generator with the same seed, so any difference comes from the rules. `check` is called before
    each module of the model, and can end a step by raising an error.
    """

    def __init__(self, model: Transformer, rules: Sequence[Rules], check: Callable[[], object] | None = None):
        self.model = own_model(model, check)
        self.lanes = [Lane(one, one.begin()) for one in rules]
        self.start: tuple[int, ...] = ()  # the text that all lanes continue: the prompt, and `written` more tokens
        self.written = 0
        self.seed = 0
        self.cache: Cache | None = None
        self.held: list[Lane] = []  # the lanes in the cache

    @property
    def begun(self) -> bool:
        return any(lane.ids for lane in self.lanes)

    def begin(self, prompt: tuple[int, ...], written: tuple[int, ...], seed: int) -> None:
        """Empty all lanes; from now on, they continue this prompt and the tokens written after it."""
        self.start, self.written, self.seed = prompt + written, len(written), seed
        known, self.lanes = self.lanes, []
        for lane in known:
            self.add(lane.rules)

    def add(self, rules: Rules) -> None:
        """Add an empty lane; the other lanes keep their texts."""
        comes = rules.begin()
        for id in self.start[len(self.start) - self.written :]:
            comes = comes.after(id)
        lane = Lane(rules, comes)
        lane.generator.manual_seed(self.seed)
        self.lanes.append(lane)

    def drop(self, lane: int) -> None:
        """Remove a lane; the other lanes keep their texts."""
        del self.lanes[lane]

    def step(self) -> None:
        """Write one more token in each of the shortest open lanes. Raises `ValueError` if all lanes have ended."""
        most = self.model.config.max_seq_len
        going = [lane for lane in self.lanes if not lane.ended]
        if not going:
            raise ValueError("All of these texts have ended. Start over, or change their settings.")
        length = min(len(lane.ids) for lane in going)
        if len(self.start) + length >= most:
            raise ValueError(f"The model's context of {most:,} tokens is full; nothing can be added.")
        going = [lane for lane in going if len(lane.ids) == length]
        logits = self._logits(going, length)
        drawn = []
        for lane, row in zip(going, logits):
            ids = (*self.start, *lane.ids)
            chances = lane.rules.probabilities(row[None], ids, lane.comes)
            id = lane.rules.draw(row[None], ids, lane.comes, lane.generator)
            drawn.append((lane, id, row.log_softmax(-1)[id].item(), chances[id].item()))
        for lane, id, log_prob, chance in drawn:  # only after all draws have succeeded
            lane.ids.append(id)
            lane.log_probs.append(log_prob)
            lane.chances.append(chance)
            lane.comes = lane.comes.after(id)

    @torch.inference_mode()
    def _logits(self, lanes: list[Lane], length: int) -> torch.Tensor:
        """Return logits [lane, vocab] after the shared text and the `length` tokens that each lane has added."""
        self._keep(lanes)
        whole = len(self.start) + length
        if self.cache is None or self.cache.length > whole - 1 or self.cache.max_seq_len < whole:
            cache = self.model.new_cache(max_seq_len=whole + ROOM)
            if len(self.start) > 1:  # read the shared part only once
                self.model(self._tensor([self.start[:-1]]), cache=cache, last_only=True)
            cache.reorder(torch.zeros(len(lanes), dtype=torch.long, device=self.model.device))
            self.cache, self.held = cache, lanes
        known = self.cache.length
        new = [[*self.start[known:], *lane.ids[max(0, known - len(self.start)) :]] for lane in lanes]
        return self.model(self._tensor(new), cache=self.cache, last_only=True)[:, -1].float().cpu()

    def _keep(self, lanes: list[Lane]) -> None:
        """Keep only these lanes' rows in the cache; if the cache lacks a lane, the model reads everything again."""
        if self.cache is None or lanes == self.held:
            return
        if not set(lanes) <= set(self.held):
            self.cache = None
            return
        rows = [self.held.index(lane) for lane in lanes]
        self.cache.reorder(torch.tensor(rows, dtype=torch.long, device=self.model.device))
        self.held = lanes

    def _tensor(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.long, device=self.model.device)
