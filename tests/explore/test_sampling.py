"""The sampling lab on a live model has the library's numbers and draws, keeps branches and refuses invalid requests."""

import math
import re

import numpy as np
import pytest
import torch
from acting import act, acts

from explore.sampled import ids_of
from llmlib.explore import explore_sampling
from llmlib.sampling import Constraint, Sampler, generate
from llmlib.widgets import SamplingView

pytestmark = pytest.mark.usefixtures("uneven")


def logits_after(live, ids):
    with torch.inference_mode():
        return live[0](torch.tensor([ids]))[:, -1].float()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 0},
        {"top_k": 5},
        {"temperature": 1.5, "top_p": 0.7, "min_p": 0.02},
        {"typical_p": 0.5, "repetition_penalty": 1.3, "frequency_penalty": 0.2, "presence_penalty": -0.1},
    ],
)
def test_the_bars_agree_with_the_sampler(live, settings):
    view = explore_sampling(*live, "one two one", settings=settings)
    logits, ids = logits_after(live, live[1].encode("one two one")), torch.tensor([live[1].encode("one two one")])
    sampler = Sampler(**settings)
    before, after = logits.softmax(-1)[0], sampler.probabilities(logits, ids)[0]
    shown = [token["id"] for token in view.tokens]
    assert view.stages[0]["p"] == pytest.approx(before[shown].tolist(), abs=1e-6)
    assert view.stages[-1]["p"] == pytest.approx(after[shown].tolist(), abs=1e-6)
    assert view.stages[-1]["rest"] == pytest.approx(1 - after[shown].sum().item(), abs=1e-5)
    names = [name for name, _ in sampler.stages(logits, ids)]
    assert [stage["name"] for stage in view.stages] == ["model", *names[1:]]
    kept = sampler.adjusted(logits, ids)[0] > -math.inf
    assert view.stages[-1]["kept"] == kept.sum()
    assert view.stages[-1]["mass_of_first"] == pytest.approx(before[kept].sum().item(), abs=1e-5)
    assert view.stages[-1]["entropy"] == pytest.approx(-(after * after.clamp(min=1e-30).log()).sum().item(), abs=1e-4)
    assert all(bool(token["cut"]) == (not kept[token["id"]]) for token in view.tokens)


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0}, {"temperature": 1.3, "top_k": 40, "frequency_penalty": 0.5}]
)
def test_steps_draw_what_generate_draws_with_the_same_seed(live, settings):
    view = explore_sampling(*live, "one two", settings=settings, seed=7)
    for _ in range(12):
        assert act(view, "step"), view.notice
    model, tokenizer = live
    wanted = list(generate(model, tokenizer.encode("one two"), 12, Sampler(**settings), seed=7, end_ids=()))
    assert ids_of(view, tokenizer)[2:] == wanted


def test_each_node_has_the_models_log_probability_and_its_chance_of_being_drawn(live):
    view = explore_sampling(*live, "one", settings={"temperature": 0.5, "top_k": 20})
    acts(view, ("step", {}), ("step", {}), ("take", {"id": 101}))
    nodes, ids = view.branches(), ids_of(view, live[1])
    for k, node in enumerate(nodes[1:], 1):
        logits = logits_after(live, ids[:k])
        assert node["log_prob"] == pytest.approx(logits.log_softmax(-1)[0, ids[k]].item(), abs=1e-5)
        assert node["chance"] == pytest.approx(
            Sampler(temperature=0.5, top_k=20).probabilities(logits)[0, ids[k]].item(), abs=1e-5
        )
    assert [node["way"] for node in nodes] == ["prompt", "chance", "chance", "reader"]


def test_branches_are_kept_and_found_again(live):
    view = explore_sampling(*live, "one")
    first = [token["id"] for token in view.tokens][:3]
    for id in first:
        assert acts(view, ("take", {"id": id}), ("step", {}), ("go", {"node": 0})) == []
    tree = view.branches()
    assert [node["id"] for node in tree if node["parent"] == 0] == first
    before = len(tree)
    act(view, "take", id=first[1])
    assert len(view.branches()) == before, "this branch already exists"
    assert view.written() == [view.word(first[1])]
    act(view, "back")
    act(view, "back")  # one step back too many
    assert view.at == 0
    assert not act(view, "go", node=999)
    assert "branch no longer exists" in view.notice


def test_the_same_seed_repeats_the_same_draws(live):
    view = explore_sampling(*live, "one", seed=3)
    acts(view, *[("step", {})] * 8)
    first = view.written()
    act(view, "again")
    assert view.at == 0
    acts(view, *[("step", {})] * 8)
    assert view.written() == first
    act(view, "seed", value=4)
    act(view, "again")
    acts(view, *[("step", {})] * 8)
    assert view.written() != first
    assert not act(view, "seed", value=-1)
    assert "whole number" in view.notice


def test_the_counts_of_draws_add_up_and_come_close_to_the_probabilities(live):
    view = explore_sampling(*live, "one two", settings={"top_k": 4, "temperature": 2})
    assert act(view, "draws", times=200)
    assert view.draws["n"] == sum(view.draws["counts"]) + view.draws["rest"] == 200
    first = view.draws
    assert act(view, "draws", times=20_000)
    assert view.draws["n"] == 20_200
    for p, count in zip(view.stages[-1]["p"], view.draws["counts"]):
        assert abs(count / 20_200 - p) <= 5 * math.sqrt(p * (1 - p) / 20_200)
        assert p or not count
    act(view, "set", name="top_k", value=5)
    assert view.draws == {}, "the draws belonged to other settings"
    act(view, "set", name="top_k", value=4)
    act(view, "draws", times=200)
    assert view.draws == first, "the seed determines the draws"
    written = view.written()
    act(view, "draws", times=10)
    assert view.written() == written


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("top_p", 1.5, "top_p must be greater than 0 and at most 1, got 1.5."),
        ("top_p", 0, "top_p must be greater than 0 and at most 1, got 0."),
        ("temperature", -0.1, "temperature must be 0 or more, got -0.1."),
        ("top_k", 0, "top_k must be a whole number, at least 1, got 0."),
        ("heat", 1, "There is no setting 'heat'. The settings are temperature,"),
    ],
)
def test_invalid_settings_are_reported_and_change_nothing(live, name, value, said):
    view = explore_sampling(*live, "one", settings={"temperature": 0.7})
    before = {trait: getattr(view, trait) for trait in SamplingView.shown}
    assert not act(view, "set", name=name, value=value)
    assert said in view.notice
    assert {trait: getattr(view, trait) for trait in SamplingView.shown} == before
    with pytest.raises(ValueError, match=re.escape(said)):
        explore_sampling(*live, "one", settings={name: value})


def test_rules_that_leave_no_token_are_reported(live):
    model, tokenizer = live
    view = explore_sampling(model, tokenizer, "one")
    assert act(view, "allow", pattern="a|b"), view.notice
    allowed = [tokenizer.encode(letter)[0] for letter in "ab"]
    assert [token["id"] for token in view.tokens if not token["cut"]] == sorted(
        allowed, key=lambda id: -logits_after(live, tokenizer.encode("one"))[0, id]
    )
    for id in allowed:
        act(view, "ban", id=id)
    assert "2 by your bans, then " in view.problem
    bars = {token["id"]: token["cut"] for token in view.tokens}
    assert [bars[id] for id in allowed] == ["logit_bias"] * 2, (
        "even an unlikely banned token is shown, so that it can be allowed again"
    )
    assert "Allow a banned token again" in view.problem or "allow a banned token again" in view.problem
    assert view.stages[-1]["kept"] == 0
    assert not act(view, "step")
    assert "The reason is below" in view.notice  # the reason stays there as long as it applies
    assert not act(view, "draws", times=200)
    assert "The reason is below" in view.notice
    act(view, "ban", id=allowed[0])
    assert view.problem == ""
    assert act(view, "step")
    assert view.written() == ["a"]
    assert view.ended == "constraint"
    assert not act(view, "step")
    assert "matches your whole pattern" in view.notice
    act(view, "allow", pattern="")
    act(view, "take", id=5)
    act(view, "allow", pattern="a|b")
    assert "already breaks the pattern" in view.problem
    act(view, "reset")
    assert (view.problem, view.pattern, view.banned) == ("", "", [])


def test_an_invalid_pattern_is_refused(live):
    view = explore_sampling(*live, "one")
    assert not act(view, "allow", pattern="(a")
    assert view.notice
    assert view.pattern == ""


def test_an_end_token_ends_a_text(live):
    model, tokenizer = live
    view = explore_sampling(model, tokenizer, "one")
    act(view, "take", id=model.config.end_ids[0])
    assert view.ended == "end token"
    assert not act(view, "step")
    assert "ended its text" in view.notice
    act(view, "back")
    assert view.ended == ""


@pytest.mark.parametrize(
    ("text", "said"), [("", "Type at least one word."), ("one" * 200, "but the model's context holds only 128")]
)
def test_a_refused_prompt_changes_nothing(live, text, said):
    view = explore_sampling(*live, "one two")
    act(view, "step")
    before = {trait: getattr(view, trait) for trait in SamplingView.shown}
    assert not act(view, "prompt", text=text)
    assert said in view.notice
    assert {trait: getattr(view, trait) for trait in SamplingView.shown} == before
    with pytest.raises(ValueError, match=re.escape(said)):
        explore_sampling(*live, text)


def test_an_earlier_prompt_comes_back_with_its_branches(live):
    view = explore_sampling(*live, "one")
    acts(view, ("step", {}), ("step", {}))
    first = view.branches()
    assert act(view, "prompt", text="two")
    assert len(view.branches()) == 1
    act(view, "step")
    assert act(view, "prompt", text="one")
    assert view.branches() == first
    assert view.at == 2, "the prompt reopens where it was left"
    assert all(view.written())
    assert not act(view, "prompt", text="")
    assert view.branches() == first
    for k in range(7):
        act(view, "prompt", text=f"three {k}")
    act(view, "prompt", text="one")
    assert view.branches() == first
    act(view, "prompt", text="two")
    assert len(view.branches()) == 1, "only the latest eight prompts are remembered"


def test_the_same_node_shows_the_same_numbers_in_bfloat16(live):
    model = live[0].to(torch.bfloat16)
    try:
        view = explore_sampling(model, live[1], "one two three four")
        seen = [[stage["p"] for stage in view.stages]]
        for _ in range(6):
            act(view, "step")
            seen.append([stage["p"] for stage in view.stages])
        act(view, "prompt", text="four three")
        act(view, "prompt", text="one two three four")
        for node in (6, 3, 5, 0, 4):
            act(view, "go", node=node)
            assert [stage["p"] for stage in view.stages] == seen[node]
        before = view.stages
        with torch.no_grad():
            next(model.parameters()).mul_(2)
        act(view, "set", name="temperature", value=1)
        assert view.stages[0]["p"] != before[0]["p"], "the text is read again after the model has been trained"
    finally:
        with torch.no_grad():
            next(model.parameters()).div_(2)
        model.float()


def test_each_token_is_matched_against_the_pattern_only_once(live, monkeypatch):
    view = explore_sampling(*live, "one")
    assert act(view, "allow", pattern="[a-z ]*"), view.notice
    for _ in range(5):
        act(view, "step")
    followed, step = [], Constraint.step
    monkeypatch.setattr(Constraint, "step", lambda *of: followed.append(of) or step(*of))
    for _ in range(3):
        assert act(view, "step"), view.notice
    act(view, "back")
    assert len(followed) == 3


def test_a_pattern_that_allows_only_the_end_token_is_explained(live):
    view = explore_sampling(*live, "one")
    act(view, "allow", pattern="()")
    assert not act(view, "step")
    assert view.notice == "Your pattern allows no text at all: only the end token may follow. Change the pattern."
    act(view, "allow", pattern="a")
    act(view, "step")
    assert not act(view, "step")
    assert "only the end token may follow" in view.notice
    assert view.stages[-1]["kept"] == len(live[0].config.end_ids)


def test_a_repeated_prompt_keeps_its_branches_and_a_new_one_has_none(live):
    view = explore_sampling(*live, "one")
    act(view, "step")
    act(view, "prompt", text="one")
    assert (view.at, len(view.branches())) == (0, 2)
    act(view, "prompt", text="two")
    assert (view.at, len(view.branches())) == (0, 1)
    assert view.prompt_tokens == len(live[1].encode("two"))


def test_a_full_context_is_reported(live):
    view = explore_sampling(*live, "one" * 126)
    while act(view, "step"):
        pass
    assert view.prompt_tokens + len(view.written()) == view.context == 128
    assert "context of 128 tokens" in view.notice
    assert not act(view, "take", id=3)
    assert not act(view, "race")
    assert "context of 128 tokens is full" in view.notice
    assert act(view, "back")


def test_a_failed_forward_pass_leaves_everything_as_it_was(live, monkeypatch):
    view = explore_sampling(*live, "one two")
    act(view, "step")
    before = {trait: getattr(view, trait) for trait in SamplingView.shown}
    with monkeypatch.context() as patched:
        patched.setattr(type(live[0]), "forward", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("out of memory")))
        for kind, details in (("prompt", {"text": "four"}), ("take", {"id": 3}), ("step", {}), ("race", {})):
            assert not act(view, kind, **details)
            assert view.notice == "out of memory"
            assert {trait: getattr(view, trait) for trait in SamplingView.shown} == before
    assert act(view, "take", id=3)
    assert len(view.branches()) == 3


def test_a_step_reads_one_token(live, monkeypatch):
    model, read = live[0], []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda ids, **options: read.append(ids.shape) or forward(ids, **options))
    view = explore_sampling(*live, "one two three four" * 6)
    acts(view, *[("step", {})] * 3)
    assert [shape[1] for shape in read[1:]] == [1, 1, 1]
    for name, value in (("temperature", 0.5), ("top_p", 0.9)):
        act(view, "set", name=name, value=value)
    act(view, "draws", times=200)
    assert len(read) == 4
    for _ in range(3):
        act(view, "race")
    assert [tuple(shape) for shape in read[5:]] == [(4, 1)] * 3, "the text that the lanes share is read only once"


def test_emoji_and_broken_characters_are_shown(live):
    view = explore_sampling(*live, "👩‍👩‍👧‍👦 é مرحبا")
    byte = live[1].encode("🙂")[0]
    act(view, "take", id=byte)
    assert view.written() == ["⟨F0⟩"]
    assert "⟨F0⟩" in view.svg()
    assert np.isfinite([stage["entropy"] for stage in view.stages]).all()


@pytest.mark.parametrize("kind", ["step", "race"])
def test_an_interrupt_between_two_actions_ends_only_the_run_in_progress(live, monkeypatch, kind):
    view = explore_sampling(*live, "one", side_by_side=[{"top_k": 2}])
    n_interrupts = 3
    monkeypatch.setattr("llmlib.explore.sampling.controller.interrupts", lambda: n_interrupts)
    assert act(view, kind, run="first")
    n_interrupts += 1
    assert not act(view, kind, run="first")
    assert "You interrupted the kernel" in view.notice
    assert act(view, kind)  # the reader asks for a single token
    assert not act(view, kind, run="first"), "the old run does not start again"
    assert act(view, kind, run="second")
    assert act(view, kind, run="second")
    view.writing = {"kind": kind, "by": "third"}  # its first action is still waiting
    n_interrupts += 1
    assert not act(view, kind, run="third")
    view.writing = {}
    assert not act(view, kind, run="third")
    view.writing = {"kind": kind, "by": "fourth"}
    assert act(view, kind, run="fourth")
