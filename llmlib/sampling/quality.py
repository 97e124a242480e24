"""How texts are judged by numbers: do they repeat themselves, or each other, and how surprising are they to a model?

All of them take texts as sequences of anything that can be compared: ids, words, characters. Numbers of texts that
differ in length or in how many they are cannot be compared: the longer a text, the more often it has to repeat itself.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import exp, log

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.transformer import Transformer

Text = Sequence[Hashable]
NEARLY_NONE = 0.1  # what BLEU counts in place of no match at all, so that its logarithm exists


def distinct_n(texts: Sequence[Text], n: int = 2) -> float:
    """How many different n-grams there are in all texts together, as a share of all: 1 if none comes twice.

    It falls if a text repeats itself, and if texts repeat each other. Source: Li et al. (2016), "A Diversity-Promoting
    Objective Function for Neural Conversation Models", who divide by the number of tokens instead, which hardly differs
    for long texts. Raises `ValueError` if no text has `n` parts.

    >>> distinct_n(["abab", "abc"], n=2)  # ab, ba, ab; ab, bc
    0.6
    """
    grams = [gram for text in texts for gram in _n_grams(text, n)]
    if not grams:
        raise ValueError(f"No text is long enough for n-grams of {n}: give longer texts, or a smaller n.")
    return len(set(grams)) / len(grams)


def repetition(text: Text, n: int = 4) -> float:
    """The share of a text's n-grams that have come before in it: 0 if it never repeats itself.

    Source: Welleck et al. (2020), "Neural Text Generation with Unlikelihood Training". Raises as `distinct_n`.

    >>> repetition("abcabcabc", n=3)  # abc, bca, cab, and then abc, bca, cab, abc again
    0.5714285714285714
    """
    return 1 - distinct_n([text], n)


def self_bleu(texts: Sequence[Text], n: int = 4) -> float:
    """How much texts repeat each other: the mean BLEU of each against all others, 1 if all are the same.

    BLEU (Papineni et al., 2002) is the geometric mean, over n-grams of 1 to `n`, of the share of a text's n-grams that
    a reference has as well (as often as in one of them, at most), made smaller if the text is shorter than the
    reference closest in length. No match counts as 0.1 matches, as in the first smoothing of Chen and Cherry (2014).
    Source: Zhu et al. (2018), "Texygen". Raises `ValueError` for fewer than two texts, one shorter than `n`, and `n`
    below 1.

    >>> round(self_bleu(["abcd", "abce"], n=2), 3)  # √(3/4 · 2/3)
    0.707
    """
    if n < 1 or len(texts) < 2 or min(map(len, texts)) < n:
        raise ValueError(f"self_bleu needs an n from 1 on, got {n}, and two texts or more, each with n parts or more.")
    scores = []
    for number, text in enumerate(texts):
        others = [*texts[:number], *texts[number + 1 :]]
        shares = [_matched(text, others, length) for length in range(1, n + 1)]
        closest = min((len(other) for other in others), key=lambda length: (abs(length - len(text)), length))
        brevity = min(0.0, 1 - closest / len(text))
        scores.append(exp(brevity + sum(map(log, shares)) / n))
    return sum(scores) / len(scores)


def _matched(text: Text, references: Sequence[Text], n: int) -> float:
    """The share of the text's n-grams that the references have: each counts as often as in one of them, at most."""
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
    """The model's log-probability of each token but the first, after those before it, in float32.

    `attention_mask` is False at padding (on the left); what is said of padding means nothing.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> log_probs_of(model, torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 2])
    """
    ids = ids.to(model.device)
    logits = model(ids[:, :-1], attention_mask=None if attention_mask is None else attention_mask[:, :-1])
    return logits.float().log_softmax(dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)


def perplexity(log_probs: Float[Tensor, "*batch seq"]) -> Float[Tensor, "*batch"]:
    """e to the power of the mean surprise: among how many equally likely tokens the model has had to choose.

    Low is likely, which is not the same as good: what a model itself writes at a low temperature has less than what
    people write. Source: Jelinek et al. (1977), "Perplexity: a measure of the difficulty of speech recognition tasks".

    >>> perplexity(torch.tensor([0.5, 0.125]).log())  # √(2 · 8)
    tensor(4.)
    """
    return (-log_probs.mean(dim=-1)).exp()
