"""Tuning teaches a model the answers and nothing else, and new tokens start as copies of other tokens."""

import pytest
import torch

from finetuning.conftest import said, small_model
from llmlib import Sampler, chat
from llmlib.finetuning import start_tokens, tune
from llmlib.training import TrainConfig

QUICK = TrainConfig(steps=150, batch_size=4, seq_len=60, learning_rate=1e-2, dtype="float32")


@pytest.mark.slow
def test_a_model_learns_to_answer(tokenizer, model):
    lesson = [said("one?", "two"), said("three?", "four", "one?", "five")]
    steps = list(tune(model, tokenizer, lesson, QUICK, validation=lesson))
    assert steps[-1].loss < 0.1 < 2 < steps[0].loss
    assert steps[-1].validation_loss < 0.1
    greedy = Sampler(temperature=0)
    assert "".join(chat(model, tokenizer, "one?", sampler=greedy)) == "two"
    assert "".join(chat(model, tokenizer, lesson[1][:3], sampler=greedy)) == "five"


def test_what_the_user_says_is_not_learned(tokenizer):
    """The loss has no gradient at positions that predict the user's tokens."""
    model = small_model(tokenizer.vocab_size)
    logits = []
    model.hook_final.add_hook(lambda value: logits.append(value) or value.retain_grad())
    run = tune(model, tokenizer, [said("abc", "de")], TrainConfig(1, 1, 8, dtype="float32"), packed=False)
    next(run)
    (final,) = (value for value in logits if value.grad is not None)
    moved = final.grad[0].abs().sum(-1) > 0
    assert (
        moved.tolist() == [False] * 4 + [True] * 4
    )  # no gradient at <|user|> a b c; <|assistant|> " " d e predict " de" and the end


@pytest.mark.parametrize("tied", [True, False])
def test_new_tokens_start_as_copies_of_others(tokenizer, tied):
    model = small_model(tokenizer.vocab_size, tied_embeddings=tied)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start_tokens(model, tokenizer, {"<|user|>": "\n", "<|assistant|>": "?"})
    user, assistant = (tokenizer.special_tokens[name] for name in ("<|user|>", "<|assistant|>"))
    for name, value in model.state_dict().items():
        expected = before[name]
        if "embed" in name:
            expected[[user, assistant]] = expected[[ord("\n"), ord("?")]]
        assert torch.equal(value, expected), name


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_grows_with_its_tokenizer(tokenizer, tied):
    model = small_model(256, tied_embeddings=tied)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        before, mean = model(ids), model.embed.weight.mean(0)
        start_tokens(model, tokenizer, {"<|user|>": "\n"})
        assert model.config.vocab_size == tokenizer.vocab_size
        torch.testing.assert_close(model(ids)[..., :256], before)
        torch.testing.assert_close(model.embed.weight[tokenizer.special_tokens["<|assistant|>"]], mean)
        assert torch.equal(model.embed.weight[tokenizer.special_tokens["<|user|>"]], model.embed.weight[10])
    assert list(tune(model, tokenizer, [said("a", "b")], TrainConfig(2, 1, 8, dtype="float32")))


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"<|bot|>": "?"}, r"'<\|bot\|>' is not a special token of .*Its special tokens: <\|endoftext\|>, <\|user\|>"),
        ({"<|user|>": "ab"}, r"'<\|user\|>' should start out like 'ab', but 'ab' is 2 tokens"),
        ({"<|user|>": ""}, "but '' is 0 tokens"),
    ],
)
def test_invalid_start_tokens_leave_the_model_unchanged(tokenizer, model, like, message):
    before = model.embed.weight.clone()
    with pytest.raises(ValueError, match=message):
        start_tokens(model, tokenizer, {"<|assistant|>": "?", **like})
    assert torch.equal(model.embed.weight, before)


def test_a_conversation_that_does_not_alternate_is_refused_before_training(tokenizer, model):
    with pytest.raises(ValueError, match="Conversation 0: Message 0 is from 'assistant'"):
        tune(model, tokenizer, [said("a", "b")[1:]], QUICK)
