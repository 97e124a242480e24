"""Generate text in pieces, up to a stop string, which may span several tokens."""

from collections.abc import Generator, Iterable, Iterator, Sequence

from llmlib.sampling.constraint import Constraint
from llmlib.sampling.generating import Generation, generate, warn
from llmlib.sampling.sampler import Sampler
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer


def generate_text(
    model: Transformer,
    tokenizer: Tokenizer,
    prompt: str,
    max_new_tokens: int = 100,
    sampler: Sampler | None = None,
    seed: int | None = None,
    *,
    stop: Sequence[str] | str = (),
    constraint: Constraint | None = None,
    when_full: str = "stop",
) -> Generation:
    """Continue a text, yielding pieces of text as they are written; at the end, `ended_by` says why the text ended.

    The text ends before the first of the `stop` strings. A stop string may begin in one token and end in another, so
    text that could be the beginning of a stop string is held back until we know whether a stop string really begins
    there. If no stop string appears within `max_new_tokens`, you get a `GenerationWarning`. Everything else works as in
    `generate`.

        for piece in generate_text(model, tokenizer, "Once upon a time", stop=["\\n\\n"]):
            print(piece, end="")
    """
    if not isinstance(stop, str | Iterable | None):
        raise ValueError(f"stop must be a string or a list of strings, got {stop!r}.")
    stops = [stop] if isinstance(stop, str) else list(stop or ())
    if wrong := [one for one in stops if not isinstance(one, str)]:
        raise ValueError(
            f"A stop string must be a string, got {wrong[0]!r}. To stop at a token, pass its id to generate as end_ids."
        )
    if "" in stops:
        raise ValueError("An empty stop string would end every text immediately. Leave it out.")
    if constraint is not None and not constraint.fits(tokenizer):
        raise ValueError("The constraint was made with a different tokenizer. Make a new one with this tokenizer.")
    if isinstance(model, Tokenizer) or isinstance(tokenizer, Transformer) or not isinstance(prompt, str):
        kinds = ", ".join(type(each).__name__ for each in (model, tokenizer, prompt))
        raise ValueError(f"generate_text takes a model, its tokenizer and a text, in that order; got {kinds}.")
    ids = tokenizer.encode(prompt, add_bos=tokenizer.adds_bos)
    ends = sorted({*tokenizer.eos_ids, *model.config.end_ids})
    tokens = generate(
        model, ids, max_new_tokens, sampler, seed, end_ids=ends, constraint=constraint, when_full=when_full
    )

    def pieces(generation: Generation) -> Iterator[str]:
        found = yield from until_stop(tokenizer.decode_stream(tokens), stops)
        generation.ended_by = "stop string" if found else tokens.ended_by
        if stops and generation.ended_by == "max_new_tokens":
            warn(
                f"No stop string ({', '.join(map(repr, stops))}) appeared within {max_new_tokens:,} tokens: "
                "the text is cut off there. Increase max_new_tokens, or use another stop string."
            )

    return Generation(pieces)


def until_stop(pieces: Iterator[str], stops: Sequence[str]) -> Generator[str, None, str | None]:
    """Yield the pieces up to the first stop string; return this stop string, or None if there is none.

    Text that may be the beginning of a stop string is held back.

    >>> list(until_stop(iter(["one. ", "tw", "o##", "#three"]), ["###"]))
    ['one. ', 'tw', 'o']
    """
    held = ""
    for piece in pieces:
        held += piece
        if came := [(held.index(stop), stop) for stop in stops if stop in held]:
            end, stop = min(came)
            if end:
                yield held[:end]
            return stop
        safe = len(held) - max((_overlap(held, stop) for stop in stops), default=0)
        if safe:
            yield held[:safe]
        held = held[safe:]
    if held:
        yield held
    return None


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of the text are the beginning of the stop string."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
