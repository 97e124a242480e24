"""Show what tuning changed: a colour shows how much likelier each token of a conversation became."""

from collections.abc import Sequence

import numpy as np
import torch

from llmlib.chat import Message, encode_chat
from llmlib.explore.shared.checks import check_length
from llmlib.explore.shared.token_texts import bytes_of, token_texts
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.tuning.moves import Expected, look, nothing
from llmlib.widgets.tuning.view import Span, TuningView

AT_ONCE = 256  # number of tokens whose logits are held at once: 50 MB with SmolLM2's vocabulary


def explore_tuning(
    messages: str | Sequence[Message],
    base: Transformer,
    tuned: Transformer,
    tokenizer: Tokenizer,
    *,
    mask: Sequence[bool] | None = None,
    titles: tuple[str, str] = ("base", "tuned"),
    tuned_tokenizer: Tokenizer | None = None,
) -> TuningView:
    """Show how much likelier each token of a conversation is under the tuned model, in nats.

    The number for a token is its log-probability under the tuned model minus its log-probability under the base model.
    `mask` has a flag for each id of `encode_chat(tokenizer, messages, add_generation_prompt=False)`: True if the model
    was trained on the token. For a model with an adapter, the base is `lora.base()`. Raises `ValueError` if an id
    stands for different tokens in the two models or tokenizers, if the conversation is longer than a model's context,
    if the mask has the wrong length, and for the same reasons as `encode_chat`.

    >>> from llmlib.tokenization import BPETokenizer
    >>> from llmlib.transformer import TransformerConfig
    >>> tokenizer = BPETokenizer.train("hi", vocab_size=256)
    >>> tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    >>> config = TransformerConfig(256, max_seq_len=16, d_model=16, n_layers=1, n_heads=2)
    >>> model = Transformer(config)
    >>> explore_tuning("hi", model, model, tokenizer).moves().tolist()
    [nan, 0.0]
    """
    if tuned_tokenizer is not None:
        _check_same(tokenizer, tuned_tokenizer)
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    ids = encode_chat(tokenizer, messages, add_generation_prompt=False)
    for title, model in zip(titles, (base, tuned)):
        _check_ids(title, model, tokenizer, ids)
        check_length(len(ids), model.config.max_seq_len, "Shorten the conversation.")
    expected = _read(base, ids), _read(tuned, ids)
    named = np.unique(np.concatenate([one.top for one in expected])).tolist()
    words = dict(zip(named, token_texts(tokenizer, named)))
    view = TuningView(titles=list(titles))
    spans = _spans(tokenizer, messages, ids)
    view.put(token_texts(tokenizer, ids), expected, words, spans, None if mask is None else list(mask))
    return view


def _check_same(one: Tokenizer, other: Tokenizer) -> None:
    """Raise `ValueError` if an id stands for different tokens in the two tokenizers."""
    for id in range(max(one.vocab_size, other.vocab_size)):
        a, b = bytes_of(one, id), bytes_of(other, id)
        if a != b:
            raise ValueError(
                "Only models with the same tokenizer can be compared token by token, but these two have different "
                f"tokenizers: id {id} is {a!r} for the base model and {b!r} for the tuned one."
            )


def _check_ids(title: str, model: Transformer, tokenizer: Tokenizer, ids: Sequence[int]) -> None:
    size = model.config.vocab_size
    if unknown := [id for id in ids if id >= size]:
        (text,) = token_texts(tokenizer, unknown[:1])
        raise ValueError(
            f"The conversation contains the token {text!r} (id {unknown[0]}), but the model {title!r} has only "
            f"{size:,} ids. Either this model was made for a different tokenizer, or its embedding table has no rows "
            "for the tokens that the chat format adds. Only models with the same tokenizer can be compared token by "
            "token."
        )


@torch.inference_mode()
def _read(model: Transformer, ids: Sequence[int]) -> Expected:
    """Compute what a model predicted at each position, without holding all the logits for a long text in memory."""
    expected, cache = nothing(len(ids), model.config.vocab_size), model.new_cache(max_seq_len=len(ids))
    for at in range(0, len(ids) - 1, AT_ONCE):
        part = list(ids[at : min(at + AT_ONCE, len(ids) - 1)])  # no token follows the last one
        logits = model(torch.tensor([part], device=model.device), cache=cache)[0].float().cpu().numpy()
        look(expected, at + 1, logits, np.asarray(ids[at + 1 : at + 1 + len(part)], dtype=np.int64))
    return expected


def _spans(tokenizer: Tokenizer, messages: Sequence[Message], ids: Sequence[int]) -> list[Span]:
    """Find the tokens that the template writes for each message, including special tokens.

    A message ends where the conversation up to this message would end. If a template looks ahead, this rule does not
    hold, and the message is shown together with the next message.
    """
    spans: list[Span] = []
    start, roles = _before_the_first(tokenizer, messages[0]), list[str]()
    if start:
        spans.append(("the template’s own", 0, start))
    for number, message in enumerate(messages, 1):
        roles.append(str(message["role"]))
        known = ids if number == len(messages) else _encoded(tokenizer, messages[:number])
        if known and list(ids[: len(known)]) == list(known) and len(known) > start:
            spans.append((" + ".join(roles), start, len(known)))
            start, roles = len(known), []
    return spans


def _encoded(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    try:
        return encode_chat(tokenizer, messages, add_generation_prompt=False)
    except ValueError:  # a template may refuse the beginning of a conversation
        return []


def _before_the_first(tokenizer: Tokenizer, first: Message) -> int:
    """Count the tokens that a template puts before the first message, such as a default system prompt.

    These tokens are the same whatever the message's role is. The special token that begins the message is not counted.
    """
    other = "assistant" if first["role"] == "user" else "user"
    one, two = (_encoded(tokenizer, [{**first, "role": role}]) for role in (first["role"], other))
    same = next((k for k, (a, b) in enumerate(zip(one, two)) if a != b), 0)
    return same - (same > 0 and one[same - 1] in tokenizer.special_tokens.values())
