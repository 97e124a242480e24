"""Given plain numbers and strings, the alignment view draws and describes the runs, and keeps only a few groups."""

import json
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from llmlib.widgets import AlignmentView
from llmlib.widgets.alignment.groups import MOST_ANSWERS, MOST_CHARACTERS, MOST_GROUPS, MOST_STEPS, Kept, pack_group

ODD = ("👩‍👩‍👧‍👦 é", "<b>x</b>\x00", "مرحبا بالعالم", "", "x" * 5000)


def group(rewards, answers=None, prompt="A story.\n\nWho?"):
    mean = sum(rewards) / len(rewards)
    return {
        "prompt": prompt,
        "answers": answers or [f"answer {k}" for k in range(len(rewards))],
        "rewards": rewards,
        "advantages": [reward - mean for reward in rewards],
    }


def aligned(steps=20):
    view = AlignmentView()
    for name in ("<i>ours</i>", "漢字"):
        run = view.add_run(name, steps=steps)
        for step in range(1, steps + 1):
            view.log(
                run,
                step,
                reward=step / steps,
                kl=0.1 * step,
                entropy=1 / step,
                length=9.0,
                cut_off=0.25,
                measures={"true reward": 0.5 - step / 100},
                equal_groups=1,
                seconds=2.0,
                groups=[group([0.0, 0.0]), group([1.0, 0.0, -0.5, 0.0, 1.0], list(ODD), f"{name} at {step}")],
            )
        view.mark(run, "finished" if run == 0 else "failed", "" if run == 0 else "All prompts get the same answer.")
    questions, answers = ["Who?", "Where?"], {"base": ["a", ""], "tuned": ["<b>b</b>", "c"], "aligned": ["d", "e"]}
    view.compare(questions, answers, {"aligned": [1.0, math.nan]})
    return view


def test_the_picture_and_its_description_show_the_runs():
    first, second = aligned(), aligned()
    assert first.svg() == second.svg()
    assert repr(first) == repr(second)
    words = list(ET.fromstring(first.svg()).itertext())
    assert "<i>ours</i>: finished, 20 steps · reward 1, initially 0.05 · true reward 0.3 · KL 2 nats" in words
    assert "<i>ours</i>: answers to one prompt after step 20, and their advantages" in words
    assert words.index("<i>ours</i> at 20") < words.index("5 answers, mean reward 0.3.")  # this group's rewards differ
    assert words[-2:] == ["aligned (reward 1)", "d"]
    assert "All prompts get the same answer." in words
    assert "failed after 20 of 20 steps, reward 1 (initially 0.05), true reward 0.3, KL 2 nats." in first.alt
    assert "5 answers to “漢字 at 20”, rewards from −0.5 to 1. Side by side: base, tuned, aligned." in first.alt
    assert "</script><b>" not in first.to_html()


def test_the_reason_why_a_run_failed_comes_before_the_line_of_the_next_run():
    view = aligned()
    view.mark(0, "failed", "The loss is nan.")
    words = list(ET.fromstring(view.svg()).itertext())
    name = view.pairs()[1][0]["name"]
    assert words[words.index("The loss is nan.") + 1].startswith(f"{name}: failed, 20 of 20 steps")


def test_the_state_for_the_page_is_complete_and_valid_json():
    view = aligned()
    assert [name in view.runs[0] for name in ("reward", "kl", "entropy", "length", "cut_off")] == [True] * 5
    assert (view.runs[1]["groups"], view.runs[1]["equal_groups"]) == (2, 1)
    assert [step for run, step, _ in view.groups if run == 0] == list(range(1, 21))
    assert len(np.frombuffer(view.curves, "<u4")) == 2 * ((3 + 20 * 7) + (3 + 20 * 4))
    assert view.compared["rewards"] == [[], [], [1.0, None]]
    assert view.still["html"] == view.fallback_html()
    json.dumps([view.runs, view.groups, view.compared], allow_nan=False)


@pytest.mark.parametrize(
    ("rewards", "says"),
    [
        ([1.0], "Only one answer: there is nothing to compare it with."),
        ([0.5] * 3, "All 3 rewards are equal (0.5): no answer is better than any other, so the model learns nothing"),
        ([1.0, math.nan], "1 reward is not a number: check the reward function."),
        ([math.inf, math.nan], "2 rewards are not numbers"),
        ([1.0, 0.0], "2 answers, mean reward 0.5."),
        ([1.0, 0.0] * 20, "40 answers, mean reward 0.5. Only the first 16 answers are shown."),
        ([1.0] * 20 + [math.nan], "1 reward is not a number"),
    ],
)
def test_any_group_is_described_and_drawn(rewards, says):
    view = AlignmentView()
    run = view.add_run("one")
    view.log(run, 1, reward=math.nan, groups=[group(rewards)])
    view.mark(run, "finished")
    assert says in " ".join(ET.fromstring(view.svg()).itertext())
    json.dumps(view.groups, allow_nan=False)
    assert "reward" not in view.runs[0], "a reward that is not a number is left out"


def test_mismatched_answers_rewards_and_measures_are_refused():
    with pytest.raises(ValueError, match="got 2 answers, 1 rewards and 2 advantages"):
        pack_group({**group([0.0, 1.0]), "rewards": [1.0]})
    view = AlignmentView()
    run = view.add_run("one")
    view.log(run, 1, reward=0.0, measures={"true": 1.0})
    with pytest.raises(ValueError, match=r"they were \['true'\] and are now \['length'\]"):
        view.log(run, 2, reward=0.0, measures={"length": 1.0})
    with pytest.raises(ValueError, match="There are 2 prompts, but 1 answers from 'tuned'"):
        view.compare(["a", "b"], {"base": ["a", "b"], "tuned": ["a"]})
    with pytest.raises(ValueError, match="There are 1 prompts, but 2 rewards for 'base'"):
        view.compare(["a"], {"base": ["a"]}, {"base": [1.0, 2.0]})


def test_a_long_run_keeps_few_groups_including_the_first_and_the_newest():
    kept = Kept()
    for step in range(1, 1001):
        kept.add(step, [group([0.0, 1.0])] * (MOST_GROUPS + 1))
    assert len(kept.steps) == MOST_STEPS
    assert (kept.steps[0], kept.steps[-1]) == (1, 1000)
    assert max(np.diff(kept.steps)) <= 32, "there is no large gap"
    assert len(kept.groups[0]) == MOST_GROUPS
    for step in range(1001, 1101):
        kept.add(step, [group([0.0] * 64, ["x" * 600] * 64)] * MOST_GROUPS)
    assert len(kept.groups[-1][0]["answers"]) == MOST_ANSWERS
    assert kept.groups[-1][0]["n"] == 64
    assert sum(len(text) for groups in kept.groups for one in groups for text in one["answers"]) <= MOST_CHARACTERS


def test_the_curves_of_a_long_run_without_measures_stay_small():
    view = AlignmentView()
    run = view.add_run("one")
    for step in range(1, 3001):
        view.log(run, step, reward=1.0)
    view.mark(run, "finished")
    assert len(view.curves) < 100_000
    ET.fromstring(view.svg())


def test_a_view_without_runs_or_with_a_paused_one_has_a_picture():
    view = AlignmentView()
    assert view.alt == "Alignment. There is no run yet."
    ET.fromstring(view.svg())
    view.add_run("one")
    view.log(0, 1, reward=0.0, groups=[group([0.0, 1.0], prompt=" ")])
    view.mark(0, "paused")
    assert "2 answers to “(empty)”" in view.alt
    ET.fromstring(view.svg())
