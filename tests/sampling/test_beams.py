"""Beam search finds the same texts as `transformers` and, with enough beams, the likeliest of all texts."""

import itertools

import pytest
import torch
from reference_models import load, their_model

from llmlib.sampling import GenerationWarning, beam_search
from llmlib.transformer import Transformer, TransformerConfig


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    theirs = their_model("llama")
    for parameter in theirs.parameters():
        parameter.data *= 2  # so that the model prefers some tokens to others
    theirs.save_pretrained(folder)
    return load(folder), theirs.eval()


@pytest.mark.slow
@pytest.mark.parametrize("n_beams", [1, 3, 5])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("n_ends", [0, 1, 9])
def test_beams_match_those_of_transformers(both, n_beams, length_penalty, n_ends):
    ours, theirs = both
    ids, ends = [5, 3, 8], list(range(7, 7 + n_ends))
    found = beam_search(ours, ids, n_beams, 10, length_penalty, end_ids=ends)
    expected = theirs.generate(
        torch.tensor([ids]),
        num_beams=n_beams,
        num_return_sequences=n_beams,
        max_new_tokens=10,
        do_sample=False,
        length_penalty=length_penalty,
        eos_token_id=ends or None,
        pad_token_id=0,
        early_stopping=False,
        output_scores=True,
        return_dict_in_generate=True,
    )
    texts = [row[3:].tolist() for row in expected.sequences]
    assert [list(beam.ids) for beam in found] == [
        text[: next((i + 1 for i, token in enumerate(text) if token in ends), len(text))] for text in texts
    ]
    if n_beams > 1:
        assert [beam.score for beam in found] == pytest.approx(expected.sequences_scores.tolist(), abs=1e-4)


def test_enough_beams_find_the_likeliest_text():
    config = TransformerConfig(vocab_size=5, max_seq_len=8, d_model=16, n_layers=1, n_heads=2)
    model = Transformer(config, seed=0)
    for parameter in model.parameters():
        parameter.data *= 10

    def log_prob(text):
        log_p = model(torch.tensor([[1, *text]]))[0].log_softmax(-1)
        return sum(log_p[i, token].item() for i, token in enumerate(text))

    with torch.no_grad():
        best = max(itertools.product(range(5), repeat=3), key=log_prob)
        found = beam_search(model, [1], n_beams=25, max_new_tokens=3, end_ids=())
    assert found[0].ids == best
    assert found[0].log_prob == pytest.approx(log_prob(best), abs=1e-4)


def test_a_full_context_ends_the_search(both):
    model, _ = both
    room = model.config.max_seq_len
    with pytest.warns(GenerationWarning, match=f"context of {room} tokens is full: the search stopped after 3 tokens"):
        (beam, *_) = beam_search(model, [1] * (room - 2), 2, 50, end_ids=())
    assert len(beam.ids) == 3  # two tokens fit, and one more is predicted


def test_a_search_that_ends_before_the_context_is_full_gives_no_warning(both, recwarn):
    model, _ = both
    everything = range(model.config.vocab_size)
    assert {len(beam.ids) for beam in beam_search(model, [1, 2], 3, 500, end_ids=everything)} == {1}
    beam_search(model, [1, 2], 3, 5, end_ids=())
    assert len(recwarn) == 0


def test_an_empty_prompt_is_refused(both):
    with pytest.raises(ValueError, match="needs at least one token"):
        beam_search(both[0], [], 2)


@pytest.mark.parametrize("numbers", [{"n_beams": 0}, {"max_new_tokens": 0}])
def test_numbers_out_of_range_are_refused(both, numbers):
    with pytest.raises(ValueError, match="must be a whole number, 1 or more"):
        beam_search(both[0], [1], **numbers)
