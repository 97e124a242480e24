"""Align a model with a reward: sample answers, reward them, and make the better ones more likely."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmlib.preferences.config import AlignConfig
from llmlib.preferences.groups import Group, Reward
from llmlib.tokenization.base import Tokenizer
from llmlib.training.loop import TrainingDiverged
from llmlib.transformer import Transformer


@dataclass(frozen=True)
class AlignStep:
    """The result of one step: a batch of sampled answers, and one or more updates on them."""

    step: int  # from 1: how many steps have been taken
    reward: float  # the mean over all answers, which were sampled before the update
    kl: float  # to the reference, in nats per answer: the mean sum of k3 over an answer's tokens
    entropy: float  # nats per token of the answers
    length: float  # mean tokens per answer, with the end token
    cut_off: float  # share of answers that reached max_new_tokens without an end
    equal_groups: int  # groups whose rewards are all equal, so that nothing is learned from them
    loss: float
    gradient_norm: float  # of all gradients together, before clipping
    learning_rate: float
    seconds: float
    measures: Mapping[str, float] = field(default_factory=dict)  # the means of other rewards, by name
    groups: tuple[Group, ...] = field(default=(), compare=False)  # the answers (of this process), prompt by prompt


class PolicyCollapsed(TrainingDiverged):
    """The model gives the same answer to every prompt; the message names a likely cause."""


class Alignment(Iterator[AlignStep]):
    """An alignment run: each `next` takes a step. `align` makes one. `config`, `model`, `step` and `last` are there."""


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
    """Train a model to give answers with a higher reward; return an iterator of `AlignStep`, like `train`.

    Each step takes the next prompts (in random order, all once before any comes again), samples answers to each,
    asks for their rewards, and makes the answers with a higher reward than expected more likely. `reward(prompts,
    answers)` gets two lists of the same length and returns a number for each answer. A prompt is a string, messages, or
    has them in `.messages`, `["messages"]` or `["prompt"]`; the reward gets it as you passed it, with all it knows,
    such as the right answer. `measures` are other rewards by name, which are only measured. `reference` is the model to
    measure the KL to, and to stay near with `kl_weight`: by default a copy of the model as it is now.

    The model is changed in place. With a `folder`, checkpoints are saved there; with `resume`, the run continues from
    the last one and takes exactly the steps that it would have taken. Under `torchrun` every process makes the same
    call and samples its share of the prompts.

    Raises `ValueError` for prompts that are too long, a reference of another vocabulary, and a reward that returns NaN,
    an infinite number or the wrong number of values; `RunError` if the folder has another run; and, while training,
    `TrainingDiverged` before a step that would spoil the weights, or `PolicyCollapsed` if all prompts get the same
    answer. An error that the reward raises comes through as it is, with a note.
    """
    raise NotImplementedError
