"""Conversations: how messages become one text that a chat model continues.

A chat model was tuned on conversations written in one fixed format, its chat template, in which special
tokens mark who speaks. They are the model's only way to tell the speakers apart, so nothing that a
speaker writes may ever turn into one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from llmlib.sampling import Sampler, generate
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer

Message = Mapping[str, Any]  # "role" and "content", both texts
UNLIKELY = (*range(0xFDD0, 0xFDF0), *range(0xF0000, 0xFFFFE))  # never text, Unicode promises; then private ones
# As in the model card of SmolLM2. Of 48 answers to four simple questions it gets 34 right, at temperature 1 only 16.
CHAT_SAMPLER = Sampler(temperature=0.2, top_p=0.9)


def chat(
    model: Transformer,
    tokenizer: Tokenizer,
    messages: str | Sequence[Message],
    max_new_tokens: int = 256,
    sampler: Sampler = CHAT_SAMPLER,
    seed: int | None = None,
) -> Iterator[str]:
    """Answer the last message, yielding pieces of text as they come.

    `messages` is a list of `{"role": "user", "content": "…"}`, the roles being those of the model's chat
    template (usually system, user, assistant); a `str` is one message of the user. The default `sampler`
    seldom takes an unlikely token, after which a small model easily goes astray. Stop it when you like, with
    `break` or an interrupt: nothing of the model has changed. Raises `ValueError` for messages without role or
    content, a tokenizer without a chat template, or a conversation longer than the context.

        for piece in chat(model, tokenizer, "What is the capital of France?"):
            print(piece, end="")
    """
    ids = encode_chat(tokenizer, messages)
    ends = {*tokenizer.eos_ids, *model.config.end_ids}
    return tokenizer.decode_stream(generate(model, ids, max_new_tokens, sampler, seed, end_ids=sorted(ends)))


def encode_chat(
    tokenizer: Tokenizer, messages: str | Sequence[Message], add_generation_prompt: bool = True
) -> list[int]:
    """The ids of a conversation in the model's chat template, ready for the answer.

    Special tokens come from the template alone: `<|im_start|>` inside a message stays ordinary text. Without
    `add_generation_prompt` the text ends after the last message, as training needs it. Raises as `chat` does.
    """
    if tokenizer.chat_template is None:
        raise ValueError(
            f"{tokenizer!r} has no chat template: its model was not tuned for conversations. "
            "Continue a text with `generate` instead, or load a model whose name says 'instruct' or 'chat'."
        )
    conversation = _checked(messages)
    guard = _unused_character(conversation)
    special = sorted(tokenizer.special_tokens, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, special)) or r"(?!)")
    # A guard inside each look-alike hides it from the search for special tokens below.
    guarded = [
        {field: pattern.sub(lambda match: match[0][0] + guard + match[0][1:], text) for field, text in message.items()}
        for message in conversation
    ]
    text = _render(tokenizer, guarded, add_generation_prompt)
    parts: list[str | int] = []
    start = 0
    for match in pattern.finditer(text):
        parts += [text[start : match.start()].replace(guard, ""), tokenizer.special_tokens[match[0]]]
        start = match.end()
    return tokenizer.encode_parts([*parts, text[start:].replace(guard, "")])


def _checked(messages: str | Sequence[Message]) -> list[dict[str, str]]:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not messages:
        raise ValueError("There is no message to answer. Give at least one {'role': 'user', 'content': '…'}.")
    for number, message in enumerate(messages):
        for field in ("role", "content"):
            if not isinstance(message, Mapping) or not isinstance(message.get(field), str):
                raise ValueError(
                    f"Message {number} is {message!r}; expected a dictionary with the texts 'role' and 'content', "
                    "such as {'role': 'user', 'content': 'Hello'}."
                )
    # Lone surrogates are no Unicode; the same replacement as in `Tokenizer.encode`.
    clean = lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # noqa: E731
    return [{"role": clean(message["role"]), "content": clean(message["content"])} for message in messages]


def _unused_character(conversation: list[dict[str, str]]) -> str:
    used = set().union(*(text for message in conversation for text in message.values()))
    return next(character for character in map(chr, UNLIKELY) if character not in used)


def _render(tokenizer: Tokenizer, messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
    import jinja2

    named = {id: text for text, id in tokenizer.special_tokens.items()}
    try:
        return _template(tokenizer.chat_template or "").render(
            messages=messages,
            add_generation_prompt=add_generation_prompt,
            bos_token=named.get(tokenizer.bos_id, "") if tokenizer.bos_id is not None else "",
            eos_token=named.get(tokenizer.eos_ids[0], "") if tokenizer.eos_ids else "",
        )
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(
            f"The model's chat template is damaged (line {error.lineno}: {error}). Download the tokenizer again."
        ) from error
    except jinja2.TemplateError as error:
        raise ValueError(f"The model's chat template refuses these messages: {error}") from error
    except Exception as error:  # a template is a program, and may fail in any way
        raise ValueError(f"The model's chat template cannot take these messages ({error!r}).") from error


@lru_cache(maxsize=8)
def _template(source: str) -> Any:
    """Compiled in a sandbox: a template comes with somebody's weights, and must not reach this machine."""
    from jinja2.exceptions import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)  # some tell the model the date
    return environment.from_string(source)
