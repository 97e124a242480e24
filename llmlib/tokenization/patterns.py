"""Define regular expressions (for `regex` and tiktoken) that split a text into pieces as each model family does."""

# GPT-2 splits a text into contractions; letters, digits or other signs with at most one space before
# them; and runs of white space. `++` never gives back what it matched: this is faster, and the pieces stay the same.
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"

# Each pattern finds the same pieces as the one its model was published with. `++`, `*+` and `?+` never give back
# what they matched, which is faster; `\s++$` matches white space at the end of a text without a look-ahead.
SMOLLM2_PATTERN = (  # digits are split off first, so white space before a digit stays in one piece, as at a text's end
    r"\p{N}|'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?[^\s\p{L}\p{N}]++|\s++$|\s++(?=\p{N})|\s+(?!\S)|\s"
)
LLAMA3_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s*[\r\n]+|\s++$|\s+(?!\S)|\s"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}+", r"\p{N}")
# tiktoken's pattern: unlike Llama 3's, it keeps white space at the end of a text in one piece, even with a newline.
CL100K_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K_PATTERN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN_PATTERN = O200K_PATTERN.replace(_CONTRACTION, "").replace(r"\p{N}{1,3}", r"\p{N}")  # Mistral Nemo's pattern
