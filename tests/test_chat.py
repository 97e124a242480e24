"""Chat templates give the same text as in `transformers`, and no message can forge a special token."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib import chat
from llmlib.chat import encode_chat
from llmlib.sampling import Sampler
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer, TransformerConfig

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer():
    made = BPETokenizer.train("user assistant system " * 9, 270, special_tokens=["<|im_start|>", "<|im_end|>"])
    made.chat_template = CHATML
    return made


def specials_in(tokenizer, ids):
    named = {id: text for text, id in tokenizer.special_tokens.items()}
    return [named[id] for id in ids if id in named]


def test_a_question_is_put_into_the_chat_template(tokenizer):
    ids = encode_chat(tokenizer, "Hello")
    assert tokenizer.decode(ids) == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    assert specials_in(tokenizer, ids) == ["<|im_start|>", "<|im_end|>", "<|im_start|>"]


HOSTILE = st.lists(
    st.sampled_from(["<|im_start|>", "<|im_end|>", "<|", "|>", "im_start", "system\n", " ", "é", "﷐", "﷑", "<"])
).map("".join)


@given(contents=st.lists(HOSTILE, min_size=1, max_size=4), role=HOSTILE)
def test_no_part_of_a_message_becomes_a_control_token(contents, role, tokenizer):
    messages = [{"role": role or "user", "content": content} for content in contents]
    ids = encode_chat(tokenizer, messages)
    assert specials_in(tokenizer, ids) == ["<|im_start|>", "<|im_end|>"] * len(contents) + ["<|im_start|>"]
    expected = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    assert tokenizer.decode(ids) == expected + "<|im_start|>assistant\n"


def test_without_a_generation_prompt_the_text_ends_after_the_last_message(tokenizer):
    assert tokenizer.decode(encode_chat(tokenizer, "Hi", add_generation_prompt=False)).endswith("Hi<|im_end|>\n")


@pytest.fixture(scope="module")
def theirs(smollm2):
    """SmolLM2's template exactly as in its file, for `transformers` to fill in."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from llmlib.tokenization.published import smollm2_file

    template = smollm2[1].chat_template
    assert template.encode() in smollm2_file().read_bytes()
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), chat_template=template)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "What is the capital of France?"}],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "  \n two  spaces \n"}],
        [{"role": r, "content": c} for r, c in [("user", "a"), ("assistant", "1 2 3"), ("user", "日本語 🙂")]],
    ],
)
def test_smollm2_conversations_match_those_of_transformers(messages, theirs, smollm2):
    expected = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ours = smollm2[1]
    assert ours.decode(encode_chat(ours, messages)) == expected
    assert encode_chat(ours, messages) == ours.encode(expected, allowed_special="all")


@pytest.mark.network
def test_smollm2_answers_a_question(smollm2):
    model, tokenizer = smollm2
    answer = "".join(chat(model, tokenizer, "What is the capital of France?", 20, Sampler(temperature=0)))
    assert answer == "The capital of France is Paris."


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], "no message to answer"),
        ([{"content": "Hi"}], "expected a dictionary with string values for 'role' and 'content'"),
        ([{"role": "user", "content": None}], "Message 0"),
    ],
)
def test_invalid_messages_are_refused(messages, expected, tokenizer):
    with pytest.raises(ValueError, match=expected):
        encode_chat(tokenizer, messages)


def test_a_tokenizer_without_a_chat_template_is_refused():
    plain = BPETokenizer.train("hello", 257)
    with pytest.raises(ValueError, match="no chat template"):
        encode_chat(plain, "Hello")


def with_template(template):
    made = BPETokenizer.train("hello", 258, special_tokens=["<s>"])
    made.chat_template = template
    return made


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% for %}", r"chat template is damaged \(line 1: .*Download"),
        ("{{ messages[0].content + 1 }}", "chat template fails on these messages .*TypeError"),
        ("{{ 1 / 0 }}", "chat template fails on these messages .*ZeroDivisionError"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "chat template"),
    ],
)
def test_an_error_or_an_attack_in_a_template_raises_a_value_error(template, message):
    with pytest.raises(ValueError, match=message):
        encode_chat(with_template(template), "Hello")


def test_templates_may_ask_for_the_date():
    tokenizer = with_template("{{ strftime_now('%Y') }}")
    assert re.fullmatch(r"20\d\d", tokenizer.decode(encode_chat(tokenizer, "Hello")))


def test_a_look_alike_token_stays_text_even_if_every_noncharacter_is_in_use(tokenizer):
    """The message uses up every noncharacter that could hide a look-alike, but the look-alike is still hidden."""
    text = "".join(map(chr, range(0xFDD0, 0xFDF0))) + "<|im_end|>"
    ids = encode_chat(tokenizer, text)
    assert text in tokenizer.decode(ids)
    assert ids.count(tokenizer.special_tokens["<|im_end|>"]) == encode_chat(tokenizer, "Hi").count(
        tokenizer.special_tokens["<|im_end|>"]
    )


def test_lone_surrogates_are_replaced(tokenizer):
    assert "a�b" in tokenizer.decode(encode_chat(tokenizer, "a\ud800b"))


def test_a_conversation_longer_than_the_context_is_refused(tokenizer):
    model = Transformer(TransformerConfig(tokenizer.vocab_size, 16, 8, 1, 2))
    with pytest.raises(ValueError, match="do not fit into this model's context of 16"):
        list(chat(model, tokenizer, "word " * 50))


def test_unlikely_tokens_are_rarely_sampled_by_default(tokenizer):
    class Undecided(Transformer):
        """A model for which "a" is 20 times as likely as any other token, but less likely than all others together."""

        def forward(self, ids, **_):
            logits = torch.zeros(1, 1, self.config.vocab_size)
            logits[0, 0, tokenizer.encode("a")] = 3.0
            return logits

    model = Undecided(TransformerConfig(tokenizer.vocab_size, 64, 8, 1, 2))
    assert "".join(chat(model, tokenizer, "Hi", 20, seed=0)) == "a" * 20
    assert "".join(chat(model, tokenizer, "Hi", 20, Sampler(), seed=0)) != "a" * 20


def test_chat_streams_whole_characters_and_stops_at_the_end_of_a_turn(tokenizer):
    class Scripted(Transformer):
        """A model that gives the same answer to every question."""

        said = 0

        def forward(self, ids, **_):
            logits = torch.zeros(1, 1, self.config.vocab_size)
            logits[0, 0, script[self.said]] = 100.0
            self.said += 1
            return logits

    script = [*tokenizer.encode("né 🙂"), tokenizer.special_tokens["<|im_end|>"], *tokenizer.encode("more")]
    end = (tokenizer.special_tokens["<|im_end|>"],)
    model = Scripted(TransformerConfig(tokenizer.vocab_size, 64, 8, 1, 2, end_ids=end))
    pieces = list(chat(model, tokenizer, "Hi"))
    assert "".join(pieces) == "né 🙂"
    assert not any("�" in piece for piece in pieces)
