"""Several settings write after the same text, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from llmlib.explore.rules import Rules
from llmlib.transformer import Cache, Transformer

MOST_LANES = 6
ROOM = 128  # tokens that fit in a cache after the text with which it began


@dataclass
class Lane:
    """What one set of rules has written."""

    rules: Rules
    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)  # the model's own
    chances: list[float] = field(default_factory=list)  # with which the rules drew each
    ended: str = ""
    generator: torch.Generator = field(default_factory=torch.Generator)


class Lanes:
    """All lanes read in one batch. Each has its own chance from the same seed: what differs comes from the rules."""

    def __init__(self, model: Transformer, rules: Sequence[Rules]):
        self.model = model
        self.lanes = [Lane(one) for one in rules]
        self.start: tuple[int, ...] = ()  # the text, of which the last `written` are no prompt
        self.written = 0
        self.cache: Cache | None = None

    @property
    def begun(self) -> bool:
        return any(lane.ids for lane in self.lanes)

    def begin(self, prompt: tuple[int, ...], written: tuple[int, ...], seed: int) -> None:
        """All lanes are empty again, behind this text."""
        self.start, self.written, self.cache = prompt + written, len(written), None
        self.lanes = [Lane(lane.rules) for lane in self.lanes]
        for lane in self.lanes:
            lane.generator.manual_seed(seed)
            lane.ended = lane.rules.ends(written)

    def drop(self, lane: int) -> None:
        """One less; the others keep what they have written."""
        del self.lanes[lane]
        if self.cache is not None:
            rows = [k for k in range(len(self.lanes) + 1) if k != lane]
            self.cache.reorder(torch.tensor(rows, dtype=torch.long, device=self.model.device))

    def step(self) -> None:
        """One more token for each lane that goes on. Raises `ValueError` if none does."""
        most = self.model.config.max_seq_len
        going = [lane for lane in self.lanes if not lane.ended]
        if not going:
            raise ValueError("All of them have come to an end. Start over, or change their settings.")
        length = len(self.start) + max(len(lane.ids) for lane in self.lanes)
        if length >= most:
            raise ValueError(f"The model's context of {most:,} tokens is full; nothing can be added.")
        logits = self._logits()
        prompt, before = self.start[: len(self.start) - self.written], self.start[len(self.start) - self.written :]
        drawn = []
        for lane, row in zip(self.lanes, logits):
            if lane.ended:
                continue
            written = (*before, *lane.ids)
            chances = lane.rules.probabilities(row[None], prompt, written)
            id = lane.rules.draw(row[None], prompt, written, lane.generator)
            drawn.append((lane, id, row.log_softmax(-1)[id].item(), chances[id].item(), (*written, id)))
        for lane, id, log_prob, chance, written in drawn:  # all or none, should one have failed
            lane.ids.append(id)
            lane.log_probs.append(log_prob)
            lane.chances.append(chance)
            lane.ended = lane.rules.ends(written)

    @torch.inference_mode()
    def _logits(self) -> torch.Tensor:
        """After each lane's text, [lane, vocab]; one that has ended is read on with its last token, and not used."""
        length = max(len(lane.ids) for lane in self.lanes)
        rows = [[*lane.ids, *[(lane.ids or self.start)[-1]] * (length - len(lane.ids))] for lane in self.lanes]
        whole = len(self.start) + length
        if self.cache is None or self.cache.length > whole - 1 or self.cache.max_seq_len < whole:
            self.cache = self.model.new_cache(max_seq_len=whole + ROOM)
            if len(self.start) > 1:  # what they share is read once
                self.model(self._tensor([self.start[:-1]]), cache=self.cache, last_only=True)
            self.cache.reorder(torch.zeros(len(self.lanes), dtype=torch.long, device=self.model.device))
        known = self.cache.length
        new = [[*self.start[known:], *row[max(0, known - len(self.start)) :]] for row in rows]
        return self.model(self._tensor(new), cache=self.cache, last_only=True)[:, -1].float().cpu()

    def _tensor(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.long, device=self.model.device)
