"""The file of the reader's own parts needs only torch, and computes the same as the library."""

import ast
import re
import sys

import pytest
from typer.testing import CliRunner

from exercises.cells import all_solutions, check_cell, run_cell
from llmlib import embeddings
from llmlib.cli import app
from llmlib.exercises.engine import keeping
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.running import quietly, same
from llmlib.exercises.engine.sources import source_of
from llmlib.exercises.my_llm import whole, writing
from llmlib.exercises.my_llm.assembling import assemble, lines_of_code
from llmlib.exercises.my_llm.parts import OF_EXERCISE, PARTS
from llmlib.exercises.my_llm.rewriting import imports_of
from llmlib.exercises.registry import find


@pytest.mark.slow
def test_the_borrowed_parts_solve_their_exercises():
    module = writing.as_module(assemble({}, frozenset()).text)
    for part in PARTS:
        report = examine(find(part.exercise), getattr(module, part.name))
        assert report.correct, report


@pytest.mark.slow
def test_a_file_of_borrowed_parts_computes_what_the_library_does_and_needs_only_torch():
    assembled = writing.compose(writing.collect())
    assert len(assembled.borrowed) == len(PARTS)
    assert assembled.idle == ()
    assert lines_of_code(assembled.text) <= 360
    assert "llmlib import" not in assembled.text
    imported = {each.package for each in imports_of(ast.parse(assembled.text).body)}
    assert imported - set(sys.stdlib_module_names) == {"torch"}
    assert "The file needs only torch." in assembled.text
    assert "\n# How SmolLM2 splits a text into pieces" in assembled.text
    findings = list(whole.check_small(writing.as_module(assembled.text)))
    assert all(finding.ok for finding in findings), findings
    assert len(findings) == 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "solves"])
def test_every_right_solution_can_be_kept_and_loaded(kind):
    for exercise, function in all_solutions(kind):
        source = source_of(function, exercise.partition(".")[2])
        space = {"__name__": "later"}
        exec(source.whole, space)
        args = find(exercise).cases(0)[0].args
        with quietly():
            expected, got = (find(exercise).as_function(f)(*args) for f in (function, space[source.function]))
        assert type(got) is type(expected), exercise
        assert same(expected, got), exercise


@pytest.mark.slow
def test_a_file_of_the_readers_own_parts_computes_what_the_library_does():
    """The parts call llmlib's functions and each other, as in the lessons."""
    for exercise, function in all_solutions("plain"):
        if exercise in OF_EXERCISE:
            keeping.keep(exercise, source_of(function, exercise.partition(".")[2]))
    assembled = writing.compose(writing.collect())
    assert assembled.refused == {}
    assert len(assembled.mine) == len(PARTS)
    assert not re.search(r"(embeddings|attention)\.\w+\(", assembled.text)
    assert assembled.text.count("def rms_norm(") == 1  # defined once: the other parts call this part
    findings = list(whole.check_small(writing.as_module(assembled.text)))
    assert all(finding.ok for finding in findings), findings


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_a_file_of_parts_in_other_styles_computes_what_the_library_does(number):
    seen = {}
    for exercise, function in all_solutions("solves"):
        seen[exercise] = seen.get(exercise, -1) + 1
        if exercise in OF_EXERCISE and seen[exercise] == number:
            keeping.keep(exercise, source_of(function, exercise.partition(".")[2]))
    assembled = writing.compose(writing.collect())
    assert all("llmlib" in why for why in assembled.refused.values()), assembled.refused
    assert len(assembled.mine) + len(assembled.refused) == len(PARTS)
    findings = list(whole.check_small(writing.as_module(assembled.text)))
    assert all(finding.ok for finding in findings), findings


@pytest.mark.slow
def test_clashing_names_are_changed_and_parts_that_cannot_work_are_refused():
    cell = """
import math as F
import numpy as np
from llmlib import attention, embeddings

def merge(x):  # not the tokenizer's
    return x.flatten(2)

def json(z):
    return merge(z.transpose(1, int(F.sqrt(np.abs(-4)))))
"""
    keeping.keep("attention.merge_heads", source_of(run_cell(cell)["json"]))
    around = "from llmlib import attention\ndef split(x, n_heads): return attention.split_heads(x, n_heads)"
    keeping.keep("attention.split_heads", source_of(run_cell(around)["split"]))
    needs = "from llmlib.hooks import hooked\ndef turn(x, cos, sin): return hooked and embeddings.rotate(x, cos, sin)"
    keeping.keep("attention.rotate", source_of(run_cell(needs, embeddings=embeddings)["turn"]))
    assembled = writing.compose(writing.collect())
    assert assembled.mine == ("attention.merge_heads",)
    assert "def merge_of_merge_heads(x):  # not the tokenizer's" in assembled.text
    assert "import math as F_" in assembled.text
    assert "The file needs torch, and my parts need numpy." in assembled.text
    assert "RecursionError" in assembled.refused["attention.split_heads"]
    assert "`hooked` from llmlib" in assembled.refused["attention.rotate"]


def test_a_borrowed_part_that_nothing_calls_is_left_out_but_still_counted():
    """If attention is written without the module, the module and everything that only it calls are left out."""
    own = "import torch\ndef attend(x, query, key, value, output, n_heads, cos, sin): return torch.zeros_like(x)"
    assembled = assemble({"transformer.attention_part": source_of(run_cell(own)["attend"])}, frozenset())
    assert "attention.multi_head" in assembled.idle
    assert sum(map(len, (assembled.mine, assembled.shown, assembled.borrowed, assembled.idle))) == len(PARTS)
    assert "1 of the 48 parts are mine" in assembled.text
    assert "nothing in it calls them: attention.causal_mask" in assembled.text


def test_comments_docstrings_and_blank_lines_do_not_count_as_lines_of_code():
    head = '"""Of two\n\nlines."""\n\nimport re  # this\n\n# that\nLONG = """\na\n"""\n\n'
    text = head + 'def f(x):\n    """What."""\n    return (\n        x)\n'
    assert lines_of_code(text) == 7


def mine_command(*arguments):
    return CliRunner().invoke(app, ["mine", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_writes_the_file_but_never_overwrites_a_changed_one(tmp_path):
    path = tmp_path / "my_llm.py"
    check_cell()
    first = mine_command(path)
    assert first.exit_code == 0, first.output
    assert "1 of 48 parts are yours, 47 borrowed." in first.output
    assert f"{lines_of_code(path.read_text())} lines of code" in first.output
    assert "# This took me an evening." in path.read_text()
    assert "# borrowed from llmlib: attention.causal_mask" not in path.read_text()
    assert "# borrowed from llmlib: attention.split_heads, lesson 03\ndef split_heads" in path.read_text()
    for change in (lambda text: text + "# my note\n", lambda text: text.replace("mine:", "mine :", 1)):
        changed = change(path.read_text())
        path.write_text(changed)
        refused = mine_command(path)
        assert refused.exit_code == 1
        assert "has been changed" in refused.output
        assert "my_llm_new.py" in refused.output
        assert path.read_text() == changed
        path.unlink()
        writing.write(path, "# mine: nothing\n")
    assert mine_command(tmp_path).exit_code == 1  # a folder
    assert mine_command(tmp_path / "none" / "there.py", "--check").exit_code == 1


def test_the_command_warns_and_does_not_run_a_file_from_someone_else(tmp_path):
    path, mark = tmp_path / "my_llm.py", tmp_path / "it was run"
    path.write_text(f"open({str(mark)!r}, 'w').close()\n")
    checked = mine_command("--check", path)
    assert checked.exit_code == 1
    assert "runs its code" in checked.output
    assert not mark.exists()


@pytest.mark.slow
def test_the_file_runs_smollm2(smollm2):
    module = writing.as_module(writing.compose(writing.collect()).text)
    findings = list(whole.check_real(module, *smollm2))
    assert all(finding.ok for finding in findings), findings
    assert len(findings) == 3
