"""Measure how well a model handles long texts: its loss at each position, and how often it finds a hidden needle."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llmlib.evaluation.multiple_choice import log_likelihoods
from llmlib.sampling.logits import log_prob
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer


@torch.inference_mode()
def loss_by_position(
    model: Transformer, ids: Int[Tensor, "batch seq"], batch_size: int = 1
) -> Float[Tensor, "batch seq-1"]:
    """Return −ln p, in nats, of each id except the first in its row.

    The result holds the loss at positions 1, 2, …. Average the result over rows from different texts. Cut the rows from
    the middle of longer texts, so that all positions are equally difficult. Raises `ValueError` for rows with only one
    token, or for ids that the model does not accept.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> loss_by_position(model, torch.tensor([[1, 2, 3, 4]])).shape
    torch.Size([1, 3])
    """
    if ids.shape[1] < 2:
        raise ValueError("A row needs at least two tokens, because the first token is not predicted.")
    parts = [part.to(model.device) for part in ids.split(batch_size)]
    return torch.cat([-log_prob(model(part[:, :-1]), part[:, 1:]).cpu() for part in parts])


def needle_grid(
    model: Transformer,
    tokenizer: Tokenizer,
    haystack: str,
    needles: Sequence[tuple[str, str, str]],
    lengths: Sequence[int],
    depths: Sequence[float | int],
) -> Float[Tensor, "length depth"]:
    """Return how often a model finds a needle in a haystack, for each text length and needle depth.

    A needle consists of a sentence to hide, a question to ask at the end, and the answer. Each text is cut from the
    beginning of `haystack`, and has one of the `lengths`, in tokens. The needle is inserted between two sentences; each
    of the `depths` is the share of the text that comes before the needle. The needle is found if the model's most
    likely continuation is the answer. Source: Kamradt (2023), "Needle in a Haystack"; for the depths, Liu et al.
    (2023), "Lost in the Middle". Raises `ValueError` if there are no needles, or for a depth that is not between 0 and
    1, a haystack that is too short, or a length that leaves no room for the needle.

    >>> from llmlib.pretrained import load_pretrained
    >>> model, tokenizer = load_pretrained("tinytales", dtype="float32")
    >>> needle = (" Pip hid the key.", " Who hid the key?", " Pip")
    >>> needle_grid(model, tokenizer, "The sun was warm. " * 20, [needle], lengths=[40], depths=[0.5]).shape
    torch.Size([1, 1])
    """
    if not all(0 <= depth <= 1 for depth in depths):
        raise ValueError(f"A depth must be a share of the text, from 0 (the start) to 1 (the end), got {list(depths)}.")
    if not needles:
        raise ValueError("There are no needles to look for.")
    hay = tokenizer.encode(haystack)
    ends = [place for place, id in enumerate(hay, start=1) if tokenizer.decode([id]).rstrip()[-1:] in {*".!?"}]
    grid = torch.zeros(len(lengths), len(depths))
    for row, length in enumerate(lengths):
        for column, depth in enumerate(depths):
            for hidden, question, answer in needles:
                prompt, expected = _with_needle(tokenizer, hay, ends, (hidden, question, answer), length, depth)
                grid[row, column] += float(log_likelihoods(model, prompt, [expected])[1][0]) / len(needles)
    return grid


def _with_needle(
    tokenizer: Tokenizer, hay: list[int], ends: list[int], needle: tuple[str, str, str], length: int, depth: float | int
) -> tuple[list[int], list[int]]:
    """Return a text of `length` ids in two parts: everything up to the end of the question, and the answer."""
    hidden, question, answer = map(tokenizer.encode, needle)
    begin = [tokenizer.bos_id] if tokenizer.adds_bos and tokenizer.bos_id is not None else []
    room = length - len(begin) - len(hidden) - len(question) - len(answer)
    if room < 1:
        raise ValueError(
            f"A text of {length} tokens has no room for the needle, its question and its answer. Use a larger length."
        )
    if room > len(hay):
        raise ValueError(
            f"The haystack has {len(hay):,} tokens, but a text of {length:,} tokens needs {room:,}. "
            "Use a longer haystack."
        )
    place = min((end for end in [0, *ends, room] if end <= room), key=lambda end: abs(end - depth * room))
    return [*begin, *hay[:place], *hidden, *hay[place:room], *question], answer
