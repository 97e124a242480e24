"""Make texts on which tokenizers would disagree if they ever did, by mixing all kinds of characters."""

import inspect
import random
import unicodedata

from hypothesis import strategies as st

DIGITS = ("0", "7", "42", "123", "4567", "²", "½", "٣", "Ⅷ")
WHITE_SPACE = (" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u200b", "\u2028", "\x1c", "\x85")
WORDS = ("a", "the", " the", "The", "ABC", "aBc", "'s", "'S", "'ll", "'re", "'VE", "\u2019t", "'ſ", "'")
LETTERS = ("é", "e\u0301", "ﬁ", "Å", "\u0338", "ß", "ǅ", "한국", "日本語", "Привет", "שלום", "مرحبا", "हिन्दी", "ไทย")
EMOJI = ("🙂", "👩\u200d👩\u200d👧", "👍🏽", "🇫🇷", "\ufe0f", "\u200d")
SIGNS = ("!", "...", "/", "//", "_", "-", "$", "{}", "<", "|>", ">", "\\", '"', "▁", "▁▁", "Ġ", "<0x0A>")
RARE = ("\x00", "\x04", "\ufffd", "\ufeff", "\U0010ffff", "\ue000")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "<|fim_prefix|>", "<|endofprompt|>")
SNIPPETS = DIGITS + WHITE_SPACE + WORDS + LETTERS + EMOJI + SIGNS + RARE + SPECIAL
NARROW = (" ", "  ", "\n", "\r", "\t", "1", "23", "4", "a", "B", "é", "'", "s", "!", "日")  # few, so they repeat often

CODE = inspect.getsource(random)  # words, indentation and signs as people write them


def is_settled(character):
    """Return whether all libraries agree about a character.

    Characters from the newest versions of Unicode are letters or digits in one library, and unassigned in another.
    """
    recent = unicodedata.category(character) in ("Cn", "Cs") or 0x11DB0 <= ord(character) < 0x11E00
    return not (recent or 0x16FF0 <= ord(character) < 0x17000)


characters = st.characters(exclude_categories=("Cs",)).filter(is_settled)
mixes = st.lists(st.sampled_from(SNIPPETS + NARROW), max_size=9).map("".join)
texts = st.one_of(mixes, st.builds("{}{}{}".format, mixes, st.text(characters, max_size=9), mixes))


def many_texts(n=10_000, seed=0):
    """Return n texts like those of `texts`, but without hypothesis; 10,000 take a fraction of a second."""
    chance = random.Random(seed)

    def any_character():
        character = chr(chance.randrange(chance.choice((0x80, 0x800, 0x3000, 0x10000, 0x20000, 0x110000))))
        return character if is_settled(character) else "\ufffd"

    def text():
        kind = chance.randrange(5)
        if kind == 4:
            start = chance.randrange(len(CODE))
            return CODE[start : start + chance.randrange(60)]
        if kind == 0:
            return "".join(chance.choices(NARROW, k=chance.randrange(30)))
        if kind == 1:
            return "".join(any_character() for _ in range(chance.randrange(12)))
        pieces = chance.choices(SNIPPETS, k=chance.randrange(12))
        if kind == 2:
            pieces.insert(chance.randrange(len(pieces) + 1), any_character())
        return "".join(pieces)

    return [text() for _ in range(n)]
