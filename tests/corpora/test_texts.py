"""Texts from other people are read correctly, or refused with a reason."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.corpora import CorpusError, from_files, python_stdlib, stream_files, texts, tiny_shakespeare
from llmlib.files.downloads import DownloadError

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_corpora_do_not_import_torch():
    code = "import sys; from llmlib.corpora import tinytales_text as t; t(1000); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- the reader's own files -------------------------------------------------------------------------------------------


def test_files_are_joined_and_line_endings_are_normalised(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffGrüße\r\nzwei\r\n".encode())
    (tmp_path / "b.txt").write_bytes(b"old Mac\rend")
    assert from_files([tmp_path / "a.txt", str(tmp_path / "b.txt")]) == "Grüße\nzwei\nold Mac\nend"
    assert from_files(str(tmp_path / "b.txt")) == "old Mac\nend"


@given(st.text(alphabet="aé€🙂\r\n", min_size=1, max_size=40), st.integers(1, 7))
def test_only_long_pieces_are_cut_within_a_line_and_none_within_a_character(tmp_path_factory, text, piece):
    path = tmp_path_factory.getbasetemp() / "pieces.txt"
    path.write_bytes(text.encode())
    whole = from_files(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "PIECE", piece)
        pieces = list(stream_files(path))
    assert "".join(pieces) == whole == text.replace("\r\n", "\n").replace("\r", "\n")
    assert all(part.endswith("\n") or len(part) > piece for part in pieces[:-1])


MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    "before", [b"", b"abc\n", "é".encode() * 5, b"x" * MEGABYTE, b"x" * (MEGABYTE - 1) + "é".encode()]
)
@pytest.mark.parametrize(
    ("wrong", "byte"), [(b"\xff", "0xff"), (b"\xe9t\xe9", "0xe9"), (b"\x00", "0x00"), (b"\xe2\x82", "0xe2")]
)
def test_the_error_names_the_first_byte_that_is_not_valid_text(tmp_path, before, wrong, byte):
    path = tmp_path / "latin.txt"
    path.write_bytes(before + wrong)
    with pytest.raises(CorpusError, match=rf"latin\.txt is not UTF-8 text: byte {len(before):,} is {byte}\. Save"):
        from_files(path)


def test_missing_empty_and_unreadable_files_are_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.txt cannot be read \(No such file"):
        from_files(tmp_path / "none.txt")
    with pytest.raises(CorpusError, match=r"Pass the files in this folder"):
        from_files(tmp_path)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CorpusError, match=r"There is no text in .*empty\.txt"):
        from_files([tmp_path / "empty.txt"])
    with pytest.raises(CorpusError, match="list of files is empty"):
        from_files([])


# --- Python and Shakespeare -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_python_stdlib_joins_files_in_order_and_leaves_out_tests():
    text = python_stdlib(300_000)
    names = re.findall(r"^# file: (.*)$", text, re.M)
    assert names == sorted(names)
    assert names[0] == "__future__.py"
    assert 300_000 <= len(text) < 2_000_000
    assert not any(part in name.split("/") for name in names for part in ("test", "site-packages"))
    compile(text.split("# file: ")[2].split("\n", 1)[1], names[1], "exec")
    with pytest.raises(ValueError, match="characters must be 1 or more, got 0"):
        python_stdlib(0)


def test_an_error_is_raised_if_the_standard_librarys_source_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(texts.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(CorpusError, match="standard library's source is not in"):
        python_stdlib()


def test_shakespeare_from_a_mirror_is_checked_and_cached(private_cache, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "input.txt").write_bytes(b"First Citizen:\nBefore we proceed\n")
    monkeypatch.setenv("LLMLIB_MIRROR", str(mirror))
    with pytest.raises(
        DownloadError, match=r"tiny_shakespeare\.txt from .*input\.txt has SHA-256 \w+, expected 86c4e6aa"
    ):
        tiny_shakespeare()
    assert not (private_cache / "tiny_shakespeare.txt").exists()
    monkeypatch.setattr(texts, "SHAKESPEARE_SHA256", hashlib.sha256((mirror / "input.txt").read_bytes()).hexdigest())
    assert tiny_shakespeare() == "First Citizen:\nBefore we proceed\n"
    (mirror / "input.txt").unlink()
    assert tiny_shakespeare().startswith("First Citizen"), "the text must come from the cache"


def test_the_real_shakespeare_has_the_expected_length_and_beginning(shakespeare):
    assert len(shakespeare) == 1_115_394
    assert shakespeare.startswith("First Citizen:\nBefore we proceed any further, hear me speak.\n")
