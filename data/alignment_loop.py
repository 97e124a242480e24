"""Train with the policy gradient in lesson 09's experiments; the loop is written out, so any variant can be an arm.

`llmlib.preferences.align` is separate, and offers only variants that are worth using. The model reads each prompt only
once for all answers to it.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import torch
from torch import Tensor

from llmlib import TrainConfig, Transformer, load_pretrained
from llmlib.chat import TALES, encode_chat, with_chat_template
from llmlib.corpora.tinytales.tasks import NOT_TOLD
from llmlib.finetuning import start_tokens, tales, tune
from llmlib.finetuning.tales import Prompt
from llmlib.transformer import Cache

MUON = {
    "seq_len": 512,
    "optimizer": "muon",
    "learning_rate": 3e-3,
    "matrix_learning_rate": 6e-3,
    "betas": (0.9, 0.98),
    "weight_decay": 0.0,
    "schedule": "linear",
}
PROMPTS, GROUP = 8, 8  # prompts per step, and sampled answers per prompt

Reward = Callable[[str, Prompt], float]

torch.set_num_threads(1)
base, plain = load_pretrained("tinytales", device="cpu", dtype="float32")
tokenizer = with_chat_template(plain, TALES)
start_tokens(base, tokenizer, {"<|user|>": "\n", "<|assistant|>": "?"})
(END,) = tokenizer.encode("<|endoftext|>", allowed_special="all")


@cache
@torch.enable_grad()
def cautious(seed: int) -> Transformer:
    """Return lesson 08's model, which decides by a question's wording whether to refuse. Train only a copy of it."""
    talks = tales.training_conversations(240, kinds=tales.KINDS, balanced=False, start=10_000 * seed)
    model = copy.deepcopy(base)
    for _ in tune(model, tokenizer, talks, TrainConfig(60, 4, warmup=8, seed=seed, **MUON)):
        pass
    return model.requires_grad_(True)


# --- sampling answers, and their log-probabilities: each prompt is read once for all answers in its group ---


class Growing:
    """A cache for a layer's keys and values that lets gradients flow (a `KVCache` is overwritten in place)."""

    keys: Tensor | None = None
    values: Tensor | None = None

    def write(self, k: Tensor, v: Tensor, start: int) -> tuple[Tensor, Tensor]:
        self.keys = k if self.keys is None else torch.cat((self.keys, k), dim=2)
        self.values = v if self.values is None else torch.cat((self.values, v), dim=2)
        return self.keys, self.values


def padded(prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
    rows = [encode_chat(tokenizer, prompt.messages) for prompt in prompts]
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    return ids, torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])


@torch.no_grad()
def draw(
    model: Transformer,
    prompts: Sequence[Prompt],
    generator: torch.Generator,
    longest: int = 24,
    group: int = GROUP,
    temperature: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Return sampled answers [prompt·group, token], and a mask that is True up to and including each end token."""
    ids, real = padded(prompts)
    memory = model.new_cache(len(ids), ids.shape[1] + longest)
    logits = model(ids, cache=memory, attention_mask=real, last_only=True)[:, -1]
    rows = torch.arange(len(ids)).repeat_interleave(group)
    memory.reorder(rows)
    logits, held = logits[rows], torch.arange(len(rows))
    answers = torch.full((len(rows), longest), END)
    for place in range(longest):
        answers[held, place] = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
        on = answers[held, place] != END
        if not on.any() or place == longest - 1:
            break
        if on.float().mean() <= 0.7:  # dropping a row means copying all other rows
            memory.reorder(on.nonzero()[:, 0])
            held = held[on]
        logits = model(answers[held, place, None], cache=memory, last_only=True)[:, -1]
    answers = answers[:, : place + 1]
    ended = answers == END
    return answers, ended.cumsum(1) - ended.long() == 0


def scored(model: Transformer, prompts: Sequence[Prompt], answers: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each token in `rows` of `answers` [row, token], and the full distributions."""
    group = len(answers) // len(prompts)
    needed, of = torch.unique(rows // group, return_inverse=True)
    ids, real = padded([prompts[i] for i in needed.tolist()])
    memory = Cache(model.config, len(ids))
    memory.layers = [Growing() for _ in model.blocks]  # type: ignore[misc]
    first = model(ids, cache=memory, attention_mask=real, last_only=True)
    memory.reorder(of)
    rest = model(answers[rows, :-1], cache=memory) if answers.shape[1] > 1 else first[of, :0]
    log_probs = torch.cat((first[of], rest), dim=1).log_softmax(-1)
    return log_probs.gather(-1, answers[rows, :, None])[..., 0], log_probs


def texts_of(answers: Tensor, mask: Tensor) -> list[str]:
    return [
        tokenizer.decode([id for id in row[real].tolist() if id != END]).strip() for row, real in zip(answers, mask)
    ]


def truth(text: str, prompt: Prompt, wrong: float = 0.5) -> float:
    """Return 1 for the right answer, 0 for "The story does not say.", and minus `wrong` for anything else."""
    return 1.0 if text == prompt.answer else 0.0 if text == NOT_TOLD else -wrong


# --- the policy gradient: each arm changes one line ---


def advantages(rewards: Tensor, how: str) -> Tensor:
    """Return the advantages of `rewards` [prompt, answer], computed in the way that `how` names."""
    if how == "reward alone":
        return rewards
    if how == "reward plus 3":
        return rewards + 3
    if how == "minus the batch's mean":
        return rewards - rewards.mean()
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if how == "minus the group's mean":
        return centred
    return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)  # for "and by its deviation"


def policy_gradient(
    model: Transformer,
    prompts: Sequence[Prompt],
    reward: Callable[[list[str], list[Prompt]], Tensor],
    *,
    how: str = "minus the group's mean",
    rate: float = 2e-4,
    steps: int = 30,
    seed: int = 0,
    updates: int = 1,
    ratio: bool = True,
    clip: float = math.inf,
    beta: float = 0.0,
    reference: Transformer | None = None,
    longest: int = 24,
    judge: Reward = truth,
) -> Iterator[dict[str, float]]:
    """Train the model in place; yield measures of each step's answers, with the KL to the reference if there is one."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(prompts), generator=generator).tolist()
    for step in range(steps):
        some = [prompts[order[i % len(order)]] for i in range(step * PROMPTS, (step + 1) * PROMPTS)]
        answers, mask = draw(model, some, generator, longest)
        texts, asked = texts_of(answers, mask), [prompt for prompt in some for _ in range(GROUP)]
        rewards = reward(texts, asked).view(PROMPTS, GROUP)
        advantage = advantages(rewards, how).flatten()
        rows = torch.arange(len(answers)) if beta else advantage.abs().gt(1e-6).nonzero()[:, 0]
        entropy = norm = 0.0
        kl = {} if reference is None else {"KL": kl_of(model, reference, some, answers, mask).mean().item()}
        for update in range(updates if len(rows) else 0):
            log_probs, whole = scored(model, some, answers, rows)
            real = mask[rows]
            if update == 0:
                old = log_probs.detach()
                entropy = (-(whole.exp() * whole).sum(-1) * real).sum().item() / real.sum().item()
            change = (log_probs - old).exp() if ratio else log_probs
            gain = change * advantage[rows, None]
            if ratio:
                gain = torch.minimum(gain, change.clamp(1 - clip, 1 + clip) * advantage[rows, None])
            loss = -(gain * real).sum() / len(answers)
            if beta:
                with torch.no_grad():
                    theirs, _ = scored(reference, some, answers, rows)
                log_ratio = (theirs - log_probs) * real
                k3 = ((log_ratio.exp() - 1 - log_ratio) * real).sum() / len(answers)
                loss = loss + beta * k3
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
            optimizer.step()
        ended = (answers == END).any(1) if answers.shape[1] == longest else torch.ones(1)
        yield kl | {
            "reward": rewards.mean().item(),
            "entropy": entropy,
            "length": mask.sum().item() / len(mask),
            "equal groups": (rewards.std(dim=1) < 1e-6).sum().item(),
            "cut off": 1 - ended.float().mean().item(),
            "norm": norm,
            "truth": sum(map(judge, texts, asked)) / len(texts),
        }


@torch.no_grad()
def kl_of(
    model: Transformer, reference: Transformer, prompts: Sequence[Prompt], answers: Tensor, mask: Tensor
) -> Tensor:
    """Return the exact KL of each answer, summed over its tokens."""
    rows = torch.arange(len(answers))
    (_, ours), (_, theirs) = scored(model, prompts, answers, rows), scored(reference, prompts, answers, rows)
    return ((ours.exp() * (ours - theirs)).sum(-1) * mask).sum(1)


def each(reward: Reward) -> Callable[[list[str], list[Prompt]], Tensor]:
    return lambda texts, prompts: torch.tensor([reward(*both) for both in zip(texts, prompts)])


def encoded(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return answers as ids [text, token], padded with end tokens, and a mask.

    The mask is True up to and including each answer's first end token.
    """
    rows = [[*tokenizer.encode(" " + text), END] for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([row + [END] * (width - len(row)) for row in rows])
    return ids, torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])
