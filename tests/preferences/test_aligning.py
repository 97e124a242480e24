"""Alignment runs: the reward rises, resumed runs are identical, and errors are reported before they do damage."""

import copy
import re
import warnings

import pytest
import torch
from finetuning.conftest import said, small_model

from llmlib.finetuning import LoRAConfig, apply_lora
from llmlib.preferences import PolicyCollapsed, align
from llmlib.preferences.groups import RewardError, encode_prompts, rewards_of, sample
from llmlib.preferences.kl import fixed_reference
from llmlib.preferences.updating import Updating
from llmlib.training import RunError, TrainingDiverged
from llmlib.training.distributed import Ranks
from llmlib.training.run import RunWarning
from preferences.conftest import PROMPTS, lengths, quick


def letters(prompts, answers):
    """Count the letters of each answer, but not those in special tokens, which would be too easy to get."""
    return [len(re.findall(r"[a-z]", re.sub(r"<\|\w+\|>", "", answer))) for answer in answers]


def steps_of(run):
    """Return the steps without their times, which differ from run to run."""
    return [{**vars(step), "seconds": 0.0} for step in run]


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"baseline": "batch"}, {"updates": 2, "over": "batch", "kl_weight": 0.01}])
def test_the_reward_rises(tokenizer, model, how):
    config = quick(steps=40, samples=8, learning_rate=2e-2, **how)
    steps = list(align(model, tokenizer, PROMPTS, letters, config, measures={"length": lengths}))
    early, late = (sum(step.reward for step in some) / 5 for some in (steps[:5], steps[-5:]))
    assert late > 2 * early + 0.5
    assert steps[0].kl == 0  # the reference is the model itself, with the same rounding
    assert steps[-1].kl > 0.1
    assert steps[-1].entropy < steps[0].entropy
    assert 0 < steps[0].measures["length"] <= steps[0].length <= 6


def test_a_step_reports_what_it_did(tokenizer, model):
    prompts = [{"prompt": text, "answer": text.upper()} for text in PROMPTS]
    seen = []

    def reward(given, answers):
        seen.append((list(given), list(answers)))
        return [len(answer) for answer in answers]

    (step,) = align(model, tokenizer, prompts, reward, quick(steps=1, divide=False))
    ((given, answers),) = seen
    assert [group.prompt for group in step.groups for _ in group.answers] == given
    assert [answer for group in step.groups for answer in group.answers] == answers
    assert sorted(group.prompt["answer"] for group in step.groups) == sorted(text.upper() for text in PROMPTS)
    for group in step.groups:
        assert group.rewards == tuple(map(len, group.answers))
        mean = sum(group.rewards) / 4
        assert group.advantages == pytest.approx([reward - mean for reward in group.rewards])
    assert step.reward == pytest.approx(sum(map(len, answers)) / 16)
    assert 0 <= step.cut_off <= 1


def test_all_forms_of_a_prompt_are_encoded_alike(tokenizer):
    class Held:
        messages = said("Hi")

    ways = ["Hi", said("Hi"), {"prompt": "Hi"}, {"messages": said("Hi"), "id": 3}, Held()]
    encoded = encode_prompts(tokenizer, ways)
    assert encoded == [encoded[0]] * 5


@pytest.mark.slow
@pytest.mark.parametrize("over", ["sequence", "batch", "constant"])
def test_a_batch_split_into_parts_has_the_same_gradients(tokenizer, model, over):
    """This also holds for the KL, and for the second update, whose ratio is not 1."""
    encoded = encode_prompts(tokenizer, PROMPTS)
    sampled = sample(model, tokenizer, encoded, 4, 12, seed=1)
    advantages = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    reference = fixed_reference(model, small_model(tokenizer.vocab_size), "float32")
    reference.embed.weight.add_(0.1)
    found = []
    for parts in (1, 2, 4):
        config = quick(accumulate=parts, over=over, kl_weight=0.3, clip=0.1, max_new_tokens=12)
        policy = copy.deepcopy(model)
        updating = Updating(encoded, sampled, advantages, reference, config, Ranks())
        losses = [updating.gradients(policy)]
        with torch.no_grad():
            policy.embed.weight.add_(
                0.05 * torch.randn(policy.embed.weight.shape, generator=torch.Generator().manual_seed(3))
            )
        losses.append(updating.gradients(policy))
        found.append((losses, [p.grad for p in policy.parameters()], [updating.entropy, updating.kl]))
    for losses, gradients, measured in found[1:]:
        assert losses == pytest.approx(found[0][0], rel=1e-4, abs=1e-6)
        assert measured == pytest.approx(found[0][2], rel=1e-4)
        for one, other in zip(gradients, found[0][1]):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


@pytest.mark.slow
def test_a_resumed_run_is_bit_identical_to_an_unbroken_run(tokenizer, tmp_path):
    config = quick(steps=4, save_every=1, updates=2, kl_weight=0.1)
    base = small_model(tokenizer.vocab_size)
    whole, half, rest = (copy.deepcopy(base) for _ in range(3))
    expected = steps_of(align(whole, tokenizer, PROMPTS, letters, config))
    run = align(half, tokenizer, PROMPTS, letters, config, folder=tmp_path)
    begun = [next(run), next(run)]
    del run
    run = align(rest, tokenizer, PROMPTS, letters, config, folder=tmp_path, resume=True)
    assert run.last == begun[-1]
    assert steps_of([*begun, *run]) == expected
    for one, other in zip(rest.parameters(), whole.parameters()):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": quick(save_every=1, clip=0.3)}, r"a different config: clip was 0\.2 and is now 0\.3"),
        ({"prompts": PROMPTS[::-1]}, "did not begin with the same prompts: .* same prompts, tokenizer and reference"),
        ({"reference": small_model(259, d_mlp=8)}, "did not begin with the same reference"),
        ({"resume": False}, "already contains a run"),
    ],
)
def test_a_different_run_is_not_continued(tokenizer, tmp_path, change, message):
    how = {"prompts": PROMPTS, "config": quick(save_every=1), "folder": tmp_path}
    next(align(small_model(259), tokenizer, reward=letters, **how))
    with pytest.raises(RunError, match=message):
        align(small_model(259), tokenizer, reward=letters, **{**how, "resume": True, **change})


@pytest.mark.slow
def test_a_run_continues_after_an_interrupt_in_the_reward(tokenizer):
    base, calls = small_model(tokenizer.vocab_size), []

    def interrupted(prompts, answers):
        calls.append(0)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return letters(prompts, answers)

    expected = steps_of(align(copy.deepcopy(base), tokenizer, PROMPTS, letters, quick()))
    run = align(base, tokenizer, PROMPTS, interrupted, quick())
    steps = [next(run)]
    with pytest.raises(KeyboardInterrupt):
        next(run)
    assert steps_of([*steps, *run]) == expected


def test_aligning_a_lora_leaves_its_base_unchanged(tokenizer, model):
    base = copy.deepcopy(model.state_dict())
    lora = apply_lora(model, LoRAConfig(rank=2))
    steps = list(align(model, tokenizer, PROMPTS, letters, quick(steps=4)))
    assert steps[0].kl == 0 < steps[-1].kl
    lora.remove()
    assert all(torch.equal(value, base[name]) for name, value in model.state_dict().items())


# --- errors ---------------------------------------------------------------------------------------------------------


def same(prompts, answers):
    return [1.0] * len(answers)


def test_groups_with_equal_rewards_are_reported_once_and_change_no_weights(tokenizer, model):
    before = copy.deepcopy(model.state_dict())
    with pytest.warns(
        RunWarning, match="At step 1, in each of the 4 groups, all answers got the same reward"
    ) as caught:
        steps = list(align(model, tokenizer, PROMPTS, same, quick(steps=3)))
    assert len([w for w in caught if w.category is RunWarning]) == 1
    assert [step.equal_groups for step in steps] == [4, 4, 4]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_there_is_no_warning_if_the_group_is_not_the_baseline(tokenizer, model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (step,) = align(model, tokenizer, PROMPTS, same, quick(steps=1, baseline="none"))
    assert step.equal_groups == 4
    assert step.gradient_norm > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda p, a: [1.0] * 15, "one number for each of the 16 answers, but it returned a list of length 15"),
        (lambda p, a: [1.0] * 15 + [float("nan")], "must return finite numbers, but it returned nan for the answer '"),
        (lambda p, a: [float("-inf")] * 16, "but it returned -inf"),
        (lambda p, a: None, "must return a list with one number for each of the 16 answers, but it returned None"),
        (lambda p, a: 3.0, "but it returned 3.0"),
        (lambda p, a: ["good"] * 16, r"it returned \['good'"),
        (lambda p, a: torch.ones(16, 2), "must return a list with one number"),
    ],
)
def test_an_invalid_reward_is_an_error_and_changes_nothing(tokenizer, model, given, message):
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RewardError, match=message):
        next(align(model, tokenizer, PROMPTS, given, quick()))
    with pytest.raises(RewardError, match=f"^bad.*{message}"):
        next(align(model, tokenizer, PROMPTS, letters, quick(), measures={"bad": given}))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_reward_may_return_anything_that_converts_to_numbers():
    for given in (torch.tensor([1, 0]), [True, False], (n for n in (1, 0))):
        assert rewards_of(lambda p, a, given=given: given, ["x"], ["a", "b"]).tolist() == [[1.0, 0.0]]


def test_an_error_in_the_reward_is_raised_with_a_note(tokenizer, model):
    def broken(prompts, answers):
        return [prompt["answer"] for prompt in prompts]

    with pytest.raises(TypeError) as caught:
        next(align(model, tokenizer, PROMPTS, broken, quick()))
    assert caught.value.__notes__[0].startswith("The reward function raised this error for 16 answers; the first is '")


def test_a_policy_that_gives_one_answer_to_everything_is_stopped(tokenizer, model):
    (end,) = model.config.end_ids or tokenizer.eos_ids
    model.unembed.weight.data.zero_()
    model.final_norm.weight.data.zero_()  # all logits are equal; the next lines make only the end token possible
    hook = model.hook_final.add_hook(lambda value: value + 1)
    model.unembed.weight.data[end] = 100.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        run = align(model, tokenizer, PROMPTS, letters, quick(steps=20))
        with pytest.raises(
            PolicyCollapsed, match=r"the model gave the same answer to every prompt \(most recently ''\).*kl_weight"
        ):
            list(run)
    hook.remove()
    assert run.step == 4
    assert issubclass(PolicyCollapsed, TrainingDiverged)


def test_divergence_is_reported_before_it_reaches_the_weights(tokenizer, model):
    run = align(model, tokenizer, PROMPTS, letters, quick(steps=9))
    next(run)
    before = copy.deepcopy(model.state_dict())
    run.reference.unembed.weight.fill_(float("inf"))  # the KL becomes NaN
    run.settings = quick(steps=9, kl_weight=1.0)
    with pytest.raises(TrainingDiverged, match=r"At step 2, the loss is .*learning rate .* is too high"):
        next(run)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"reference": small_model(300)}, "The reference has a vocabulary of 300 tokens, but the model has 259"),
        (
            {"config": quick(max_new_tokens=60)},
            r"Prompt \d has \d+ tokens. With max_new_tokens=60 .* context of 64",
        ),
        ({"prompts": []}, "There are no prompts to answer"),
        ({"prompts": ["ok", []]}, "Prompt 1: There is no message to answer"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_sampled(tokenizer, model, how, message):
    arguments = {"prompts": PROMPTS, "reward": letters, "config": quick(), **how}
    with pytest.raises(ValueError, match=message):
        align(model, tokenizer, **arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 1}, 'baseline="group" compares each answer with its group'),
        ({"prompts": 4, "accumulate": 3}, "prompts=4 cannot be split into accumulate=3"),
        ({"warmup": 9}, r"warmup=9 is longer than the whole run \(steps=3\)"),
        ({"kl_estimate": "k1"}, "kl_estimate must be one of 'k2', 'k3'"),
    ],
)
def test_invalid_or_contradictory_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        quick(**settings)


@pytest.mark.cuda
def test_alignment_works_on_a_gpu(tokenizer):
    model = small_model(tokenizer.vocab_size).to("cuda")
    config = quick(steps=40, samples=8, learning_rate=2e-2)
    steps = list(align(model, tokenizer, PROMPTS, letters, config))
    assert steps[-1].reward > 2 * steps[0].reward + 0.5
