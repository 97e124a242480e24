"""Train the reward model of lesson 09's experiments: the cautious model, changed to output one number per answer."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from alignment_loop import Growing, cautious, encoded, padded
from torch import Tensor

from llmlib import Transformer
from llmlib.corpora.tinytales import tell
from llmlib.corpora.tinytales.tasks import NOT_TOLD, Preference
from llmlib.finetuning.tales import Prompt
from llmlib.preferences import reward_loss
from llmlib.transformer import Cache


class Judge(torch.nn.Module):
    """A Transformer that returns one number for each answer, computed at the answer's last token."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.body, self.head = copy.deepcopy(model), torch.nn.Linear(model.config.d_model, 1)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> Tensor:
        """Return a number for each answer; `texts` has the same number of answers per prompt, in the prompts' order."""
        answers, mask = encoded(texts)
        ids, real = padded(prompts)
        memory = Cache(self.body.config, len(ids))
        memory.layers = [Growing() for _ in self.body.blocks]  # type: ignore[misc]
        self.body(ids, cache=memory, attention_mask=real, last_only=True)
        memory.reorder(torch.arange(len(ids)).repeat_interleave(len(texts) // len(prompts)))
        final: list[Tensor] = []
        handle = self.body.hook_final.register_forward_hook(lambda *seen: final.append(seen[-1]))
        self.body(answers, cache=memory)
        handle.remove()
        last = final[0][torch.arange(len(texts)), mask.sum(1) - 1]
        return self.head(last)[:, 0]


def preferences(stories: int, split: str, start: int) -> list[Preference]:
    return [found for number in range(stories) for found in tell(1, split, start + number).preferences]


def asking(preference: Preference) -> Prompt:
    return Prompt("", ({"role": "user", "content": preference.prompt},), preference.chosen)


@cache
@torch.enable_grad()
def reward_model(seed: int, extra: str = "") -> Judge:
    """Train a reward model on 500 pairs from 100 stories; `extra` adds 100 (with refusals, or from new stories)."""
    judge = Judge(cautious(seed))
    groups = [{"params": judge.body.parameters(), "lr": 1e-4}, {"params": judge.head.parameters(), "lr": 1e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    learn = preferences(100, "train", 200_000 + 1000 * seed)
    if extra == "refusals":
        learn += [replace(p, rejected=NOT_TOLD, fault="refuses") for p in learn if p.fault == "contradicts"]
    elif extra == "stories":
        learn += preferences(20, "train", 250_000 + 1000 * seed)
    order = torch.randperm(len(learn), generator=torch.Generator().manual_seed(seed)).tolist()
    for begin in range(0, len(order), 8):
        some = [learn[i] for i in order[begin : begin + 8]]
        chosen, rejected = (
            judge(list(map(asking, some)), [t for p in some for t in (p.chosen, p.rejected)]).view(-1, 2).T
        )
        optimizer.zero_grad()
        reward_loss(chosen, rejected).backward()
        torch.nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
        optimizer.step()
    return judge.eval()
