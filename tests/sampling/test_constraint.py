"""Constraints allow exactly the tokens that keep a match possible, and generated texts match."""

import json
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlib.sampling import Constraint, ConstraintError, GenerationWarning, Sampler, automaton, generate
from llmlib.tokenization import BPETokenizer, CharTokenizer
from llmlib.transformer import Transformer, TransformerConfig

TOKENIZER = BPETokenizer.train(
    '{"name": "Ada", "age": 12} yes no maybe 😀 é 2024-05-06 ' * 9, 300, special_tokens=["<end>"]
)
(END,) = TOKENIZER.special_tokens.values()
DATE = Constraint.regex(r"20\d\d-\d\d-\d\d|maybe 😀+", TOKENIZER)


@pytest.fixture(scope="module")
def model():
    config = TransformerConfig(
        vocab_size=TOKENIZER.vocab_size + 3, max_seq_len=64, d_model=16, n_layers=1, n_heads=2, end_ids=(END,)
    )
    return Transformer(config, seed=0)


def can_match(beginning):
    """Check by trial, without the automaton, whether a match can begin with these bytes."""
    for whole in ("2024-05-06", "maybe 😀", "maybe 😀😀"):
        data = whole.encode()
        shape = re.sub(rb"(?<=..)\d", b"0", data)
        if re.sub(rb"(?<=..)\d", b"0", beginning) == shape[: len(beginning)] and beginning:
            return True
    return False


@pytest.mark.parametrize("before", ["", "20", "2024-0", "2024-05-06", "m", "maybe ", "maybe 😀"])
def test_allowed_tokens_are_those_that_keep_a_match_possible(before):
    state = DATE.automaton.read(before.encode())
    allowed = DATE.allowed(state)
    for id in range(TOKENIZER.vocab_size):
        text = before.encode() + TOKENIZER.token_bytes(id)
        assert bool(allowed[id]) == (id != END and can_match(text)), text
    assert DATE.is_match(state) == (before in ("2024-05-06", "maybe 😀"))
    assert DATE.is_finished(state) == (before == "2024-05-06")


@pytest.mark.slow
@settings(max_examples=25)
@given(seed=st.integers(0, 999), temperature=st.sampled_from([0.0, 1.0, 4.0]))
def test_generated_texts_match_the_constraint(seed, temperature, model):
    writing = generate(model, [65], 60, Sampler(temperature=temperature), seed, constraint=DATE)
    text = TOKENIZER.decode(list(writing))
    assert re.fullmatch(r"20\d\d-\d\d-\d\d|maybe 😀+", text) or writing.ended_by == "max_new_tokens"
    assert writing.ended_by == "max_new_tokens" or (writing.ended_by == "constraint") == text.startswith("2")


@pytest.mark.slow
def test_generated_json_follows_its_schema(model):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 6}, "ok": {"type": "boolean"}},
        "required": ["name", "ok"],
    }
    constraint = Constraint.json(schema, TOKENIZER)
    for seed in range(10):
        found = json.loads(TOKENIZER.decode(list(generate(model, [65], 60, seed=seed, constraint=constraint))))
        assert set(found) == {"name", "ok"}


def test_each_text_of_a_batch_has_its_own_constraint(model):
    yes_no, maybe = (Constraint.choices(texts, TOKENIZER) for texts in (["yes", "no"], ["maybe not", "maybe"]))
    writing = generate(model, torch.tensor([[65]] * 3), 12, seed=0, constraint=[yes_no, maybe, None], end_ids=[END])
    rows = torch.stack(list(writing), dim=1).tolist()
    texts = [TOKENIZER.decode([id for id in row if id != END]) for row in rows[:2]]
    assert texts[0] in ("yes", "no")
    assert texts[1] in ("maybe", "maybe not")
    assert writing.ended_by[0] == "constraint"


def test_a_bias_and_a_constraint_that_leave_no_token_raise_an_error(model):
    constraint = Constraint.choices(["0"], TOKENIZER)
    (zero,) = TOKENIZER.encode("0")
    banned = Sampler(logit_bias={zero: float("-inf")})
    with pytest.raises(
        ValueError,
        match=r"No token is left to draw: all 296 are ruled out, 1 by logit_bias, then 295 by the constraint",
    ):
        list(generate(model, [65], 5, banned, constraint=constraint))


def of(**properties):
    return {"type": "object", "properties": properties, "required": sorted(properties)}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (of(a=of(b={"type": "string", "maxLength": 900})), r"at \$\.a\.b: The pattern is too large, with"),
        (of(a={"type": "array", "maxItems": 90, "items": {"type": "number"}}), r"at \$\.a: The pattern is too large"),
        (of(a={"type": "null"}, b={"type": "string", "pattern": "[^\\s\\S]+"}), r"at \$\.b: No text can meet"),
        ({"oneOf": [{"type": "null"}, {"type": "string", "pattern": "[^\\s\\S]"}]}, r"at \$\[1\]: No text can meet"),
        (of(a={"enum": ["ab"]}, b={"enum": ["ac"]}), r"at \$\.b: CharTokenizer.* cannot produce any text"),
    ],
)
def test_the_error_gives_the_path_to_the_part_of_a_schema_that_fails(schema, message, monkeypatch):
    monkeypatch.setattr(automaton, "MOST_STATES", 500)  # so that the limit is soon exceeded
    with pytest.raises(ConstraintError, match=message):
        Constraint.json(schema, CharTokenizer('{}"ab:,'))


def test_an_unfinished_text_is_reported(model):
    writing = generate(model, [65], 2, seed=0, constraint=Constraint.regex("[01]{9}", TOKENIZER))
    with pytest.warns(GenerationWarning, match="After 2 tokens the text does not meet the constraint yet"):
        list(writing)


def test_a_vocabulary_that_cannot_produce_a_match_is_refused():
    with pytest.raises(ConstraintError, match=r"CharTokenizer.* cannot produce any text that meets this"):
        Constraint.regex("ab?c", CharTokenizer("ab"))
    constraint = Constraint.regex("ab?c|a{2}|bac", CharTokenizer("ab"))
    assert constraint.allowed(constraint.start).tolist() == [True, False]  # not b: after b, no match could be finished


def test_a_vocabulary_without_some_bytes_is_checked_without_following_every_token(monkeypatch):
    followed = []
    monkeypatch.setattr(Constraint, "_arrivals", lambda self, state: followed.append(state))
    Constraint.regex("[ab]{5,50}c", CharTokenizer("abc"))
    assert not followed  # following every token in 50 states took half a minute with a real vocabulary


def test_a_constraint_with_more_tokens_than_the_model_is_refused(model):
    other = Transformer(TransformerConfig(vocab_size=20, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    with pytest.raises(ValueError, match="The constraint's tokenizer has 293 tokens, but the model has only 20"):
        generate(other, [1], constraint=DATE)


def test_a_constraint_fits_only_tokenizers_with_the_same_ordinary_tokens():
    assert DATE.fits(TOKENIZER)
    assert DATE.fits(TOKENIZER.with_special_tokens(["<new>"]))
    assert not DATE.fits(BPETokenizer.train("other words, other tokens " * 9, 300))
    assert not DATE.fits(CharTokenizer("abc"))


def test_a_constraint_that_allows_no_token_ends_the_text_at_once():
    letters = CharTokenizer("ab")
    alone = Transformer(TransformerConfig(2, 8, 16, 1, 2))  # without an end token
    nothing, one = Constraint.regex("", letters), Constraint.regex("a", letters)
    writing = generate(alone, [0], constraint=nothing)
    assert (list(writing), writing.ended_by) == ([], "constraint")
    both = generate(alone, torch.tensor([[0], [1]]), constraint=[nothing, one])
    assert [tokens.tolist()[1] for tokens in both] == [0]
    assert both.ended_by == ("constraint", "constraint")
