"""Run supervised fine-tuning: train a model further on conversations, with only the assistant's words as targets."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from llmlib.chat import Message
from llmlib.finetuning.chat_data import ChatData
from llmlib.tokenization.base import Tokenizer
from llmlib.training.config import TrainConfig
from llmlib.training.loop import Training, train
from llmlib.transformer import Transformer


def tune(
    model: Transformer,
    tokenizer: Tokenizer,
    conversations: Iterable[Sequence[Message]],
    config: TrainConfig | None = None,
    *,
    packed: bool = True,
    validation: Iterable[Sequence[Message]] | None = None,
    sample: Callable[[Transformer], Any] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
) -> Training:
    """Teach a model to answer like the assistant in these conversations; return an iterator of steps, as `train` does.

    This is `train` on `ChatData`: the targets are the assistant's words, in the tokenizer's chat template. Everything
    else is the same: the model is changed in place, and `validation` (more conversations), `sample` and `folder` are
    used when the config asks for them. Raises the same errors as `ChatData` and `train`.

        for step in tune(model, tokenizer, conversations, TrainConfig(steps=100, batch_size=8, seq_len=512)):
            print(step.loss)
    """
    data = ChatData(tokenizer, conversations, packed=packed)
    held_out = None if validation is None else ChatData(tokenizer, validation, packed=packed)
    return train(model, data, config, validation=held_out, sample=sample, folder=folder, resume=resume)


@torch.no_grad()
def start_tokens(model: Transformer, tokenizer: Tokenizer, like: Mapping[str, str]) -> None:
    """Give each token named in `like` a copy of a similar token's rows in the embedding and the unembedding.

    A model has never read its spare or new special tokens, so their rows are random, and tuning would spend most of its
    steps learning them. If `<|user|>` starts out as a line break and `<|assistant|>` starts out as "?", both tokens
    mean something from the first step. If the tokenizer has more tokens than the model, the model grows, and new rows
    that `like` does not name become the mean of all old rows (Hewitt, 2021, "Initializing new word embeddings").

    Raises `ValueError` for a name that is not a special token, or for a string that is not a single token.

        start_tokens(model, tokenizer, {"<|user|>": "\\n", "<|assistant|>": "?"})
    """
    pairs = []
    for name, alike in like.items():
        if name not in tokenizer.special_tokens:
            known = ", ".join(tokenizer.special_tokens) or "none"
            raise ValueError(f"{name!r} is not a special token of {tokenizer!r}. Its special tokens: {known}.")
        ids = tokenizer.encode(alike, allowed_special="all")
        if len(ids) != 1:
            raise ValueError(
                f"{name!r} should start out like {alike!r}, but {alike!r} is {len(ids)} tokens. Choose a single token."
            )
        pairs.append((tokenizer.special_tokens[name], ids[0]))
    _grow(model, tokenizer.vocab_size)
    for table in _tables(model):
        table.weight[[new for new, _ in pairs]] = table.weight[[old for _, old in pairs]]


def _tables(model: Transformer) -> list[Any]:
    """Return the layers that have a row for each token."""
    return [model.embed] if model.config.tied_embeddings else [model.embed, model.unembed]


def _grow(model: Transformer, vocab_size: int) -> None:
    more = vocab_size - model.config.vocab_size
    if more <= 0:
        return
    for table in _tables(model):
        mean = table.weight.mean(dim=0, keepdim=True)
        table.weight = nn.Parameter(torch.cat([table.weight, mean.expand(more, -1)]))
    model.embed.num_embeddings = vocab_size
    if not model.config.tied_embeddings:
        model.unembed.out_features = vocab_size
    model.config = dataclasses.replace(model.config, vocab_size=vocab_size)
