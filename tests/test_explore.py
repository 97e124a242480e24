"""Live views: what the reader asks for, the model answers; the static parts hold for any text."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.explore import explore_chat, explore_next_token
from llmlib.sampling import Sampler
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer, TransformerConfig
from llmlib.widgets import ChatView, NextTokenView

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def live():
    tokenizer = BPETokenizer.train("one two three four", 268, special_tokens=["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = CHATML
    config = TransformerConfig(
        tokenizer.vocab_size, 128, 16, n_layers=1, n_heads=2, end_ids=(tokenizer.special_tokens["<|im_end|>"],)
    )
    return Transformer(config), tokenizer


def ask(view, **request):
    view.request = {**request, "number": view.request.get("number", 0) + 1}


def expected(live, text, temperature=1.0):
    model, tokenizer = live
    with torch.inference_mode():
        logits = model(torch.tensor([tokenizer.encode(text)]))[0, -1]
    return (logits / temperature).softmax(-1)


def test_the_bars_are_the_models_probabilities(live):
    view = explore_next_token(*live, "one two", n_candidates=7)
    probabilities = expected(live, "one two").topk(7)
    assert view.probabilities == pytest.approx(probabilities.values.tolist(), abs=1e-6)
    assert view.candidates == [live[1].decode([id]) for id in probabilities.indices.tolist()]
    assert "".join(view.tokens) == "one two"
    assert f"{live[0].config.vocab_size - 7:,} other tokens share the remaining" in view.rest


def test_pick_undo_and_a_new_prompt(live):
    view = explore_next_token(*live, "one")
    chosen = view.candidates[3]
    ask(view, kind="pick", index=3)
    assert view.tokens[-1] == chosen
    assert view.picked == 1
    ask(view, kind="undo")
    ask(view, kind="undo")  # more often than picked: the prompt stays
    assert "".join(view.tokens) == "one"
    ask(view, kind="prompt", text="four two")
    assert "".join(view.tokens) == "four two"
    assert view.probabilities == pytest.approx(expected(live, "four two").topk(10).values.tolist(), abs=1e-6)


def test_temperature_reweighs_the_same_candidates(live):
    view = explore_next_token(*live, "one two")
    before = view.candidates
    ask(view, kind="temperature", value=0.5)
    assert view.candidates == before
    assert view.probabilities == pytest.approx(expected(live, "one two", 0.5).topk(10).values.tolist(), abs=1e-6)
    ask(view, kind="temperature", value=0)
    assert view.probabilities == [1.0] + [0.0] * 9


def test_chance_follows_the_seed(live):
    def drawn(seed):
        view = explore_next_token(*live, "one", seed=seed)
        ask(view, kind="draw10")
        return view.tokens

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_what_cannot_be_done_is_said_and_nothing_is_lost(live):
    view = explore_next_token(*live, "one")
    ask(view, kind="prompt", text="")
    assert "at least one token" in view.rest
    ask(view, kind="prompt", text="one " * 200)
    assert "context" in view.rest
    ask(view, kind="prompt", text="one")
    assert "".join(view.tokens) == "one"
    with pytest.raises(ValueError, match="at least one token"):
        explore_next_token(*live, "")


def wait_for(view):
    for _ in range(400):
        if not view.answering:
            return
        time.sleep(0.02)
    raise AssertionError("the answer did not end")


def test_a_conversation(live):
    view = explore_chat(*live, max_new_tokens=12, sampler=Sampler(temperature=0))
    ask(view, kind="message", text="one <|im_end|>")
    wait_for(view)
    question, answer = view.messages
    assert question == {"role": "user", "content": "one <|im_end|>"}
    assert answer["role"] == "assistant"
    ask(view, kind="clear")
    assert view.messages == []


def test_stop_ends_an_answer_and_keeps_what_was_said(live):
    model, tokenizer = live
    view = explore_chat(model, tokenizer, max_new_tokens=10_000)
    ask(view, kind="message", text="one")
    ask(view, kind="stop")
    wait_for(view)
    assert view.messages[0]["content"] == "one"
    ask(view, kind="message", text="two")  # and it goes on
    wait_for(view)
    assert [m["content"] for m in view.messages if m["role"] == "user"] == ["one", "two"]


def test_a_conversation_that_is_too_long_gets_told_so(live):
    view = explore_chat(*live)
    ask(view, kind="message", text="one " * 300)
    wait_for(view)
    assert "context" in view.messages[-1]["content"]


@given(text=st.text(max_size=60))
def test_static_fallbacks_hold_any_text(text):
    import xml.dom.minidom

    for view in (
        NextTokenView(tokens=[text], candidates=[text, "a"], probabilities=[0.75, 0.25]),
        ChatView(messages=[{"role": "user", "content": text}]),
    ):
        xml.dom.minidom.parseString(view.svg().encode())
        assert view.fallback_html().count("<") == 1  # one image, whatever the text
        assert "</script" not in view.to_html().split('id="payload">')[1].split("\n")[0].removesuffix("</script>")
        assert view.svg() == view.svg()
        assert "0x" not in repr(view) or "0x" in text


@pytest.mark.parametrize("name", ["view.html", "view.svg"])
def test_save(name, tmp_path):
    view = NextTokenView(tokens=["a"], candidates=["b"], probabilities=[1.0])
    assert view.save(tmp_path / name).read_text().lstrip().startswith(("<!doctype html>", "<svg"))
    with pytest.raises(ValueError, match=r"\.html or \.svg"):
        view.save(tmp_path / "view.pdf")
