"""A reader's solutions are kept, given back and put into one file."""

import json
import re
import threading
import xml.dom.minidom

import pytest
import torch
from typer.testing import CliRunner

from exercises.cells import MASK, RIGHT, check_cell, run_cell
from llmlib import attention
from llmlib.cli import app
from llmlib.exercises import check, mine, solution
from llmlib.exercises.engine import keeping
from llmlib.exercises.engine.sources import NoSource, Source, source_of
from llmlib.exercises.my_llm import remembering, writing
from llmlib.exercises.my_llm.parts import GROUPS, PARTS

# --- what is kept ---


def test_a_right_solution_is_kept_with_its_comments_and_helpers_and_comes_back(next_session, capsys):
    report = check_cell()
    assert "Kept: `mine(" in repr(report)
    kept = keeping.last_kept(MASK)
    assert kept.sealed
    assert not kept.borrowed
    assert "# This took me an evening.\ndef my_mask" in kept.source.text
    assert "# of each query" in kept.source.text
    assert kept.source.text.startswith("LATEST = 0") or "\nLATEST = 0" in kept.source.text
    assert kept.source.imports == ("import torch",)
    assert mine(MASK).__name__ == "my_mask"
    assert "checked in this session" in capsys.readouterr().out
    next_session()
    assert torch.equal(mine(MASK)(2, 4), attention.causal_mask(2, 4))
    assert capsys.readouterr().out == f"{MASK}: your function, kept earlier.\n"


def test_an_infinite_constant_from_the_notebook_is_kept(next_session):
    report = check_cell(
        "import torch\nINF, LIMITS = float('inf'), (-float('inf'), 1)\n\n"
        "def my_mask(n_query, n_key):\n    assert LIMITS[0] < 0\n"
        "    later = torch.full((n_query, n_key), INF).triu(1 + n_key - n_query)\n    return later != INF\n"
    )
    assert "Kept: `mine(" in repr(report)
    assert "INF = float('inf')" in keeping.last_kept(MASK).source.text
    next_session()
    assert torch.equal(mine(MASK)(2, 4), attention.causal_mask(2, 4))


def test_the_report_says_at_once_that_a_solution_depends_on_llmlib():
    rate = (
        "def rate(step, steps, warmup, peak):\n    return peak * schedule_at(step, TrainConfig(steps, warmup=warmup))"
    )
    imports = "from llmlib.training import TrainConfig, schedule_at\n"
    report = check_cell(imports + rate, "rate", "training.learning_rate_at")
    assert report.correct
    said = " ".join(repr(report).split())
    why = "your function uses `schedule_at` from llmlib"
    assert f"But it cannot go into your own file, `my_llm.py`: {why}." in said
    assert "But it cannot" not in repr(check_cell())


def test_mine_returns_the_librarys_function_until_there_is_a_solution(capsys):
    check(MASK, lambda n_query, n_key: ...)
    check(MASK, "no function")
    assert mine(MASK) is attention.causal_mask
    assert capsys.readouterr().out == f"{MASK}: the library's function, until check finds one of yours right.\n"
    assert not keeping.folder().exists()
    with pytest.raises(KeyError, match=r"attention\.causal_mask"):
        mine("attention.causal_masks")


def test_ipython_keeps_the_source_of_a_cell():
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    shell.run_cell("# mine\ndef merge(z):\n    return z.transpose(1, 2).flatten(2)")
    assert source_of(shell.user_ns["merge"]).text.startswith("# mine\ndef merge(z):")


def test_a_lambda_is_kept_under_the_exercises_name():
    lines = 'report = check("attention.merge_heads", lambda z: z.transpose(1, 2).flatten(2))'
    assert "Kept" in repr(run_cell(lines, check=check)["report"])
    assert (
        keeping.last_kept("attention.merge_heads").source.text
        == "merge_heads = lambda z: z.transpose(1, 2).flatten(2)\n"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hidden = torch.ones(9, 9).tril().bool()\ndef f(n, m): return hidden[m - n:m, :m]", "`hidden` from your"),
        ("def make(k): return lambda n, m: torch.ones(n, m).tril(k + m - n).bool()\nf = make(0)", "another function"),
        ("from llmlib.attention import causal_mask as f", "a library function"),
        ("import functools\nf = functools.partial(lambda n, m: torch.ones(n, m).tril(m - n).bool())", "def or lambda"),
    ],
)
def test_a_solution_that_cannot_stand_alone_is_not_kept_and_the_report_says_so(text, why):
    report = check(MASK, run_cell(text, torch=torch)["f"])
    assert report.correct
    assert "Not kept" in repr(report)
    assert why in " ".join(repr(report).split())
    assert keeping.kept_versions(MASK) == []


def test_a_right_attempt_passes_even_if_it_cannot_be_kept():
    class Odd:
        def __call__(self, n_query, n_key):
            return attention.causal_mask(n_query, n_key)

        @property
        def __wrapped__(self):
            return self  # unwrapping it never ends

    report = check(MASK, Odd())
    assert report.correct
    assert "Not kept" in repr(report)


def test_a_function_typed_into_plain_python_has_no_source():
    space = {"torch": torch}
    exec("def f(n, m): return torch.ones(n, m).tril(m - n).bool()", space)
    with pytest.raises(NoSource, match="cannot be read"):
        source_of(space["f"])


def test_code_copied_from_the_shown_solution_is_marked(next_session, capsys):
    taken = "return rearrange(z, 'batch head seq d_head -> batch seq (head d_head)')"
    cell = f"from einops import rearrange\ndef scores(z):\n    '''My words.'''\n    {taken}"
    check("attention.merge_heads", run_cell(cell)["scores"])
    assert not keeping.last_kept("attention.merge_heads").borrowed  # the reader has not looked at the solution yet
    solution("attention.merge_heads")
    check("attention.merge_heads", run_cell(cell + "  # now")["scores"])
    assert keeping.last_kept("attention.merge_heads").borrowed
    next_session()
    mine("attention.merge_heads")
    assert "took from solution" in capsys.readouterr().out
    states = {part.exercise: state for part, state in mine().states}
    assert states["attention.merge_heads"] == "from solution"


@pytest.mark.slow
def test_earlier_versions_are_kept_up_to_a_limit(capsys):
    for n in range(12):
        text = f"{RIGHT}EXTRA = {n}\ndef it(n_query, n_key): return my_mask(n_query, n_key + 0 * EXTRA)"
        check_cell(text, "it")
        check_cell(text, "it")  # the same code again is not another version
    versions = keeping.kept_versions(MASK)
    assert len(versions) == keeping.MOST_VERSIONS
    assert [f"EXTRA = {n}" in kept.source.text for n, kept in zip(range(11, 0, -1), versions)] == [True] * len(versions)
    assert all(kept.sealed for kept in versions)
    assert mine(MASK, earlier=3).__globals__["EXTRA"] == 8
    assert mine(MASK, earlier=8) is attention.causal_mask
    assert "8 of your versions are kept" in capsys.readouterr().out


def test_imports_are_kept_as_they_were_written():
    lines = [
        "from bisect import bisect_left",
        "from collections import Counter",
        "from functools import reduce",
        "from math import sqrt as root",
        "from torch import exp",
        "from torch.nn.functional import gelu",
        "import numpy as np",
        "import torch.nn.functional as F",
    ]
    text = "\n".join(lines) + "\ndef f(x): return bisect_left, Counter, reduce, root, exp, gelu, np.pi, F.silu"
    assert sorted(source_of(run_cell(text)["f"]).imports) == lines


def test_the_source_of_a_function_includes_a_part_that_it_takes_from_mine(next_session):
    check_cell()
    next_session()
    text = """
from torch.nn.functional import scaled_dot_product_attention as sdpa
mask_of = mine(NAME)
def attend(q, k, v, mask):
    return sdpa(q, k, v, mask & mask_of(*mask.shape))
"""
    source = source_of(run_cell(text, mine=mine, NAME=MASK)["attend"])
    assert "def my_mask(" in source.text
    assert "\nmask_of = my_mask\n" in source.text
    assert source.imports == ("from torch.nn.functional import scaled_dot_product_attention as sdpa", "import torch")
    space = {}
    exec(source.whole, space)
    q = torch.ones(1, 1, 3, 2)
    assert torch.equal(space["attend"](q, q, q, attention.causal_mask(3, 3)), q)


PART = """
import torch
from llmlib import attention
SCALE = 2
def doubled(x):
    return SCALE * x
def my_mask(n_query, n_key):
    return attention.causal_mask(n_query, n_key) & doubled(torch.ones(n_query, n_key)).bool()
"""
WHOLE = """
from llmlib import attention
def attend(q, k, v, mask):
    return attention.scaled_dot_product_attention(q, doubled(k) / SCALE, v, mask & my_mask(*mask.shape))
"""


def test_a_kept_part_and_the_notebook_may_share_a_module_a_constant_and_a_helper(next_session):
    """It is as if the kernel had restarted: the part comes from `mine`, and the cell that defines it is run again."""
    assert check(MASK, run_cell(PART)["my_mask"]).correct
    next_session()
    again = run_cell(PART)
    source = source_of(run_cell(WHOLE, **again | {"my_mask": mine(MASK)})["attend"])
    assert source.text.count("def doubled(") == source.text.count("SCALE = 2") == 1
    space = {}
    exec(source.whole, space)
    q = torch.ones(1, 1, 3, 2)
    assert torch.equal(space["attend"](q, q, q, attention.causal_mask(3, 3)), q)
    with pytest.raises(NoSource, match="`SCALE` means one thing in your notebook and another"):
        source_of(run_cell(WHOLE, **again | {"my_mask": mine(MASK), "SCALE": 3})["attend"])


def test_a_part_comes_back_unchanged_even_if_a_name_that_it_uses_has_changed():
    """A reader who goes back to an earlier exercise and starts it again does not break a right solution."""
    notebook = run_cell(RIGHT + "def mask(n_query, n_key): return my_mask(n_query, n_key)")
    assert check(MASK, notebook["mask"]).correct
    exec("def my_mask(n_query, n_key): ...", notebook)
    assert notebook["mask"](2, 4) is None
    assert torch.equal(mine(MASK)(2, 4), attention.causal_mask(2, 4))
    assert mine(MASK) is mine(MASK)


def test_a_huge_solution_is_not_kept():
    text = (
        RIGHT
        + "WORDS = "
        + repr("x" * 50_000)
        + "\ndef it(n_query, n_key):\n    len(WORDS)\n    return my_mask(n_query, n_key)"
    )
    assert "longer than" in repr(check_cell(text, "it"))


# --- nothing is lost or half written ---


def test_solutions_that_threads_keep_at_the_same_time_are_not_lost():
    sources = [Source("f", (), f"def f(): return {n}\n") for n in range(6)]
    threads = [threading.Thread(target=keeping.keep, args=(MASK, source)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {kept.source for kept in keeping.kept_versions(MASK)} == set(sources)


def test_if_a_kernel_dies_while_it_keeps_a_solution_the_earlier_one_survives(monkeypatch):
    check_cell()

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("llmlib.files.atomic.os.replace", dies)
        with pytest.raises(KeyboardInterrupt):
            keeping.keep(MASK, Source("g", (), "def g(): ...\n"))
    (kept,) = keeping.kept_versions(MASK)
    assert kept.source.function == "my_mask"
    assert kept.sealed
    assert [path for path in keeping.folder().iterdir() if path.suffix == ".part"] == []


def test_a_folder_that_cannot_be_written_to_does_not_stop_an_exercise(private_progress, monkeypatch, capsys):
    (private_progress / "file").write_text("not a folder")
    monkeypatch.setenv("LLMLIB_DATA_DIR", str(private_progress / "file" / "below"))
    report = check_cell()
    assert report.correct
    assert "Not kept for `mine`" in repr(report)
    assert mine(MASK).__name__ == "my_mask"  # remembered from this session
    assert mine().count("yours") == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"version": 1, "kept": [3]}', b" " * 2**20]
)
def test_a_damaged_file_is_set_aside(content, capsys):
    keeping.folder().mkdir()
    keeping.file_of(MASK).write_bytes(content)
    assert mine(MASK) is attention.causal_mask
    assert "damaged" in capsys.readouterr().err
    assert keeping.file_of(MASK).with_name(f"{MASK}.damaged-1.json").read_bytes() == content
    assert "Kept" in repr(check_cell())


# --- code that is never run, and parts that no longer fit ---


@pytest.mark.slow
def test_code_changed_by_hand_or_by_someone_else_is_not_run_unless_trusted(next_session, tmp_path, capsys):
    check_cell()
    next_session()
    mark = tmp_path / "it was run"
    path = keeping.file_of(MASK)
    content = json.loads(path.read_text())
    content["kept"][0]["source"]["text"] += f"open({str(mark)!r}, 'w').close()\n"
    path.write_text(json.dumps(content))
    assert mine(MASK) is attention.causal_mask
    assert [state for part, state in mine().states if part.exercise == MASK] == ["kept elsewhere"]
    assert CliRunner().invoke(app, ["mine", str(tmp_path / "my_llm.py")]).exit_code == 0
    assert not mark.exists()
    assert "was not run" in capsys.readouterr().out
    assert mine(MASK, trust=True).__name__ == "my_mask"
    assert mark.exists()
    assert keeping.last_kept(MASK).sealed  # from now on it counts as the reader's own


def test_code_in_a_folder_copied_from_someone_else_is_not_run(next_session, tmp_path, monkeypatch):
    check_cell()
    next_session()
    (tmp_path / "mine").rename(tmp_path / "given")
    monkeypatch.setenv("LLMLIB_DATA_DIR", str(tmp_path / "new"))
    (tmp_path / "new").mkdir()
    (tmp_path / "given").rename(tmp_path / "new" / "mine")  # the key is in the folder too
    assert not keeping.last_kept(MASK).sealed
    assert mine(MASK) is attention.causal_mask
    assert mine(trust=True).count("yours") == 1  # the reader moved the folder and trusts it
    assert mine(MASK).__name__ == "my_mask"


def test_drawing_the_picture_of_the_parts_runs_no_kept_code(next_session, monkeypatch):
    check_cell()
    next_session()
    monkeypatch.setattr(remembering, "load", None)
    assert mine().count("yours") == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def my_mask(n_query, n_key)\n    return 1", "This version of Python cannot read it"),
        ("def my_mask(n_query): return 1", "missing a required argument|too many positional arguments"),
        ("import a_package_that_is_gone\ndef my_mask(n_query, n_key): return 1", "No module named"),
        ("def other(n_query, n_key): return 1", "does not define `my_mask`"),
        ("def my_mask(n_query, n_key): return 1", "no longer correct"),
        ("raise SystemExit\ndef my_mask(n_query, n_key): return 1", "SystemExit"),
        ("my_mask = 3", "not a callable"),
    ],
)
def test_a_part_that_no_longer_fits_stays_stored_but_the_librarys_is_used(text, why, capsys):
    keeping.keep(MASK, Source("my_mask", (), text))
    assert mine(MASK) is attention.causal_mask
    printed = capsys.readouterr().out
    assert "no longer fits" in printed
    assert re.search(why, printed), printed
    assert keeping.last_kept(MASK).source.text == text
    collected = writing.collect()
    assert collected.mine == {}
    assert "no longer fits" in collected.refused[MASK]


# --- the picture ---


def test_the_picture_of_the_parts_has_a_description_in_words(next_session):
    check_cell()
    next_session()
    shown = mine()
    assert shown.summary.startswith("1 of 48 parts of my_llm.py are yours. Next: tokenization.most_common_pair")
    html = shown._repr_html_()
    assert 'alt="The parts of a language model' in html
    assert "yours: causal_mask" in html
    assert f"✓ {MASK}" in repr(shown)
    drawn = xml.dom.minidom.parseString(shown.svg())
    said = [node.firstChild.data for node in drawn.getElementsByTagName("text")]
    assert "✓ causal_mask" in said
    assert all(f"○ {part.name}".replace("_attention", "") in said or part.exercise == MASK for part in PARTS)
    assert set(GROUPS) <= set(said)
    assert "you are here" not in said
    here = mine(here="Attention")
    assert "you are here" in here.svg()
    assert "You are here: Attention." in here.alt
    with pytest.raises(ValueError, match=r"here must be one of 'Tokenizer', .*; got 'attention'"):
        mine(here="attention")
