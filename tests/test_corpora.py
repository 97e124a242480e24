"""Corpora other than the stories, the `corpus` command, and the numbers of the datasheet."""

import hashlib
import importlib.util
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from llmlib import corpora
from llmlib.cli import app
from llmlib.corpora import CorpusError, from_files, python_stdlib, stream_files, tiny_shakespeare, tinytales_text
from llmlib.downloads import DownloadError

ROOT = Path(__file__).parent.parent


def test_corpora_come_without_torch():
    code = "import sys; from llmlib.corpora import tinytales_text as t; t(1000); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- files of the reader ----------------------------------------------------------------------------------------------


def test_files_follow_one_another_with_plain_ends_of_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffGrüße\r\nzwei\r\n".encode())
    (tmp_path / "b.txt").write_bytes(b"old Mac\rend")
    assert from_files([tmp_path / "a.txt", str(tmp_path / "b.txt")]) == "Grüße\nzwei\nold Mac\nend"
    assert from_files(str(tmp_path / "b.txt")) == "old Mac\nend"


@given(st.text(alphabet="aé€🙂\r\n", min_size=1, max_size=40), st.integers(1, 7))
def test_pieces_are_cut_only_after_lines_and_never_inside_a_character(tmp_path_factory, text, piece):
    path = tmp_path_factory.getbasetemp() / "pieces.txt"
    path.write_bytes(text.encode())
    whole = from_files(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "PIECE", piece)
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
def test_what_is_not_text_is_named_with_its_byte(tmp_path, before, wrong, byte):
    path = tmp_path / "latin.txt"
    path.write_bytes(before + wrong)
    with pytest.raises(CorpusError, match=rf"latin\.txt is not UTF-8 text: byte {len(before):,} is {byte}\. Save"):
        from_files(path)


def test_missing_empty_and_unreadable_files(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.txt cannot be read \(No such file"):
        from_files(tmp_path / "none.txt")
    with pytest.raises(CorpusError, match=r"Name the files in it"):
        from_files(tmp_path)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CorpusError, match=r"There is no text in .*empty\.txt"):
        from_files([tmp_path / "empty.txt"])
    with pytest.raises(CorpusError, match="no text in an empty list"):
        from_files([])


# --- Python and Shakespeare -------------------------------------------------------------------------------------------


def test_python_stdlib_is_code_in_order_without_tests():
    text = python_stdlib(300_000)
    names = re.findall(r"^# file: (.*)$", text, re.M)
    assert names == sorted(names)
    assert names[0] == "__future__.py"
    assert 300_000 <= len(text) < 2_000_000
    assert not any(part in name.split("/") for name in names for part in ("test", "site-packages"))
    compile(text.split("# file: ")[2].split("\n", 1)[1], names[1], "exec")
    with pytest.raises(ValueError, match="characters must be 1 or more, not 0"):
        python_stdlib(0)


def test_python_without_source_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(corpora.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(CorpusError, match="no source of the standard library"):
        python_stdlib()


def test_shakespeare_from_a_mirror(private_cache, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "input.txt").write_bytes(b"First Citizen:\nBefore we proceed\n")
    monkeypatch.setenv("LLMLIB_MIRROR", str(mirror))
    with pytest.raises(
        DownloadError, match=r"tiny_shakespeare\.txt from .*input\.txt has SHA-256 \w+, expected 86c4e6aa"
    ):
        tiny_shakespeare()
    assert not (private_cache / "tiny_shakespeare.txt").exists()
    monkeypatch.setattr(corpora, "SHAKESPEARE_SHA256", hashlib.sha256((mirror / "input.txt").read_bytes()).hexdigest())
    assert tiny_shakespeare() == "First Citizen:\nBefore we proceed\n"
    (mirror / "input.txt").unlink()
    assert tiny_shakespeare().startswith("First Citizen"), "from the cache"


@pytest.fixture(scope="module")
def shakespeare():
    try:
        return tiny_shakespeare()
    except DownloadError as error:
        pytest.skip(f"Tiny Shakespeare cannot be had: {error}")


def test_the_real_shakespeare(shakespeare):
    assert len(shakespeare) == 1_115_394
    assert shakespeare.startswith("First Citizen:\nBefore we proceed any further, hear me speak.\n")


# --- the command ------------------------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(app, ["corpus", "tinytales", *map(str, arguments)])


def test_command_writes_the_text(tmp_path):
    out = tmp_path / "new" / "tales.txt"
    done = run("--characters", "10_000", "--seed", 4, "--split", "heldout", "--out", out)
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == tinytales_text(10_000, seed=4, split="heldout").encode()
    assert "10,738 characters of TinyTales, split heldout, seed 4" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--characters", 0), "characters must be 1 or more, not 0"),
        (("--characters", "-5"), "characters must be 1 or more, not -5"),
        (("--split", "dev"), "unknown split 'dev'"),
    ],
)
def test_command_refuses_and_leaves_the_file_as_it_was(tmp_path, arguments, message):
    out = tmp_path / "tales.txt"
    out.write_text("mine")
    done = run("--out", out, *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())
    assert out.read_text() == "mine"


def test_command_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path, tmp_path / "file" / "tales.txt"):
        done = run("--characters", 100, "--out", out)
        assert done.exit_code == 1
        assert f"{out} cannot be written" in done.output.replace("\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"], "no temporary file is left"


def test_command_that_is_interrupted_keeps_the_old_file(tmp_path, monkeypatch):
    out = tmp_path / "tales.txt"
    out.write_text("mine")

    def interrupted(*_, **__):
        yield next(iter(corpora.tinytales()))
        raise KeyboardInterrupt

    monkeypatch.setattr("llmlib.corpus_cli.tinytales", interrupted)
    assert run("--out", out).exit_code != 0
    assert out.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]


# --- the datasheet ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_corpora", ROOT / "benchmarks" / "corpora.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def datasheet():
    return (ROOT / "data" / "README.md").read_text(encoding="utf-8")


def test_measures_on_texts_whose_values_are_known(benchmark):
    assert benchmark.words_of('"Isn\'t it?" said Pip.') == ['"', "isn't", "it", "?", '"', "said", "pip", "."]
    assert benchmark.repeated_share(["a"] * 10, n=8) == pytest.approx(2 / 3)
    assert benchmark.repeated_share("abcdefghijklm", n=8) == 0
    assert benchmark.entropy_of_ngrams("ab" * 5_000) < 0.01
    coins = random.Random(0).choices("ht", k=50_000)
    assert benchmark.entropy_of_ngrams(coins) == pytest.approx(1, abs=0.01)


def test_names_are_kept_if_they_were_there_before_or_are_introduced(benchmark):
    def kept(text, names="pip luna odo ada romeo juliet", others=None):
        return benchmark.names_kept([text], set(names.split()), others)

    assert kept("Pip saw Luna and then Luna saw Pip and Odo") == pytest.approx(2 / 3)
    assert kept("They all went out and saw Luna there. Then Odo the owl flew. Odo sang.") == 1
    assert kept("They all went out and saw Luna there. Then Odo had the owl. Odo sang.") == 0
    assert kept("Pip had seen that a bear came. A bear called Ada. Ada sang.") == 1
    speeches = "JULIET:\nHe comes here today, as I am told.\n\nROMEO:\nWho, Romeo? And Juliet? Odo?"
    assert kept(speeches) == pytest.approx(2 / 3)
    assert kept("Who saw Luna that day? Luna saw it.", others=["Pip and Odo"]) == 0


def test_datasheet_shows_the_stories_that_are_made(benchmark, datasheet):
    assert benchmark.datasheet_stories() in datasheet


def test_datasheet_counts_are_true(datasheet):
    from llmlib.tinytales import shapes, villagers, world_facts, world_questions

    for count, what in (
        (len(shapes()), "story shapes"),
        (len(villagers()), "villagers"),
        (len(world_facts()), "fixed facts"),
        (len(world_questions()), "questions without a story"),
    ):
        assert f"{count} {what}" in datasheet


@pytest.mark.slow
def test_datasheet_statistics_are_true(benchmark, datasheet, shakespeare):
    assert benchmark.datasheet_table() in datasheet


@pytest.mark.slow
def test_datasheet_totals_are_true(datasheet):
    text = tinytales_text(10_000_000)
    stories = text.split("\n\n")[:-1]
    words = set(re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower()))
    assert f"{len(stories):,} stories with {len(words):,} different words" in datasheet
