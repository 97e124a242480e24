"""Turn messages into ids, and find the ids that a model should learn to write.

A model can tell the speakers apart only by the special tokens in the chat template, so nothing that a speaker writes
may ever turn into a special token.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import Any

from llmlib.chat.templates import Message, render
from llmlib.tokenization.base import Tokenizer, any_of, without_surrogates

UNLIKELY = (*range(0xFDD0, 0xFDF0), *range(0xF0000, 0xFFFFE))  # noncharacters, then private-use characters
MARKED = re.compile(r"\{%[-+]?\s*generation\b")
NOTHING = re.compile(r"(?!)")

Run = tuple[str, bool]  # a text, and whether the assistant says it


def encode_chat(
    tokenizer: Tokenizer, messages: str | Sequence[Message], add_generation_prompt: bool = True
) -> list[int]:
    """Return the ids of a conversation, formatted with the model's chat template and ready for the model's answer.

    Special tokens come only from the template, so `<|im_start|>` inside a message stays ordinary text. Without
    `add_generation_prompt`, the text ends after the last message. Raises the same errors as `chat`.
    """
    conversation = _checked(tokenizer, messages)
    (guard,) = _unused_characters(conversation, 1)
    text = render(tokenizer, _guarded(tokenizer, conversation, guard), add_generation_prompt)
    return tokenizer.encode_parts(_parts(tokenizer, text, guard))


def encode_chat_with_mask(tokenizer: Tokenizer, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
    """Return the ids of a whole conversation, as `encode_chat` does, and a mask that is True for the assistant's ids.

    The mask is True for every token that contains any part of what the assistant says, and for the token that ends the
    assistant's turn, because the model has to write these tokens itself. The mask is False for the turn's header,
    because the model is given the header. If the template marks the answers with `{% generation %}` and
    `{% endgeneration %}`, we use these markers. Otherwise we work out where the answers are: an answer begins right
    after the text that prompts the model for it, and ends with the first end token after that (or, if the tokenizer has
    no end tokens, with the last special token of the turn).

    Raises the same errors as `encode_chat`, and `ValueError` for a conversation where user and assistant do not take
    turns (see `check_turns`) or for a template that does not show where its answers are.

    >>> from llmlib.chat.templates import CHATML
    >>> from llmlib.tokenization import BPETokenizer
    >>> tokenizer = BPETokenizer.train("", 258, ["<|im_start|>", "<|im_end|>"])
    >>> tokenizer = with_chat_template(tokenizer, CHATML)
    >>> said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
    >>> ids, mask = encode_chat_with_mask(tokenizer, said)
    >>> tokenizer.decode(id for id, counts in zip(ids, mask) if counts)
    'Hello!<|im_end|>'
    """
    conversation = _checked(tokenizer, messages)
    check_turns(conversation)
    guard, begin, end = _unused_characters(conversation, 3)
    guarded = _guarded(tokenizer, conversation, guard)
    if MARKED.search(tokenizer.chat_template or ""):
        text = render(tokenizer, guarded, False, begin, end)
    else:
        text = _marked_by_prefixes(tokenizer, guarded, begin, end)
    return _ids_and_mask(tokenizer, _parts(tokenizer, text, guard), begin, end)


def check_turns(messages: Sequence[Message]) -> None:
    """Raise `ValueError` unless user and assistant take turns, starting with a question and ending with an answer.

    One system message may come first. The error gives the number of the message that is out of turn, counting from 0.

    >>> check_turns([{"role": "user", "content": "Hi"}, {"role": "user", "content": "Hello?"}])
    Traceback (most recent call last):
        ...
    ValueError: Message 1 is from 'user', but should be from 'assistant': user and assistant must take turns.
    """
    first = 1 if messages and messages[0]["role"] == "system" else 0
    for number, message in enumerate(messages[first:], start=first):
        expected = "assistant" if (number - first) % 2 else "user"
        if message["role"] != expected:
            raise ValueError(
                f"Message {number} is from {message['role']!r}, but should be from {expected!r}: user and "
                "assistant must take turns."
            )
    if len(messages) < first + 2 or (len(messages) - first) % 2:
        raise ValueError(
            f"The conversation ends with message {len(messages) - 1}, from {messages[-1]['role']!r}, which has no "
            "answer. Add the assistant's answer, or leave the message out."
        )


def with_chat_template(tokenizer: Tokenizer, template: str) -> Tokenizer:
    """Return a copy of a tokenizer with a different chat template, such as `CHATML`.

    The token that ends an answer in the template becomes an end token (the first in `eos_ids`). Raises `ValueError` for
    a template that does not work, or that uses a `<|name|>` that is not one of the tokenizer's special tokens,
    because such a name would be ordinary text that anybody can type.
    """
    missing = sorted(set(re.findall(r"<\|\w+\|>", template)) - tokenizer.special_tokens.keys())
    if missing:
        raise ValueError(
            f"The template uses {', '.join(missing)}, but {tokenizer!r} has no such special tokens. Add them "
            f"first: tokenizer.with_special_tokens({missing})."
        )
    extended = copy.copy(tokenizer)
    extended.chat_template = template
    ids, mask = encode_chat_with_mask(
        extended, [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    )
    last = [id for id, counts in zip(ids, mask) if counts][-1:]
    ends = [id for id in last if id in tokenizer.special_tokens.values()]
    extended.eos_ids = tuple(dict.fromkeys((*ends, *tokenizer.eos_ids)))
    return extended


def _checked(tokenizer: Tokenizer, messages: str | Sequence[Message]) -> list[dict[str, str]]:
    if tokenizer.chat_template is None:
        raise ValueError(
            f"{tokenizer!r} has no chat template: its model was not tuned for conversations. "
            "Continue a text with `generate` instead, or load a model with 'instruct' or 'chat' in its name. "
            "To tune the model yourself, add a template: llmlib.chat.with_chat_template(tokenizer, …)."
        )
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not messages:
        raise ValueError("There is no message to answer. Pass at least one {'role': 'user', 'content': '…'}.")
    for number, message in enumerate(messages):
        for field in ("role", "content"):
            if not isinstance(message, Mapping) or not isinstance(message.get(field), str):
                raise ValueError(
                    f"Message {number} is {message!r}; expected a dictionary with string values for 'role' and "
                    "'content', such as {'role': 'user', 'content': 'Hello'}."
                )
    # Lone surrogates are not valid Unicode; replace them as `Tokenizer.encode` does.
    clean = without_surrogates
    return [{"role": clean(message["role"]), "content": clean(message["content"])} for message in messages]


def _unused_characters(conversation: list[dict[str, str]], n: int) -> list[str]:
    used = set().union(*(text for message in conversation for text in message.values()))
    return list(islice((character for character in map(chr, UNLIKELY) if character not in used), n))


def _specials(tokenizer: Tokenizer) -> Any:
    return any_of(tuple(tokenizer.special_tokens)) if tokenizer.special_tokens else NOTHING


def _guarded(tokenizer: Tokenizer, conversation: list[dict[str, str]], guard: str) -> list[dict[str, str]]:
    """Put a guard character into whatever looks like a special token, so that `_parts` does not take it for one."""
    special = _specials(tokenizer)
    return [
        {field: special.sub(lambda match: match[0][0] + guard + match[0][1:], text) for field, text in message.items()}
        for message in conversation
    ]


def _parts(tokenizer: Tokenizer, text: str, guard: str) -> list[str | int]:
    """Return the ids of the template's special tokens and the texts between them, without guard characters."""
    parts: list[str | int] = []
    start = 0
    for match in _specials(tokenizer).finditer(text):
        parts += [text[start : match.start()].replace(guard, ""), tokenizer.special_tokens[match[0]]]
        start = match.end()
    return [*parts, text[start:].replace(guard, "")]


def _marked_by_prefixes(tokenizer: Tokenizer, messages: list[dict[str, str]], begin: str, end: str) -> str:
    """Return the conversation as the template writes it, with the markers `begin` and `end` around each answer."""
    text = render(tokenizer, messages, False)
    numbers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    asked = [render(tokenizer, messages[:number], True) for number in numbers]  # the text before each answer
    marked, done = "", 0
    for number, before, following in zip(numbers, asked, [*asked[1:], text]):
        through = render(tokenizer, messages[: number + 1], False)
        whole = text.startswith(through)  # whether this turn looks the same when more turns follow
        stop = _end_of_answer(tokenizer, text, len(before), len(through) if whole else len(following), whole)
        if not text.startswith(before) or stop < len(before):
            raise ValueError(
                f"This chat template does not show where the answer in message {number} begins and ends: it renders "
                "the turn one way when it prompts for the answer, and another way when the answer is included. In the "
                "template, put {% generation %} and {% endgeneration %} around the assistant's part."
            )
        marked += text[done : len(before)] + begin + text[len(before) : stop] + end
        done = stop
    return marked + text[done:]


def _end_of_answer(tokenizer: Tokenizer, text: str, start: int, limit: int, whole: bool) -> int:
    """Return where an answer ends.

    An answer ends at the first end token, if there is one. Otherwise, the answer ends at the last special token of the
    turn, or at the end of the turn if the turn has no special token. If there is no end token and `whole` is False,
    return -1, because we do not know where the turn ends.
    """
    found = list(_specials(tokenizer).finditer(text, start, limit))
    ends = [match for match in found if tokenizer.special_tokens[match[0]] in tokenizer.eos_ids]
    if ends:
        return ends[0].end()
    if not whole:
        return -1
    return found[-1].end() if found else limit


def _ids_and_mask(tokenizer: Tokenizer, parts: list[str | int], begin: str, end: str) -> tuple[list[int], list[bool]]:
    """Return the ids of all parts, and a mask that is True for what the assistant writes.

    Each text is encoded whole, as in a chat, and the mask is True for a token if the assistant writes any of its bytes.
    """
    runs = list(_runs(parts, begin, end))
    wholes = [
        part if isinstance(part, int) else "".join(text for text, _ in of_part) for part, of_part in zip(parts, runs)
    ]
    ids: list[int] = []
    mask: list[bool] = []
    for whole, of_part, encoded in zip(wholes, runs, tokenizer.encode_each(wholes)):
        if isinstance(whole, int):
            counts = [of_part[0][1]]
        else:
            encoded, counts = _counting(tokenizer, encoded, of_part)
        ids += encoded
        mask += counts
    return ids, mask


def _runs(parts: list[str | int], begin: str, end: str) -> Iterator[list[Run]]:
    """For each part, yield its texts, split at the markers.

    Each text is paired with True if it is between `begin` and `end`, and with False otherwise.
    """
    counts = False
    for part in parts:
        runs = []
        for piece in re.split(f"([{begin}{end}])", part) if isinstance(part, str) else [""]:
            if piece in (begin, end):
                counts = piece == begin
            else:
                runs.append((piece, counts))
        yield runs


def _counting(tokenizer: Tokenizer, ids: list[int], runs: list[Run]) -> tuple[list[int], list[bool]]:
    """Return the ids, and for each id whether the assistant writes any of its bytes."""
    text = "".join(text for text, _ in runs).encode()
    tokens = [tokenizer.token_bytes(id) for id in ids]
    if not (written := b"".join(tokens)).endswith(text):  # a character was replaced: encode each run separately
        apart = [(id, counts) for text, counts in runs for id in tokenizer.encode_parts([text])]
        return [id for id, _ in apart], [counts for _, counts in apart]
    counted = b"".join(bytes([counts]) * len(text.encode()) for text, counts in runs)
    counted = counted[:1] * (len(written) - len(text)) + counted  # SentencePiece writes a space before a text
    ends = accumulate(map(len, tokens))
    return ids, [1 in counted[stop - len(token) : stop] for token, stop in zip(tokens, ends)]
