"""Measure texts: do they repeat themselves or each other, and how surprising are they to a model?

A text is a sequence of anything that can be compared, such as ids, words or characters. Compare these numbers only
between texts of the same length, and between sets with the same number of texts: the more text there is, the more
repetition is inevitable.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import exp, log

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.sampling.logits import log_prob
from llmlib.transformer import Transformer

Text = Sequence[Hashable]
NEARLY_NONE = 0.1  # BLEU counts this many matches instead of 0, because 0 has no logarithm


def distinct_n(texts: Sequence[Text], n: int = 2) -> float:
    """Return the share of distinct n-grams among all n-grams of the texts (1 if no n-gram occurs twice).

    The share falls if a text repeats itself, or if texts repeat each other. Source: Li et al. (2016), "A
    Diversity-Promoting Objective Function for Neural Conversation Models", who divide by the number of tokens instead;
    for long texts that makes hardly any difference. Raises `ValueError` if every text is shorter than `n`.

    >>> distinct_n(["abab", "abc"], n=2)  # ab, ba, ab; ab, bc
    0.6
    """
    grams = [gram for text in texts for gram in _n_grams(text, n)]
    if not grams:
        raise ValueError(f"No text is long enough for n-grams with n={n}: use longer texts, or a smaller n.")
    return len(set(grams)) / len(grams)


def repetition(text: Text, n: int = 4) -> float:
    """Return the share of a text's n-grams that occurred earlier in the same text (0 if it never repeats itself).

    Source: Welleck et al. (2020), "Neural Text Generation with Unlikelihood Training". Raises the same error as
    `distinct_n`.

    >>> repetition("abcabcabc", n=3)  # abc, bca, cab, and then abc, bca, cab, abc again
    0.5714285714285714
    """
    return 1 - distinct_n([text], n)


def self_bleu(texts: Sequence[Text], n: int = 4) -> float:
    """Return how much texts repeat each other, as the mean BLEU of each text against all others.

    The result is 1 if all texts are the same. BLEU (Papineni et al., 2002) looks at n-grams of lengths 1 to `n`. For
    each length it takes the share of a text's n-grams that also occur in a reference (an n-gram counts at most as often
    as it occurs in any one reference), and then takes the geometric mean over lengths. The result is reduced if the
    text is shorter than the reference closest in length. If there is no match, 0.1 matches are counted, as in the first
    smoothing of Chen and Cherry (2014). Source: Zhu et al. (2018), "Texygen". Raises `ValueError` for fewer than two
    texts, a text shorter than `n`, and `n` below 1.

    >>> round(self_bleu(["abcd", "abce"], n=2), 3)  # √(3/4 · 2/3)
    0.707
    """
    if n < 1 or len(texts) < 2 or min(map(len, texts)) < n:
        raise ValueError(
            f"self_bleu needs at least two texts, each with a length of at least n; n must be 1 or more, got n={n}."
        )
    scores = []
    for number, text in enumerate(texts):
        others = [*texts[:number], *texts[number + 1 :]]
        shares = [_matched(text, others, length) for length in range(1, n + 1)]
        closest = min((len(other) for other in others), key=lambda length: (abs(length - len(text)), length))
        brevity = min(0.0, 1 - closest / len(text))
        scores.append(exp(brevity + sum(map(log, shares)) / n))
    return sum(scores) / len(scores)


def _matched(text: Text, references: Sequence[Text], n: int) -> float:
    """Return the share of a text's n-grams that also occur in a reference.

    An n-gram counts at most as often as it occurs in any one reference.
    """
    most: Counter = Counter()
    for reference in references:
        most |= Counter(_n_grams(reference, n))
    counts = Counter(_n_grams(text, n))
    return ((counts & most).total() or NEARLY_NONE) / counts.total()


def _n_grams(text: Text, n: int) -> list[tuple[Hashable, ...]]:
    if n < 1:
        raise ValueError(f"n must be 1 or more, got {n}.")
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]


@torch.inference_mode()
def log_probs_of(
    model: Transformer,
    ids: Int[Tensor, "batch seq"],
    attention_mask: Bool[Tensor, "batch seq"] | None = None,
) -> Float[Tensor, "batch seq-1"]:
    """Return the model's log-probability, in float32, of each token except the first, given the tokens before it.

    This function is for measuring, so it does not keep anything for gradients; `llmlib.preferences.log_probs_of` is for
    losses, and returns the entropy as well. `attention_mask` is False at padding (on the left); ignore the values
    there.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> log_probs_of(model, torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 2])
    """
    ids = ids.to(model.device)
    logits = model(ids[:, :-1], attention_mask=None if attention_mask is None else attention_mask[:, :-1])
    return log_prob(logits, ids[:, 1:])


def perplexity(log_probs: Float[Tensor, "*batch seq"]) -> Float[Tensor, "*batch"]:
    """Return exp(mean surprise); the model is as unsure as if this many tokens were equally likely.

    A low perplexity means that a text is likely, not that it is good: a model's own text at a low temperature has a
    lower perplexity than text that people wrote. Source: Jelinek et al. (1977), "Perplexity: a measure of the
    difficulty of speech recognition tasks".

    >>> perplexity(torch.tensor([0.5, 0.125]).log())  # √(2 · 8)
    tensor(4.)
    """
    return (-log_probs.mean(dim=-1)).exp()
