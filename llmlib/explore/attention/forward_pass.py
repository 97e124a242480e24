"""Get the patterns and predictions from one forward pass of a model over a text, with some heads switched off."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.explore.attention.long_texts import Patterns, PatternsOfArrays, PatternsOfRun, check_memory, is_long
from llmlib.explore.shared.own_model import own_model
from llmlib.interpret.intervening import ablate
from llmlib.interpret.points import Head, checked_heads
from llmlib.interpret.tracing import trace
from llmlib.transformer import Transformer


class Run(NamedTuple):
    """The results of one forward pass over a text and its continuation."""

    patterns: Float[np.ndarray, "layer head query key"] | Patterns  # a long text's patterns are computed on demand
    probabilities: Float[Tensor, " vocab"]  # for the token after the text
    logprob: float | None  # of the whole continuation, if there is one


def run(
    model: Any,
    ids: list[int],
    n_text: int,
    off: Sequence[Head] = (),
    how: str = "zero",
    progress: Callable[[int], None] = lambda layer: None,
    check: Callable[[], object] = lambda: None,
    *,
    whole: bool = False,
) -> Run:
    """Run a model once on `ids`, where the first `n_text` ids are the text, and the rest are a continuation to score.

    `model` is a `Transformer` or a causal language model from `transformers`. `progress` is called after each layer of
    a long text. `check` is called several times a second, and can end the run by raising an error. With `whole`, all
    patterns are returned at full size, however long the text is. Raises `ValueError` for an empty text.
    """
    if not n_text:
        raise ValueError("A model needs at least one token; write some text.")
    long = not whole and is_long(*_n_heads(model), n_text)
    look = _look_at_ours if isinstance(model, Transformer) else _look_at_theirs
    patterns, logits = look(model, ids, n_text, off, how, progress if long else None, check)
    n_more = len(ids) - n_text
    logprobs = (
        logits[0, -n_more - 1 :].float().log_softmax(-1).cpu()
    )  # for the token after the text, and for each token after that
    following = logprobs[torch.arange(n_more), torch.tensor(ids[n_text:], dtype=torch.long)].sum().item()
    return Run(patterns, logprobs[0].exp(), following if n_more else None)


def check_size(model: Any, n_tokens: int) -> None:
    """Raise `ValueError`, with a message for users, if a text of `n_tokens` tokens needs too much memory."""
    if isinstance(model, Transformer) and is_long(*_n_heads(model), n_tokens):
        on_gpu = model.device.type == "cuda"
        free = torch.cuda.mem_get_info(model.device)[0] if on_gpu else psutil.virtual_memory().available
        check_memory(model.config, n_tokens, model.dtype.itemsize, free)


def check_heads(model: Any, heads: Sequence[Sequence[int]]) -> list[Head]:
    """Return these heads as (layer, head) pairs. Raises `ValueError` for heads that cannot be switched off."""
    if not heads:
        return []
    if not isinstance(model, Transformer):
        raise ValueError("Heads can only be switched off in an llmlib Transformer; load_pretrained returns one.")
    return checked_heads(model, heads)


def _n_heads(model: Any) -> tuple[int, int]:
    c = model.config
    return (c.n_layers, c.n_heads) if isinstance(model, Transformer) else (c.num_hidden_layers, c.num_attention_heads)


def _look_at_ours(
    model: Transformer,
    ids: list[int],
    n_text: int,
    off: Sequence[Head],
    how: str,
    progress: Callable[[int], None] | None,
    check: Callable[[], object],
) -> tuple[Any, Tensor]:
    model = own_model(model, check)
    batch = torch.tensor([ids], dtype=torch.long, device=model.device)
    record = PatternsOfRun(model, ids[:n_text], progress, check) if progress else None
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if off:  # find the means first, because that run of the model should not be recorded
            reference = batch[:, :n_text] if how == "mean" else None
            stack.enter_context(ablate(model, off, "mean" if how == "mean" else "zero", reference))
        seen = None if record else stack.enter_context(trace(model, names=("pattern",)))
        if record:
            stack.enter_context(record.watched())
        logits = model(batch, last_only=len(ids) == n_text)
    return record or _stacked(seen.pattern if seen else (), n_text), logits


def _look_at_theirs(
    model: Any,
    ids: list[int],
    n_text: int,
    off: Sequence[Head],
    how: str,
    progress: Callable[[int], None] | None,
    check: Callable[[], object],
) -> tuple[Any, Tensor]:
    check()  # called only here, before the run: a model from another library cannot be stopped once it runs
    check_heads(model, off)
    with torch.inference_mode():
        batch = torch.tensor([ids], dtype=torch.long, device=model.device)
        output = model(batch, output_attentions=True)
    if not output.attentions or output.attentions[0] is None:
        raise ValueError(
            "This model returns no attention weights. Load it with from_pretrained(…, attn_implementation='eager')."
        )
    if progress:
        return PatternsOfArrays(
            [layer[0, :, :n_text, :n_text] for layer in output.attentions], ids[:n_text]
        ), output.logits
    return _stacked(output.attentions, n_text), output.logits


def _stacked(attentions: Sequence[Tensor], n_text: int) -> Float[np.ndarray, "layer head query key"]:
    return np.stack([layer[0, :, :n_text, :n_text].float().cpu().numpy() for layer in attentions])
