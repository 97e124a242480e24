"""Align a model with a reward function by sampling answers, scoring them, and making the better ones more likely."""

import dataclasses
import time
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.preferences.config import AlignConfig
from llmlib.preferences.groups import Group, Reward, Sampled, encode_prompts, rewards_of, sample
from llmlib.preferences.kl import fixed_reference
from llmlib.preferences.policy_gradient import equal_groups, group_advantages
from llmlib.preferences.updating import Updating
from llmlib.tokenization.base import Tokenizer
from llmlib.training import distributed
from llmlib.training.batches import shuffled
from llmlib.training.checkpoints import checksum_of
from llmlib.training.run import Run, RunWarning, TrainingDiverged, begin, uninterrupted
from llmlib.transformer import Transformer

COLLAPSED = 5  # stop after this many steps in a row with the same answer to every prompt


@dataclass(frozen=True)
class AlignStep:
    """The result of one step, in which a batch of answers is sampled and then used for one or more updates."""

    step: int  # the number of the step, counting from 1
    reward: float  # the mean over all answers, which are sampled before the update
    kl: float  # KL to the reference in nats per answer: the k3 estimate, summed over tokens, averaged over answers
    entropy: float  # in nats per token of the answers
    length: float  # the mean number of tokens per answer, including the end token
    cut_off: float  # share of answers that reached max_new_tokens without an end token
    equal_groups: int  # number of groups whose rewards are all equal; such groups teach nothing if baseline="group"
    loss: float  # this and gradient_norm are from the first update
    gradient_norm: float  # global norm of all gradients, before clipping
    learning_rate: float
    seconds: float
    measures: Mapping[str, float] = field(default_factory=dict)  # the mean of each measure
    groups: tuple[Group, ...] = field(default=(), compare=False)  # this process's answers, prompt by prompt

    @property
    def shown(self) -> dict[str, str]:
        """The values that a progress line shows, by name."""
        return {"reward": f"{self.reward:.3f}", "KL": f"{self.kl:.2f}", "entropy": f"{self.entropy:.2f}"}


class PolicyCollapsed(TrainingDiverged):
    """Raised when every prompt gets the same answer for several steps in a row; the message names likely causes."""


class Alignment(Run[AlignStep]):
    """An alignment run, made by `align`; each call to `next` takes one step and returns its result."""

    RESULT = AlignStep
    SAME = "Continue with the same prompts, tokenizer and reference"

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        prompts: Sequence[Any],
        reward: Reward,
        config: AlignConfig,
        reference: Transformer,
        measures: Mapping[str, Reward],
        folder: Path | None,
    ):
        super().__init__(model, config.training, folder, config)
        self.tokenizer, self.prompts, self.reward, self.measures = tokenizer, list(prompts), reward, dict(measures)
        self.reference, self.encoded = reference, encode_prompts(tokenizer, prompts)
        self.collapsed = 0  # steps in a row with the same answer to every prompt
        self._said = False  # whether we have warned that the model cannot learn from any group of a step

    def _take(self) -> AlignStep:
        started, c, rate = time.perf_counter(), self.settings, self._rate
        which = self._which()
        prompts, encoded = [self.prompts[number] for number in which], [self.encoded[number] for number in which]
        sampled = sample(self.work.model.eval(), self.tokenizer, encoded, c.samples, c.max_new_tokens, self._seed())
        rewards = rewards_of(self.reward, prompts, sampled.texts)
        measured = {name: rewards_of(of, prompts, sampled.texts, name) for name, of in self.measures.items()}
        collapsed = self._collapsed(encoded, sampled)
        advantages = self._advantages(rewards)
        equal = self._equal_groups(rewards)
        updating = Updating(encoded, sampled, advantages, self.reference, c, self.ranks)
        results: list[tuple[float, float]] = []  # for each update, its loss and the norm of its gradients
        with uninterrupted():
            for _ in range(c.updates):
                results.append(self._gradients(updating))
                self._check_finite(*results[-1])
                self._update()
            self.step += 1
            self.collapsed = collapsed
            mean = self.ranks.mean
            self.last = AlignStep(
                self.step,
                reward=mean(rewards.mean().item()),
                kl=updating.kl,
                entropy=updating.entropy,
                length=mean(sampled.mask.sum(dim=1).float().mean().item()),
                cut_off=mean(sampled.cut_off.float().mean().item()),
                equal_groups=equal,
                loss=results[0][0],
                gradient_norm=results[0][1],
                learning_rate=rate,
                seconds=time.perf_counter() - started,
                measures={name: mean(values.mean().item()) for name, values in measured.items()},
                groups=_groups(prompts, sampled.texts, rewards, advantages),
            )
        self.model.eval()
        self._settle()
        return self.last

    def _gradients(self, updating: Updating) -> tuple[float, float]:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = updating.gradients(self.called)
        self.work.hand_over()
        return loss, self._clip()

    def _which(self) -> list[int]:
        """Return the numbers of the prompts that this process uses in this step."""
        c, size = self.settings, len(self.prompts)
        places = [divmod(place, size) for place in range(self.step * c.prompts, (self.step + 1) * c.prompts)]
        orders = {epoch: shuffled(size, c.seed, epoch) for epoch, _ in places}
        numbers = [orders[epoch][place] for epoch, place in places]
        return self.ranks.share(torch.tensor(numbers)).tolist()

    def _seed(self) -> int:
        """Return the seed for sampling this step's answers; every step and every process has its own seed."""
        random = np.random.Philox(key=self.settings.seed, counter=[0, 0, 1 + self.ranks.rank, self.step])
        return int(random.random_raw()) >> 1

    def _advantages(self, rewards: Float[Tensor, "group sample"]) -> Float[Tensor, "group sample"]:
        if self.settings.baseline == "group":
            return group_advantages(rewards, self.settings.divide)
        if self.settings.baseline == "batch":
            return rewards - self.ranks.mean(rewards.mean().item())
        return rewards

    def _equal_groups(self, rewards: Float[Tensor, "group sample"]) -> int:
        """Count the groups whose rewards are all equal; warn once if no group of a step teaches the model anything."""
        c, equal = self.settings, round(self.ranks.mean(float(equal_groups(rewards))) * self.ranks.world)
        if equal == c.prompts and c.baseline == "group" and not c.kl_weight and not self._said:
            self._said = True
            warnings.warn(_nothing_to_learn(self.step + 1, equal), RunWarning, stacklevel=4)
        return equal

    def _collapsed(self, encoded: list[list[int]], sampled: Sampled) -> int:
        """Count steps in a row with the same answer to every prompt; raise `PolicyCollapsed` if there are too many."""
        same = len(set(map(tuple, encoded))) > 1 and len(set(sampled.texts)) == 1
        steps = self.collapsed + 1 if self.ranks.mean(float(same)) == 1 else 0
        if steps < COLLAPSED:
            return steps
        raise PolicyCollapsed(
            f"In each of the last {COLLAPSED} steps, the model gave the same answer to every prompt (most recently "
            f"{sampled.texts[0][:60]!r}), so no answer can earn more than another. Likely causes: this answer gets as "
            "high a reward as any other (change the reward function), nothing keeps the model near the reference (set "
            f"kl_weight, for example to 0.1), or the learning rate {self._rate:.2g} is too high (try a third of that). "
            f"{self._kept()}."
        )

    def _fingerprints(self) -> dict[str, str | None]:
        running = 0
        for ids in self.encoded:
            running = zlib.crc32(np.array([len(ids), *ids], dtype=np.int32).data, running)
        prompts = f"{len(self.encoded):,} prompts, {running:08x}"
        return {"prompts": prompts, "reference": checksum_of(self.reference.parameters())}

    def _remembered(self) -> dict[str, Any]:
        last = self.last and dataclasses.asdict(dataclasses.replace(self.last, groups=()))
        return {"collapsed": self.collapsed, "last": last}

    def _recall(self, about: dict[str, Any]) -> None:
        self.collapsed = about["collapsed"]
        self.last = AlignStep(**{**about["last"], "groups": ()}) if about["last"] else None


def align(
    model: Transformer,
    tokenizer: Tokenizer,
    prompts: Sequence[Any],
    reward: Reward,
    config: AlignConfig | None = None,
    *,
    reference: Transformer | None = None,
    measures: Mapping[str, Reward] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
) -> Alignment:
    """Train a model to give answers with higher rewards; return an iterator that yields an `AlignStep` for each step.

    Each step takes the next prompts (in random order, with each prompt used once before any is repeated), samples
    answers to each prompt, gets a reward for each answer, and makes an answer more likely if its reward was higher than
    expected. `reward(prompts, answers)` takes two lists of the same length and returns a number for each answer. A
    prompt is a string, messages, or an object with `.messages`, `["messages"]` or `["prompt"]`; the reward function
    receives the prompt as you passed it, with all its fields, such as the correct answer. `measures` maps names to
    other reward functions, whose values are measured but not trained on. Each step also measures the KL divergence to
    `reference`, by default a copy of the current model; a `kl_weight` above 0 keeps the model near this reference.

    The model is changed in place. With a `folder`, checkpoints are saved there; with `resume`, the run continues from
    the last checkpoint and takes the same steps as an uninterrupted run. Under `torchrun`, every process makes the same
    call and samples answers to its share of the prompts.

    Raises `ValueError` for prompts that are too long, a reference with a different vocabulary, or a reward function
    that returns NaN, an infinite number or the wrong number of values; `RunError` if the folder contains a different
    run; and, while training, `TrainingDiverged` before a step that would ruin the weights, or `PolicyCollapsed` if all
    prompts get the same answer for several steps in a row. An error in the reward function is passed on unchanged, with
    a note.
    """
    config = config or AlignConfig()
    if not isinstance(config, AlignConfig):
        raise ValueError(f"config must be an AlignConfig, got {type(config).__name__}.")
    for name, of in {"reward": reward, **(measures or {})}.items():
        if not callable(of):
            raise ValueError(f"{name} must be a function of prompts and answers, got {of!r}.")
    world = distributed.join().world
    if config.prompts % (config.accumulate * world):
        raise ValueError(
            f"prompts={config.prompts} cannot be divided evenly among {world} processes"
            + (f" with accumulate={config.accumulate}." if config.accumulate > 1 else ".")
        )
    path = None if folder is None else Path(folder)
    fixed = fixed_reference(model, reference, config.dtype)
    _check_room(encode_prompts(tokenizer, prompts), model, config)
    return begin(
        lambda: Alignment(model, tokenizer, prompts, reward, config, fixed, measures or {}, path), path, resume
    )


def _check_room(encoded: list[list[int]], model: Transformer, config: AlignConfig) -> None:
    """Raise `ValueError` for a prompt that leaves no room for an answer."""
    longest = max(range(len(encoded)), key=lambda number: len(encoded[number]))
    if len(encoded[longest]) + config.max_new_tokens > model.config.max_seq_len:
        raise ValueError(
            f"Prompt {longest} has {len(encoded[longest])} tokens. With max_new_tokens={config.max_new_tokens} for an "
            f"answer, it does not fit into the model's context of {model.config.max_seq_len} tokens. Leave this prompt "
            "out, or choose a smaller max_new_tokens."
        )


def _groups(
    prompts: Sequence[Any],
    texts: Sequence[str],
    rewards: Float[Tensor, "group sample"],
    advantages: Float[Tensor, "group sample"],
) -> tuple[Group, ...]:
    n = rewards.shape[1]
    return tuple(
        Group(
            prompt, tuple(texts[row * n : (row + 1) * n]), tuple(rewards[row].tolist()), tuple(advantages[row].tolist())
        )
        for row, prompt in enumerate(prompts)
    )


def _nothing_to_learn(step: int, groups: int) -> str:
    return (
        f"At step {step}, in each of the {groups} groups, all answers got the same reward, so the model cannot "
        "learn from them. (AlignStep.equal_groups counts these groups in every step.) Choose prompts that the model "
        "gets right only sometimes, sample more answers to each, or use a reward function with more levels."
    )
