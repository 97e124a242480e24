"""Let a model answer in a conversation, token by token, so that several models can answer at the same time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmlib.chat import encode_chat
from llmlib.explore.shared.own_model import own_model
from llmlib.sampling import Sampler, generate
from llmlib.sampling.generating import SampledToken
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.chat.readings import SHOWN

Conversation = Sequence[Mapping[str, str]]

LONG = 256  # in tokens; reading a longer conversation takes so long that the user may want to stop it
NO_TEMPLATE = (
    "This model has no chat template, as is usual for a base model, so nothing tells the model where a question ends "
    "and an answer begins. To see what the model makes of a conversation anyway, use the template of another "
    "tokenizer: tokenizer.chat_template = other.chat_template"
)


@dataclass(frozen=True)
class Speaker:
    """One side of a comparison, with a name, a model and the model's tokenizer.

    A model with an adapter and the same model without the adapter are two models that share weights: `lora.base()`
    returns the model without the adapter.

    >>> from llmlib.tokenization import CharTokenizer
    >>> from llmlib.transformer import TransformerConfig
    >>> tokenizer = CharTokenizer.train("hello world")
    >>> model = Transformer(TransformerConfig(tokenizer.vocab_size, max_seq_len=16, d_model=16, n_layers=1, n_heads=2))
    >>> Speaker("base", model, tokenizer).name
    'base'
    """

    name: str
    model: Transformer
    tokenizer: Tokenizer


class Answer:
    """An answer that is being written.

    `choices` contains the answer's tokens so far. `ended` says why the answer was cut off, and is "" for an answer that
    was not cut off.

    In a long conversation, `check` is called before each of the model's modules runs, and can end the answer by raising
    an error. Raises `ValueError`, with a message for users, for a conversation that the speaker does not accept.
    """

    def __init__(
        self,
        speaker: Speaker,
        conversation: Conversation,
        sampler: Sampler,
        limit: int,
        seed: int,
        check: Callable[[], object] | None = None,
    ):
        if speaker.tokenizer.chat_template is None:
            raise ValueError(NO_TEMPLATE)
        self.speaker, self.choices, self.ended = speaker, list[SampledToken](), ""
        model, tokenizer = speaker.model, speaker.tokenizer
        ids, most = encode_chat(tokenizer, conversation), model.config.max_seq_len
        if len(ids) > most:  # `generate` checks the length too, but its advice is for programmers
            raise ValueError(
                f"With this message, the conversation has {len(ids):,} tokens, but the model's context holds only "
                f"{most:,}. Shorten the message, or start over."
            )
        room = most - len(ids) + 1  # the model does not need to read the last token that it writes
        self.cut = (
            f"The model’s context of {most:,} tokens is full, so its answer stops here. Start over, or edit an "
            "earlier message: everything after it will be removed."
            if room < limit
            else f"Cut off after {limit:,} tokens, the longest answer that the settings allow."
        )
        ends = sorted({*tokenizer.eos_ids, *model.config.end_ids})
        shown = min(SHOWN, model.config.vocab_size)
        own = own_model(model, check if len(ids) > LONG else None)
        self.writing = generate(own, ids, min(limit, room), sampler, seed, end_ids=ends, top_log_probs=shown)
        self.pieces = tokenizer.decode_stream(self._ids())

    def _ids(self) -> Iterator[int]:
        for choice in self.writing:
            self.choices.append(choice)
            yield choice.id
        self.ended = self.cut if self.writing.ended_by == "max_new_tokens" else ""

    def piece(self) -> str | None:
        """Return the next piece of text, or None at the end of the answer."""
        return next(self.pieces, None)


def refusal(speaker: Speaker, system: str) -> str:
    """Return the reason why a speaker rejects conversations with this system prompt, or "" if it accepts them.

    Also return "" if the speaker rejects conversations without a system prompt, because then the system prompt is not
    to blame.
    """
    question = {"role": "user", "content": "Hello"}
    if not system.strip() or speaker.tokenizer.chat_template is None:
        return ""
    try:
        encode_chat(speaker.tokenizer, [question])
    except ValueError:  # the question fails on its own, so the system prompt is not to blame
        return ""
    try:
        encode_chat(speaker.tokenizer, [{"role": "system", "content": system}, question])
    except ValueError as error:
        return str(error)
    return ""
