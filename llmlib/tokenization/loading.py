"""Load a tokenizer by name, or from a file in any supported format."""

from pathlib import Path

from llmlib.files.checked_json import naming, read_json
from llmlib.tokenization.base import Tokenizer, TokenizerError
from llmlib.tokenization.bpe import BPETokenizer
from llmlib.tokenization.saved import is_record, record_from_json

NAMES = ("gpt2", "smollm2", "cl100k_base", "o200k_base")


def load_tokenizer(name_or_path: str | Path) -> Tokenizer:
    """Load a tokenizer by name ("gpt2", "smollm2", "cl100k_base", "o200k_base") or from a file.

    A path may point to a file written by `BPETokenizer.save`, to a Hugging Face `tokenizer.json` or its
    folder, or to a GGUF file. Raises ValueError for an unknown name, `TokenizerError` for
    a damaged or unsupported file, and `llmlib.files.downloads.DownloadError` if a vocabulary cannot be downloaded.
    """
    # The code that reads a format is imported only when it is needed: most people need one format, or none.
    name = str(name_or_path)
    if name in NAMES:
        from llmlib.tokenization.published import openai_tokenizer, smollm2_file

        return _from_gguf(smollm2_file()) if name == "smollm2" else openai_tokenizer(name)
    from llmlib.files.gguf_file import is_gguf

    path = _file_of(name_or_path)
    if is_gguf(path):
        return _from_gguf(path)
    with naming(path, TokenizerError):
        record = read_json(path)
        if is_record(record):
            return BPETokenizer(**record_from_json(record, path))
    from llmlib.tokenization.hugging_face import load_hugging_face

    return load_hugging_face(record, path)


def _from_gguf(path: Path) -> Tokenizer:
    from llmlib.tokenization.gguf import load_gguf

    return load_gguf(path)


def _file_of(name_or_path: str | Path) -> Path:
    name, path = str(name_or_path), Path(name_or_path).expanduser()
    if name and path.is_dir():
        path = path / "tokenizer.json"
        if not path.is_file():
            raise TokenizerError(
                f"{path} is missing. If the folder holds an older model, with only vocab.json or tokenizer.model, "
                "convert it: `transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`."
            )
    if not path.is_file():
        raise ValueError(
            f"There is no tokenizer and no file or folder named {name!r}. Known names: {', '.join(NAMES)}; or pass "
            "a file written by BPETokenizer.save, a tokenizer.json or its folder, or a .gguf file."
        )
    return path
