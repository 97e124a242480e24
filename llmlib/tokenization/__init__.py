"""Turn text into ids and back, with one id per character, byte-pair encoding that you train, or a published tokenizer.

Start with `load_tokenizer` for a published vocabulary, or with `BPETokenizer.train` for a vocabulary of your own.
`simple_bpe` is byte-pair encoding as lesson 01 builds it; `hugging_face`, `gguf` and `published` read published
tokenizers. Nothing here imports torch.
"""

from llmlib.tokenization.base import Tokenizer, TokenizerError
from llmlib.tokenization.bpe import BPETokenizer
from llmlib.tokenization.bpe_training import count_pieces, learn_merges
from llmlib.tokenization.characters import CharTokenizer
from llmlib.tokenization.loading import load_tokenizer
from llmlib.tokenization.patterns import CL100K_PATTERN, GPT2_PATTERN, LLAMA3_PATTERN, O200K_PATTERN

__all__ = [
    "CL100K_PATTERN",
    "GPT2_PATTERN",
    "LLAMA3_PATTERN",
    "O200K_PATTERN",
    "BPETokenizer",
    "CharTokenizer",
    "Tokenizer",
    "TokenizerError",
    "count_pieces",
    "learn_merges",
    "load_tokenizer",
]
