"""Compare free-form answers with the right answers."""

import re
import string
from collections.abc import Iterable

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(answer: str, right: str | Iterable[str], ignore: Iterable[str] = ()) -> bool:
    """Return whether an answer equals one of the right answers, ignoring leading and trailing white space.

    `ignore` says what else to ignore: it may contain "case", "punctuation", "articles" (a, an, the) and "space" (the
    amount of white space between words). With all four, the comparison is the one that SQuAD uses
    (Rajpurkar et al., 2016). Raises `ValueError` for any other name in `ignore`.

    >>> exact_match("The Eiffel Tower!", "eiffel tower")
    False
    >>> exact_match(
    ...     "The Eiffel Tower!", ["Louvre", "eiffel tower"], ignore=["case", "punctuation", "articles", "space"]
    ... )
    True
    """
    allowed = [right] if isinstance(right, str) else list(right)
    ignored = set(ignore)
    if unknown := sorted(ignored - {"case", "punctuation", "articles", "space"}):
        raise ValueError(f"ignore contains {unknown[0]!r}; it may only contain case, punctuation, articles and space.")
    if not allowed:
        raise ValueError("There is no right answer to compare with.")
    return _plain(answer, ignored) in {_plain(each, ignored) for each in allowed}


def _plain(text: str, ignored: set[str]) -> str:
    if "case" in ignored:
        text = text.lower()
    if "punctuation" in ignored:
        text = text.translate(_PUNCTUATION)
    if "articles" in ignored:
        text = re.sub(r"\b(a|an|the)\b", " ", text, flags=re.IGNORECASE)
    return " ".join(text.split()) if "space" in ignored else text.strip()
