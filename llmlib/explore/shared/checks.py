"""Check what a user types or clicks; the error messages are written for users."""

from llmlib.tokenization.base import Tokenizer

LARGEST_SEED = 2**31 - 1


def check_length(n_tokens: int, most: int, advice: str = "Shorten the text.") -> None:
    """Raise `ValueError` for a text without tokens, or with more tokens than fit into the model's context."""
    if not n_tokens:
        raise ValueError("A model needs at least one token. Write some text.")
    if n_tokens > most:
        raise ValueError(f"This text has {n_tokens:,} tokens, but the model's context holds only {most:,}. {advice}")


def check_room(n_tokens: int, most: int, advice: str) -> None:
    """Raise `ValueError` if the model's context has no room for another token."""
    if n_tokens >= most:
        raise ValueError(f"The text fills the model's context of {most:,} tokens; nothing can be added. {advice}")


def prompt_ids(tokenizer: Tokenizer, text: str, most: int) -> tuple[int, ...]:
    """Return the ids of a prompt. Raises `ValueError` if the prompt is empty or longer than the context."""
    ids = tuple(tokenizer.encode(text, add_bos=tokenizer.adds_bos))
    if not ids:
        raise ValueError("There is no text to continue. Type at least one word.")
    check_length(len(ids), most)
    return ids


def check_token(id: int, vocab_size: int) -> None:
    """Raise `ValueError` for an id that is not in the model's vocabulary."""
    if not 0 <= id < vocab_size:
        raise ValueError(f"There is no token with the id {id}. The ids go from 0 to {vocab_size - 1}.")


def checked_seed(value: float | int) -> int:
    """Return the seed as an int. Raises `ValueError` unless the value is a whole number in the allowed range."""
    if value != int(value) or not 0 <= value <= LARGEST_SEED:
        raise ValueError(f"A seed must be a whole number from 0 to {LARGEST_SEED:,}; got {value}.")
    return int(value)
