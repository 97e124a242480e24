"""Let a chat model answer messages."""

from collections.abc import Iterable, Iterator, Sequence

from llmlib.chat.encoding import encode_chat
from llmlib.chat.templates import Message
from llmlib.sampling import Sampler, generate
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer

# From SmolLM2's model card. With this sampler, 34 of SmolLM2's 48 answers to four simple questions are right; at
# temperature 1, only 16 are.
CHAT_SAMPLER = Sampler(temperature=0.2, top_p=0.9)


def chat(
    model: Transformer,
    tokenizer: Tokenizer,
    messages: str | Sequence[Message],
    max_new_tokens: int = 256,
    sampler: Sampler = CHAT_SAMPLER,
    seed: int | None = None,
) -> Iterator[str]:
    """Answer the last message, yielding pieces of text as they are written, with no white space before the first word.

    `messages` is a list of `{"role": "user", "content": "…"}`, with the roles of the model's chat template (usually
    system, user, assistant); a `str` is treated as one message from the user. The default `sampler` rarely chooses an
    unlikely token, because one such token can easily lead a small model astray. You can stop at any time, with `break`
    or an interrupt; stopping does not change the model. Raises `ValueError` for messages without a role or content, a
    tokenizer without a chat template, or a conversation longer than the context.

        for piece in chat(model, tokenizer, "What is the capital of France?"):
            print(piece, end="")
    """
    ids = encode_chat(tokenizer, messages)
    ends = {*tokenizer.eos_ids, *model.config.end_ids}
    written = generate(model, ids, max_new_tokens, sampler, seed, end_ids=sorted(ends))
    return _from_first_word(tokenizer.decode_stream(written))


def _from_first_word(pieces: Iterable[str]) -> Iterator[str]:
    begun = False
    for piece in pieces:
        shown = piece if begun else piece.lstrip()
        begun = begun or shown != ""
        if shown:
            yield shown
