"""The alignment dashboard with live runs: steps, answers, and what can go wrong."""

from dataclasses import dataclass

import numpy as np
import pytest
from finetuning.conftest import SPECIAL, small_model

from llmlib.chat import TALES, with_chat_template
from llmlib.explore import LiveAlignmentView, explore_alignment
from llmlib.explore.alignment import as_text
from llmlib.preferences import AlignConfig, align
from llmlib.tokenization import BPETokenizer

PROMPTS = [{"prompt": text, "right": text} for text in ("hello", "مرحبا", "👩‍👩‍👧‍👦", "abc d")]


def lengths(prompts, answers):
    return [float(len(answer)) for answer in answers]


def halves(prompts, answers):
    return [0.5] * len(answers)


def run_of(reward=lengths, **settings):
    tokenizer = with_chat_template(BPETokenizer.train("", 256 + len(SPECIAL), special_tokens=SPECIAL), TALES)
    known = {"steps": 4, "prompts": 2, "samples": 3, "max_new_tokens": 4, "dtype": "float32", **settings}
    model = small_model(tokenizer.vocab_size)
    return align(model, tokenizer, PROMPTS, reward, AlignConfig(**known), measures={"half": halves})


@pytest.mark.slow
def test_the_dashboard_shows_each_step_and_does_not_change_a_run():
    dashboard = explore_alignment({"ours": run_of(), "again": run_of()})
    dashboard.wait()
    plain = list(run_of())
    assert [step.reward for step in dashboard.steps["ours"]] == [step.reward for step in plain]
    ((about, curve, dashed), (again, _, _)) = dashboard.pairs()
    assert (about["state"], about["step"], about["steps"], about["measures"]) == ("finished", 4, 4, ["half"])
    assert again["state"] == "finished"
    for name, row in zip(("reward", "kl", "entropy", "length"), curve.mean):
        np.testing.assert_allclose(row, [getattr(step, name) for step in plain])
    np.testing.assert_array_equal(dashed.mean, [[0.5] * 4])
    ((_, step, groups), *_) = [one for one in dashboard.groups if one[0] == 0][::-1]
    assert step == 4
    for shown, group in zip(groups, plain[-1].groups, strict=True):
        assert shown["prompt"] == group.prompt["prompt"]
        assert (shown["answers"], shown["n"]) == (list(group.answers), 3)
        assert shown["rewards"] == list(group.rewards)
        np.testing.assert_allclose(shown["advantages"], group.advantages)
    assert dashboard.runs[0]["groups"] == 2
    assert "finished after 4 steps" in dashboard.still["html"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reward", "words"),
    [(lambda prompts, answers: [float("nan")] * len(answers), "nan"), (lambda prompts, answers: [1.0], "1")],
)
def test_an_invalid_reward_ends_the_run_with_a_reason(reward, words):
    dashboard = explore_alignment(run_of(reward))
    dashboard.wait()
    assert dashboard.runs[0]["state"] == "failed"
    assert "reward" in dashboard.runs[0]["words"]
    assert words in dashboard.runs[0]["words"]


@pytest.mark.filterwarnings("ignore:At step 1, in each of the 2 groups")
def test_a_cell_can_iterate_over_the_steps_and_then_compare_models():
    dashboard = LiveAlignmentView()
    steps = list(dashboard.watch(run_of(lambda prompts, answers: [1.0] * len(answers)), "equal"))
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert dashboard.runs[0]["equal_groups"] == 2
    dashboard.compare(PROMPTS[:1], {"tuned": ["a"], "aligned": ["b"]})
    assert dashboard.compared["prompts"] == ["hello"]
    assert "Side by side: tuned, aligned." in dashboard.alt


def test_any_iterator_of_steps_is_accepted():
    """The steps may come from a run that is stored on disk, for example."""
    dashboard = LiveAlignmentView()
    dashboard.add(iter(list(run_of())), "recorded")
    dashboard.wait()
    assert dashboard.runs[0]["state"] == "finished"


def test_a_prompt_in_any_form_is_turned_into_text():
    @dataclass
    class Prompt:
        messages: tuple

    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"})
    assert as_text(Prompt(messages)) == as_text({"messages": messages}) == "system: Be brief.\nuser: Who?"
    assert as_text({"prompt": "Who?"}) == as_text("Who?") == as_text(messages[1:]) == "Who?"
