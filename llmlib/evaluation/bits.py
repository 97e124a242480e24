"""Measure how well a model predicts a text, in a unit that does not depend on the tokenizer."""

import math
from collections.abc import Iterator

import torch

from llmlib.sampling.logits import log_prob
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer


def bits_per_byte(
    model: Transformer,
    tokenizer: Tokenizer,
    text: str,
    window: int | None = None,
    stride: int | None = None,
    batch_size: int = 8,
) -> float:
    """Return a model's bits per byte on a text: −log₂ p, summed over all tokens, divided by the number of UTF-8 bytes.

    The loss per token depends on how long the tokens are. Bits per byte do not, so you can compare models with
    different tokenizers. A model that gives all bytes the same probability needs 8 bits per byte. A window of `window`
    tokens (default: the model's full context length) moves over the text, `stride` tokens at a time (default: half the
    window), so that each token is predicted once, from at least `window - stride` earlier tokens (or from all earlier
    tokens, if there are fewer). If `stride` equals `window`, the result is the same as lm-eval's bits_per_byte. The
    first token of the text is predicted from the tokenizer's special token for the beginning or end of a text; if the
    tokenizer has no such token, the first token and its bytes do not count. Raises `ValueError` for a text that is too
    short, or for an impossible window or stride.

    >>> from llmlib.pretrained import load_pretrained
    >>> model, tokenizer = load_pretrained("tinytales", dtype="float32")
    >>> from llmlib.corpora import tinytales_text
    >>> round(bits_per_byte(model, tokenizer, tinytales_text(1000, split="validation")), 1)
    0.2
    """
    window = model.config.max_seq_len if window is None else window
    stride = max(1, window // 2) if stride is None else stride
    if not 1 <= stride <= window <= model.config.max_seq_len:
        raise ValueError(
            f"Expected 1 ≤ stride ≤ window ≤ {model.config.max_seq_len:,} (the model's context length), but got "
            f"stride={stride} and window={window}."
        )
    ids, start = tokenizer.encode(text), [tokenizer.bos_id, *tokenizer.eos_ids]
    first = next((id for id in start if id is not None), None)
    counted = ids if first is not None else ids[1:]
    if not counted:
        raise ValueError("The text does not contain a token to predict. Use a longer text.")
    ids = ids if first is None else [first, *ids]
    n_bytes = sum(len(tokenizer.token_bytes(id)) for id in counted)
    return surprise(model, ids, window, stride, batch_size) / math.log(2) / n_bytes


@torch.inference_mode()
def surprise(model: Transformer, ids: list[int], window: int, stride: int, batch_size: int = 8) -> float:
    """Return the sum of −ln p, in nats, over all ids except the first, with a window as in `bits_per_byte`."""
    total, found = 0.0, list(windows(len(ids) - 1, window, stride))  # all windows have the same width
    for at in range(0, len(found), batch_size):
        part = found[at : at + batch_size]
        rows = torch.tensor([ids[begin : end + 1] for begin, _, end in part], device=model.device)
        log_probs = log_prob(model(rows[:, :-1]), rows[:, 1:]).cpu().double()
        total -= sum(row[scored - end :].sum().item() for row, (_, scored, end) in zip(log_probs, part))
    return total


def windows(n: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Yield (begin, scored, end) for each window.

    In a window, ids `begin` to `end` are read, and the ids after `scored` are scored. Each id from 1 to n is scored
    once; id 0 is only read.

    >>> list(windows(7, window=4, stride=2))
    [(0, 0, 4), (2, 4, 6), (3, 6, 7)]
    """
    end = min(window, n)
    yield 0, 0, end
    while end < n:
        scored, end = end, min(end + stride, n)
        yield end - window, scored, end
