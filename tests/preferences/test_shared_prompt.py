"""Reading a prompt only once gives the same logits and gradients as reading it again with each answer."""

import pytest
import torch
from small_models import KINDS, make, random_ids

from llmlib.preferences.shared_prompt import answer_logits
from llmlib.sampling.logits import log_prob

PROMPTS = [[3, 1, 4, 1, 5, 9, 2], [6, 5, 3], [8, 9]]
MASK = torch.arange(4) < torch.tensor([4, 2, 1, 3, 4, 1])[:, None]


def apart(model, answers):
    """Return the logits of each answer, computed on a separate row of prompt and answer."""
    found = []
    for row, answer in enumerate(answers):
        prompt = PROMPTS[row // 2]
        ids = torch.tensor([[*prompt, *answer.tolist()]])
        found.append(model(ids)[0, len(prompt) - 1 : -1])
    return torch.stack(found)


def gradient(model, logits, answers):
    loss = (log_prob(logits, answers) * MASK * torch.arange(1, 7)[:, None]).sum()
    return torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad], allow_unused=True)


@pytest.mark.parametrize("kind", KINDS)
def test_sharing_a_prompt_does_not_change_logits_or_gradients(kind):
    model, answers = make(kind), random_ids(6, 4)
    ours, theirs = answer_logits(model, model.config, PROMPTS, answers, MASK), apart(model, answers)
    torch.testing.assert_close(ours[MASK], theirs[MASK], atol=2e-3, rtol=2e-3)
    found, expected = gradient(model, ours, answers), gradient(model, theirs, answers)
    scale = max(float(each.abs().max()) for each in expected if each is not None)
    for one, other in zip(found, expected):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, atol=1e-4 * scale, rtol=1e-2)


def test_every_prompt_is_read_once():
    model, seen = make("llama"), []
    hook = model.hook_embed.add_hook(lambda value: seen.append(tuple(value.shape[:2])))
    answer_logits(model, model.config, PROMPTS, random_ids(6, 4), MASK)
    hook.remove()
    assert seen == [(3, 6), (6, 4)]


def test_padding_may_go_beyond_the_context():
    """A long prompt with a short answer fits, and so does the reverse, but neither fits once it is padded."""
    model = make("gpt2")  # its position table ends at the context length
    prompts, answers = [list(range(20)), [1, 2]], random_ids(2, 21)
    mask = torch.arange(21) < torch.tensor([[3], [21]])
    logits = answer_logits(model, model.config, prompts, answers, mask)
    for prompt, answer, real, ours in zip(prompts, answers, mask, logits):
        ids = torch.tensor([prompt + answer[real].tolist()])
        torch.testing.assert_close(ours[real], model(ids)[0, len(prompt) - 1 : -1], atol=2e-3, rtol=2e-3)


def test_a_prompt_of_one_token_is_refused():
    model = make("llama")
    with pytest.raises(ValueError, match=r"Prompt 1 is too short \(1\): a shared prompt needs at least 2 tokens"):
        answer_logits(model, model.config, [[1, 2], [3]], random_ids(2, 4), MASK[:2])
