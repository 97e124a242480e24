"""Given plain arrays, the sampling lab chooses the tokens to show, keeps branches and draws pictures."""

import json
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.widgets import SamplingView, sampling_view
from llmlib.widgets.sampling.branches import PROMPT, Branches
from llmlib.widgets.sampling.distribution import AFTER, BEFORE, compare
from llmlib.widgets.sampling.picture import AFTER as BLUE
from llmlib.widgets.sampling.picture import BEFORE as GREY

VOCABULARY = ["<i>The</i>", " 🙂", "\x00", "مرحبا", "漢字" * 9, "", "\n", "⟨F0 9F⟩"]
OUT = -np.inf


def logits(n=8, seed=0):
    return 2 * np.random.default_rng(seed).normal(size=n)


def test_stages_report_what_they_cut_and_keep():
    first = np.log([0.5, 0.25, 0.125, 0.125])
    second, third = np.array([first[0], first[1], OUT, first[3]]), np.array([OUT, first[1], OUT, first[3]])
    tokens, stages = compare([("model", first), ("a", second), ("b", third)])
    assert tokens == [{"id": 0, "cut": "b"}, {"id": 1, "cut": ""}, {"id": 2, "cut": "a"}, {"id": 3, "cut": ""}]
    assert [stage["kept"] for stage in stages] == [4, 3, 2]
    assert [stage["mass"] for stage in stages] == pytest.approx([1, 0.875, 0.375 / 0.875])
    assert [stage["mass_of_first"] for stage in stages] == pytest.approx([1, 0.875, 0.375])
    assert stages[0]["entropy"] == pytest.approx(1.75 * math.log(2))
    assert stages[2]["p"] == pytest.approx([0, 2 / 3, 0, 1 / 3])
    assert [stage["rest"] for stage in stages] == pytest.approx([0, 0, 0])


def test_the_likeliest_tokens_before_and_after_the_settings_are_shown():
    first = np.arange(100.0)[::-1]  # token 0 is the likeliest
    only_unlikely = np.where(np.arange(100) < 50, OUT, first)
    tokens, stages = compare([("model", first), ("typical_p", only_unlikely)])
    assert [token["id"] for token in tokens] == [*range(BEFORE), *range(50, 50 + AFTER)]
    assert stages[1]["rest"] == pytest.approx(1 - sum(stages[1]["p"]))


def test_nothing_breaks_when_no_token_is_left():
    tokens, stages = compare([("model", logits()), ("constraint", np.full(8, OUT))])
    assert {token["cut"] for token in tokens} == {"constraint"}
    assert (stages[1]["kept"], stages[1]["entropy"], stages[1]["mass"]) == (0, 0, 0)
    view = sampling_view("a", {"model": logits(), "constraint": np.full(8, OUT)}, VOCABULARY)
    ET.fromstring(view.svg())
    assert "leaves 0 of 8 tokens" in view.alt
    assert "and 0.00 nats after" in view.alt


def test_requested_tokens_are_always_shown():
    tokens, _ = compare([("model", np.arange(100.0)[::-1])], always=[70, 3])
    assert [token["id"] for token in tokens] == [*range(BEFORE), 70]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 49_151)), max_size=40))
def test_a_tree_survives_packing(steps):
    tree = Branches()
    for parent, id in steps:
        tree.add(parent % len(tree), id, -id / 1000, 0.5, "chance")
    again = Branches.unpack(tree.pack())
    assert [node[:2] for node in again.nodes] == [node[:2] for node in tree.nodes]
    assert [again.ids(node) for node in range(len(again))] == [tree.ids(node) for node in range(len(tree))]
    assert len({(node.parent, node.id) for node in tree.nodes}) == len(tree)
    assert set(tree.ends()) == {n for n in range(len(tree)) if n not in {node.parent for node in tree.nodes}}


def test_the_newest_nodes_of_a_tree_can_be_removed():
    tree = Branches()
    first = tree.add(PROMPT, 1, -1.0, 0.5, "chance")
    tree.add(first, 2, -1.0, 0.5, "chance")
    tree.cut(2)
    assert (len(tree), tree.child(first, 2), tree.child(PROMPT, 1)) == (2, None, first)
    assert tree.add(first, 2, -1.0, 0.5, "reader") == 2


def grown():
    view = sampling_view("a <b>", {"model": logits(), "top_k": np.where(logits() > 0, logits(), OUT)}, VOCABULARY)
    tree = Branches()
    for parent, id, log_prob in ((0, 0, -0.1), (1, 1, -9.0), (1, 3, -2.0), (0, 7, -0.5), (4, 4, -1e-9)):
        tree.add(parent, id, log_prob, 0.5, "chance")
    view.tree, view.at = tree.pack(), 2
    view.learn(dict(enumerate(VOCABULARY)))
    return view


def test_the_picture_and_its_description_handle_any_token():
    first, second = grown(), grown()
    assert first.svg() == second.svg()
    assert repr(first) == repr(second)
    words = "".join(ET.fromstring(first.svg()).itertext())
    assert "Run this cell to use the view" in words
    assert "<i>The" in words
    assert "3 branches" in words
    assert "cut by top_k" in words
    assert "→" in words
    assert "</script><b>" not in first.to_html()
    assert first.alt.startswith("Sampling lab after “a <b><i>The</i> 🙂”: top_k leaves ")
    assert first.alt.endswith("3 branches so far.")
    assert SamplingView().alt == "Sampling lab after “”."
    ET.fromstring(SamplingView().svg())


def test_a_prompt_of_blanks_is_visible():
    view = sampling_view("  \n", {"model": logits()}, VOCABULARY)
    assert "··⏎" in "".join(ET.fromstring(view.svg()).itertext())


def test_without_a_setting_the_picture_has_one_bar_per_token():
    bars = {name: grown().svg().count(f'height="{h}" fill="{name}"') for name, h in ((GREY, 7), (BLUE, 10))}
    assert bars == {GREY: 9, BLUE: 8}  # eight tokens; in the legend, only the grey bar has the same height
    plain = sampling_view("a", {"model": logits()}, VOCABULARY).svg()
    assert GREY not in plain
    assert plain.count(f'height="10" fill="{BLUE}"') == 8
    assert "→" not in plain


def test_branches_can_be_written_as_json():
    tree = json.loads(json.dumps(grown().branches()))
    assert tree[0] == {
        "node": 0,
        "parent": None,
        "id": None,
        "token": "a <b>",
        "log_prob": 0.0,
        "chance": 1.0,
        "way": "prompt",
    }
    assert [(node["parent"], node["token"]) for node in tree[1:3]] == [(0, "<i>The</i>"), (1, " 🙂")]


def test_a_text_of_thousands_of_tokens_is_drawn():
    view, tree, at = grown(), Branches(), 0
    for k in range(3000):
        at = tree.add(at, k % 8, -1.0, 0.5, "chance")
    view.tree, view.at = tree.pack(), at
    ET.fromstring(view.svg())
    assert len(view.alt) < 300
    assert len(view.written()) == 3000


def test_invalid_stages_are_refused():
    for stages, message in (
        ({}, "There are no stages to show: pass at least the model's logits"),
        ({"model": logits(5)}, r"shape \(5,\), but the vocabulary has 8 tokens"),
        ({"model": np.full(8, np.nan)}, "must not contain NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            sampling_view("a", stages, VOCABULARY)
