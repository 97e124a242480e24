"""The logit lens on live models shows what `llmlib.interpret` computes, but faster, and reports impossible requests."""

import numpy as np
import pytest
import torch
from acting import act, acts
from small_models import hooks_of

from llmlib.explore import explore_logit_lens
from llmlib.explore.logit_lens import reader as lens_reader
from llmlib.explore.logit_lens.controller import SHOWN_TRAITS
from llmlib.explore.logit_lens.reader import PENDING, LensReader, largest
from llmlib.interpret import direct_logit_attribution, logit_lens
from llmlib.tokenization import CharTokenizer
from llmlib.transformer import Transformer, TransformerConfig

TEXT = "the cat sat"


@pytest.fixture(scope="module")
def tokenizer():
    return CharTokenizer.train("the cat sat on the mat; a dog did not!")


@pytest.fixture
def model(tokenizer):
    config = TransformerConfig(
        tokenizer.vocab_size, 32, 32, n_layers=3, n_heads=4, qkv_bias=True, output_bias=True, mlp_bias=True
    )
    model = Transformer(config)
    for parameter in model.parameters():
        parameter.data *= 5
    yield model.eval()
    assert hooks_of(model) == []


def check(view, model, tokenizer, text, side="a"):
    lens, cells = logit_lens(model, torch.tensor([tokenizer.encode(text)])), view.cells(side)
    ids, probabilities = lens.top(5)
    np.testing.assert_array_equal(cells.top, ids[:, 0])
    np.testing.assert_allclose(cells.probabilities, probabilities[:, 0], atol=2e-3)
    np.testing.assert_array_equal(cells.ranks, lens.rank(lens[-1].argmax(-1))[:, 0])
    np.testing.assert_allclose(cells.entropy, lens.entropy()[:, 0], atol=5e-3)


def test_the_cells_match_the_text_after_every_change(model, tokenizer):
    view = explore_logit_lens(model, tokenizer, TEXT)
    for text in (TEXT, TEXT + " on", "the dog sat on", "the", "a", "a" * 32):  # longer, changed in the middle, cut, new
        assert act(view, "text", which="a", text=text)
        assert view.a["tokens"] == list(text)
        check(view, model, tokenizer, text)


def test_only_changed_positions_are_read_again(model, tokenizer, monkeypatch):
    reader, looked = LensReader(model), []
    look = reader._look
    monkeypatch.setattr(
        reader, "_look", lambda residual, *more, **how: looked.append(len(residual)) or look(residual, *more, **how)
    )
    reader.read(tokenizer.encode(TEXT))
    assert set(looked) == {len(TEXT)}
    looked.clear()
    reader.read(tokenizer.encode(TEXT + "!"))
    assert set(looked) == {1}
    looked.clear()
    reader.read(tokenizer.encode(TEXT[:4]))
    assert looked == []


def test_a_text_is_read_again_after_the_model_has_been_trained(model, tokenizer):
    view = explore_logit_lens(model, tokenizer, TEXT)
    with torch.no_grad():
        model.blocks[1].mlp.up.weight.mul_(-1)
    act(view, "text", which="a", text=TEXT + "!")
    check(view, model, tokenizer, TEXT + "!")


def test_a_search_in_bfloat16_finds_almost_the_same_answers(model, tokenizer):
    reader = LensReader(model)
    reader.table.quick = reader.table.exact.bfloat16()
    cells = reader.read(tokenizer.encode(TEXT)).cells
    lens = logit_lens(model, torch.tensor([tokenizer.encode(TEXT)]))
    ids, probabilities = lens.top(5)
    assert (cells.top == ids[:, 0].numpy()).mean() > 0.99
    np.testing.assert_allclose(cells.probabilities[..., 0], probabilities[:, 0, :, 0], atol=0.01)
    np.testing.assert_allclose(cells.probabilities[-1], probabilities[-1, 0], atol=1e-5)  # the last layer is the output
    assert np.abs(cells.ranks - lens.rank(lens[-1].argmax(-1))[:, 0].numpy()).max() <= 1


def test_late_layers_are_shown_while_the_others_are_computed(model, tokenizer, monkeypatch):
    monkeypatch.setattr(lens_reader, "SOON", -1)
    reader, glances = LensReader(model), []
    reader.read(tokenizer.encode("the"))
    last = reader.read(
        tokenizer.encode("the dog"), progress=lambda done, of, glance: glances.append((done, of, glance))
    )
    assert [(done, of) for done, of, _ in glances] == [(1, 4), (2, 4), (3, 4)]
    for done, of, glance in glances:
        assert (glance.cells.ranks[: of - done, 3:] == PENDING).all()
        np.testing.assert_array_equal(glance.cells.top[:, :3], last.cells.top[:, :3])  # the positions before the change
        np.testing.assert_array_equal(glance.cells.top[of - done :], last.cells.top[of - done :])
    assert (last.cells.ranks >= 0).all()


def test_an_interrupt_leaves_the_view_as_it_was(model, tokenizer, monkeypatch):
    monkeypatch.setattr(lens_reader, "SOON", -1)
    view = explore_logit_lens(model, tokenizer, TEXT, other="a dog")
    before = {name: getattr(view, name) for name in SHOWN_TRAITS}
    look, calls = LensReader._look, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return look(*arguments)

    monkeypatch.setattr(LensReader, "_look", interrupted)
    assert not act(view, "text", which="a", text="a cat")
    assert "interrupted" in view.notice
    assert {name: getattr(view, name) for name in SHOWN_TRAITS} == before
    assert act(view, "text", which="a", text="a cat")
    check(view, model, tokenizer, "a cat")


def test_the_largest_logits_are_found_block_by_block():
    logits = torch.randn(7, 640, generator=torch.Generator().manual_seed(0))
    assert torch.equal(largest(logits, 5), logits.topk(5).indices)


def test_the_rank_of_a_pinned_token_is_given_for_every_cell(model, tokenizer):
    view = explore_logit_lens(model, tokenizer, TEXT, pin="m")
    for text in (TEXT, TEXT + " o"):
        act(view, "text", which="a", text=text)
        lens, id = logit_lens(model, torch.tensor([tokenizer.encode(text)])), tokenizer.encode("m")[0]
        assert view.pinned == {"id": id, "token": "m"}
        ranks = np.frombuffer(view.a_pinned, "<u4", count=4 * len(text)).reshape(4, len(text))
        np.testing.assert_array_equal(ranks, lens.rank(torch.full((1, len(text)), id))[:, 0])
    assert act(view, "pin")
    assert (view.pinned, view.a_pinned) == ({}, b"")
    assert not act(view, "pin", token="cat")
    assert "“cat” is several tokens: c | a | t" in view.notice
    assert not act(view, "pin", id=99)


@pytest.mark.parametrize("pinned", [None, "m"])
def test_the_parts_of_a_logit_agree_with_direct_attribution(model, tokenizer, pinned):
    view = explore_logit_lens(model, tokenizer, TEXT, pin=pinned)
    assert act(view, "who", side="a", position=4)
    ids = torch.tensor([tokenizer.encode(TEXT)])
    logits = model(ids)[0, 4]
    id = logits.argmax().item() if pinned is None else tokenizer.encode(pinned)[0]
    assert (view.who["id"], view.who["position"]) == (id, 4)
    values = np.frombuffer(view.who_values, "<f4")
    credit = direct_logit_attribution(model, ids, id, position=4)
    np.testing.assert_allclose(values[:12].reshape(3, 4), credit.heads[0], atol=1e-4)
    assert values.sum() + view.who["embedding"] + view.who["norm_bias"] == pytest.approx(logits[id].item(), abs=1e-3)
    assert not act(view, "who", side="b", position=0)
    act(view, "text", which="a", text="a")
    assert view.who == {}, "the attribution belonged to another text"


def test_two_texts_or_two_models_can_be_compared(model, tokenizer):
    view = explore_logit_lens(model, tokenizer, TEXT, other="a dog")
    check(view, model, tokenizer, "a dog", "b")
    act(view, "text", which="b", text="")
    assert view.b == {}
    second = Transformer(model.config, seed=7)
    view = explore_logit_lens(model, tokenizer, TEXT, other_model=second, titles=("mine", "yours"))
    check(view, model, tokenizer, TEXT)
    check(view, second, tokenizer, TEXT, "b")
    assert "compared with yours" in view.alt
    with pytest.raises(ValueError, match="not with both"):
        explore_logit_lens(model, tokenizer, TEXT, other="a", other_model=second)
    with pytest.raises(ValueError, match="share a vocabulary"):
        explore_logit_lens(model, tokenizer, TEXT, other_model=Transformer(TransformerConfig(9, 8, 8, 1, 1)))


def test_an_impossible_request_is_reported_and_changes_nothing(model, tokenizer):
    view = explore_logit_lens(model, tokenizer, TEXT)
    before = view.a_cells
    for text, message in (
        ("", "at least one token"),
        ("a" * 33, "33 tokens, but the model's context holds only 32"),
        ("€", "€"),
    ):
        assert acts(view, ("text", {"which": "a", "text": text})) == [1]
        assert message in view.notice
        assert (view.a_cells, view.text) == (before, TEXT)
    with pytest.raises(ValueError, match="at least one token"):
        explore_logit_lens(model, tokenizer, "")
