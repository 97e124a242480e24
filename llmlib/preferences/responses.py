"""Make batches of prompts and answers for any training loop, with only the answers' tokens as targets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from llmlib.chat import Message, encode_chat_with_mask
from llmlib.tokenization.base import Tokenizer
from llmlib.training.loss import IGNORED


class ResponseBatch(NamedTuple):
    """Prompts with their answers, padded on the right.

    `labels[:, t]` is the token after `ids[:, t]` if this token belongs to the answer, and -100 (`IGNORED`) otherwise;
    `mask` is True where a label is not ignored. So the loss is `cross_entropy(model(batch.ids[:, :-1]), batch.labels)`,
    and an answer's log-probability is `masked_sum(log_probs_of(model, batch.ids).log_probs, batch.mask)`.
    """

    ids: Int[Tensor, "batch seq"]
    labels: Int[Tensor, "batch target"]  # `target` is one shorter than `seq`
    mask: Bool[Tensor, "batch target"]


def response_batch(
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    *,
    pad_id: int = 0,
    max_len: int | None = None,
    device: Any = None,
) -> ResponseBatch:
    """Make a batch in which each row contains the ids of a prompt and its answer.

    A row with more than `max_len` tokens is truncated, so it loses the end of the answer. Raises `ValueError` if there
    are no rows, if the two lists have different lengths, if a prompt is empty (nothing would predict the first token of
    the answer), or if no token of the answer is left in a row.

    >>> batch = response_batch([[1, 2, 3], [1]], [[7, 8], [9]])
    >>> batch.ids.tolist(), batch.labels.tolist()
    ([[1, 2, 3, 7, 8], [1, 9, 0, 0, 0]], [[-100, -100, 7, 8], [9, -100, -100, -100]])
    """
    if len(prompts) != len(responses) or not len(prompts):
        raise ValueError(
            f"There are {len(prompts)} prompts and {len(responses)} responses. Pass one response for each prompt."
        )
    rows: list[tuple[list[int], int]] = []  # each row's ids, and where its response begins
    for number, (prompt, response) in enumerate(zip(prompts, responses)):
        if not len(prompt):
            raise ValueError(f"Prompt {number} is empty, so nothing predicts the first token of its response.")
        row = [*prompt, *response][:max_len]
        if len(row) <= len(prompt):
            why = f"max_len={max_len} leaves no room for them" if len(response) else "the response is empty"
            raise ValueError(f"Row {number} has no response tokens, because {why}.")
        rows.append((row, len(prompt)))
    width = max(len(row) for row, _ in rows)
    ids = torch.full((len(rows), width), pad_id)
    labels = torch.full((len(rows), width - 1), IGNORED)
    for number, (row, begin) in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        labels[number, begin - 1 : len(row) - 1] = ids[number, begin : len(row)]
    ids, labels = ids.to(device), labels.to(device)
    return ResponseBatch(ids, labels, labels != IGNORED)


def encode_apart(tokenizer: Tokenizer, prompt: str | Sequence[Message], response: str) -> tuple[list[int], list[int]]:
    """Return the ids of a prompt in the chat template, up to the beginning of the answer, and the ids of the answer.

    The answer ends with the token that ends the assistant's turn. Raises `ValueError` for the same reasons as
    `encode_chat_with_mask`.

    >>> from llmlib.chat import CHATML, with_chat_template
    >>> from llmlib.tokenization import BPETokenizer
    >>> tokenizer = with_chat_template(BPETokenizer.train("", 258, ["<|im_start|>", "<|im_end|>"]), CHATML)
    >>> prompt, response = encode_apart(tokenizer, "Hi", "Hello!")
    >>> tokenizer.decode(response)
    'Hello!<|im_end|>'
    """
    messages: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    ids, mask = encode_chat_with_mask(tokenizer, [*messages, {"role": "assistant", "content": response}])
    end = len(mask) - mask[::-1].index(True)
    begin = end - [*mask[:end][::-1], False].index(False)
    return ids[:begin], ids[begin:end]
