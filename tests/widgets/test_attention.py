"""The Python side of the attention view packs patterns, reports bad input, and makes pictures and pages."""

import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from llmlib.widgets import AttentionView, attention_view
from llmlib.widgets.attention.codes import as_array, decode, encode, quantise
from llmlib.widgets.attention.view import AttentionWarning

AWKWARD = ["<b>", " $x_1$", "\n", "🙂", "漢", "\x00", "</script>", "&amp;"]


def softmax(*shape, seed=0, causal=True):
    scores = 2 * np.random.default_rng(seed).normal(size=shape)
    if causal:
        scores[..., np.triu(np.ones(shape[-2:], dtype=bool), 1)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def letters(n):
    return [chr(ord("a") + i % 26) for i in range(n)]


# --- bytes ------------------------------------------------------------------------------------------------------


@given(arrays.arrays(np.float32, 20, elements=st.floats(0, 1, width=32)))
def test_the_quantisation_error_stays_within_the_documented_bound(weights):
    found = decode(quantise(weights))
    assert (np.abs(found - weights) <= np.sqrt(weights) / 254 + 1e-5).all()
    assert (quantise(found) == quantise(weights)).all(), "decoding and encoding once more changes nothing"


@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_patterns_survive_packing(n, n_layers, n_heads, causal, seed):
    patterns = softmax(n_layers, n_heads, n, n, seed=seed, causal=causal)
    view = attention_view(letters(n), patterns)
    assert view.a["causal"] == (causal or n == 1)
    assert len(view.a_codes) == n_layers * n_heads * (n * (n + 1) // 2 if view.a["causal"] else n * n)
    for layer in range(n_layers):
        for head in range(n_heads):
            np.testing.assert_allclose(view.pattern(layer, head), patterns[layer, head], atol=0.005)


def test_144_heads_over_128_tokens_take_less_than_1_3_million_bytes():
    view = attention_view(letters(128), softmax(12, 12, 128, 128))
    assert len(view.a_codes) == 144 * 128 * 129 // 2 < 1_300_000


def test_a_long_pattern_is_recognised_as_causal_or_not():
    pattern = np.tril(np.full((100, 100), 0.01, dtype=np.float32))
    assert encode(pattern[None, None]).causal
    pattern[3, 99] = 0.5
    assert not encode(pattern[None, None]).causal


def test_weights_above_one_set_the_scale():
    coded = encode(np.array([[[[4.0, 0.0], [1.0, 2.0]]]], dtype=np.float32))
    assert coded.scale == 4
    np.testing.assert_allclose(decode(np.frombuffer(coded.codes, np.uint8), 4.0), [4, 1, 2], atol=0.02)
    assert encode(np.array([[[[1.01]]]], dtype=np.float32)).scale == 1, (
        "a half-precision rounding error does not set the scale"
    )


# --- sources ----------------------------------------------------------------------------------------------------


def test_every_usual_form_of_patterns_gives_the_same_view():
    patterns = softmax(3, 2, 5, 5)
    tensor = torch.tensor(patterns, requires_grad=True)
    forms = [
        patterns,
        patterns.astype(np.float64),
        patterns.tolist(),
        tensor,
        list(patterns),
        tuple(tensor),
        tuple(layer[None] for layer in tensor),  # as `transformers` returns them
    ]
    codes = {attention_view(letters(5), form).a_codes for form in forms}
    assert len(codes) == 1
    half = attention_view(letters(5), tuple(layer[None].bfloat16() for layer in tensor))
    np.testing.assert_allclose(half.pattern(2, 1), patterns[2, 1], atol=0.01)
    assert as_array(patterns[0]).shape == (1, 2, 5, 5)
    assert as_array(patterns[0, 0]).shape == (1, 1, 5, 5)


def test_attentions_from_the_transformers_library_are_accepted():
    import transformers

    config = transformers.GPT2Config(vocab_size=20, n_positions=16, n_embd=16, n_layer=2, n_head=4)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    attentions = model(torch.arange(6)[None], output_attentions=True).attentions
    view = attention_view(letters(6), attentions)
    np.testing.assert_allclose(view.pattern(1, 3), attentions[1][0, 3].detach(), atol=0.005)


@pytest.mark.slow
def test_a_view_does_not_import_torch():
    code = "import sys, numpy as np; from llmlib.widgets import attention_view; attention_view(['a'], np.ones((1, 1)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr


# --- errors and warnings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "patterns", "options", "message"),
    [
        ([], np.ones((1, 1, 0, 0)), {}, "There are no tokens to show"),
        (["a"], softmax(1, 1, 2, 2), {}, "There are 1 tokens, but the patterns have 2 queries × 2 keys"),
        (["a", "b"], softmax(1, 1, 1, 2), {}, "1 queries × 2 keys"),
        (["a"], np.ones((0, 1, 1, 1)), {}, "no heads to show"),
        (["a"], np.ones(1), {}, "got 1 axes"),
        (["a"], np.ones((1, 1, 1, 1, 1)), {}, "got 5 axes"),
        (["a"], -np.ones((1, 1)), {}, "Are these the scores"),
        (["a"], np.full((1, 1), np.inf), {}, "Are these the scores"),
        (["a"], [np.ones((2, 1, 1, 1))], {}, "a batch of 2 texts"),
        (["a"], [np.ones((1, 1, 1)), np.ones((2, 1, 1))], {}, "the same number of heads"),
        (["a"], np.ones((1, 1)), {"layer": 1, "head": 0}, r"no layer 1; these patterns have layers 0 to 0"),
        (["a"], np.ones((1, 1)), {"layer": 0, "head": -1}, r"no head -1; these patterns have heads 0 to 0"),
        (["a"], np.ones((1, 1)), {"layer": 0}, "both layer and head"),
        (["a"], np.ones((1, 1)), {"other": np.ones((2, 1, 1))}, r"1 layers × 1 heads, but B has 1 × 2"),
    ],
)
def test_bad_input_is_refused(tokens, patterns, options, message):
    with pytest.raises(ValueError, match=message):
        attention_view(tokens, patterns, **options)


def test_a_text_of_one_token_is_described():
    view = attention_view([" Hi"], np.ones((1, 1)), layer=0, head=0)
    assert repr(view) == (
        "<AttentionView: Attention of layer 0, head 0 over 1 token: “ Hi”. Each token looks only at itself.>"
    )
    assert view.fallback_html()


@pytest.mark.slow
def test_nan_causes_a_warning_and_is_kept():
    patterns = softmax(2, 2, 3, 3)
    patterns[1, 0, 2, 1] = np.nan
    with pytest.warns(AttentionWarning, match=r"1 of 4 heads contain NaN, for example layer 1, head 0, query 2\."):
        view = attention_view(letters(3), patterns)
    assert np.isnan(view.pattern(1, 0)[2, 1])
    assert np.isnan(view.pattern(1, 0)).sum() == 1
    assert "contain NaN" in view.notes[0]
    view.svg()
    with pytest.warns(AttentionWarning):
        assert attention_view(["a"], np.full((1, 1), np.nan), layer=0, head=0).svg()


def test_rows_that_do_not_sum_to_one_cause_a_warning_and_are_shown():
    patterns = softmax(1, 3, 4, 4)
    patterns[0, 1, 2] *= 0.5
    with pytest.warns(AttentionWarning, match=r"1 of 3 heads have rows .* layer 0, head 1, query 2: 0.5\."):
        view = attention_view(letters(4), patterns)
    np.testing.assert_allclose(view.pattern(0, 1), patterns[0, 1], atol=0.005)
    assert view.notes


def test_good_patterns_cause_no_warning(recwarn):
    assert attention_view(letters(4), softmax(2, 2, 4, 4)).notes == []
    assert attention_view(letters(4), torch.tensor(softmax(2, 2, 4, 4)).bfloat16()).notes == []
    assert not [w for w in recwarn if issubclass(w.category, AttentionWarning)]


# --- comparing two texts ------------------------------------------------------------------------------------------


def test_the_second_set_of_patterns_may_come_from_another_text():
    view = attention_view(
        letters(4), softmax(1, 2, 4, 4), other=softmax(1, 2, 5, 5), other_tokens=letters(5), titles=("cat", "dog")
    )
    assert (len(view.a["tokens"]), len(view.b["tokens"])) == (4, 5)
    assert view.alt == "Attention of 1 layers × 2 heads over 4 tokens: “abcd”, compared with dog."


@pytest.mark.slow
@pytest.mark.parametrize("place", [{}, {"layer": 0, "head": 1}])
def test_the_static_picture_shows_both_texts(place):
    a, b = softmax(1, 2, 4, 4), softmax(1, 2, 5, 5, seed=1)
    view = attention_view(list("abcd"), a, other=b, other_tokens=list("efghi"), titles=("first", "second"), **place)
    texts = ["".join(node.itertext()) for node in ET.fromstring(view.svg()).iter("{http://www.w3.org/2000/svg}text")]
    assert {"first", "“abcd”", "second", "“efghi”"} <= set(texts)
    alone = attention_view(list("abcd"), a, titles=("first", "second"), **place)
    assert "“efghi”" not in alone.svg()
    other = attention_view(
        list("abcd"), a, other=b[:, ::-1], other_tokens=list("efghi"), titles=("first", "second"), **place
    )
    assert other.fallback_html() != view.fallback_html(), "the second text is drawn, not only named"
    if place:
        assert view.alt.endswith("Beside it: second.")


def test_the_patterns_of_both_texts_can_be_read():
    a, b = softmax(2, 3, 4, 4), softmax(2, 3, 5, 5, seed=1)
    view = attention_view(letters(4), a, other=b, other_tokens=letters(5))
    np.testing.assert_allclose(view.pattern(1, 2), a[1, 2], atol=0.005)
    np.testing.assert_allclose(view.pattern(1, 2, "b"), b[1, 2], atol=0.005)
    np.testing.assert_allclose(view.pattern(1, "mean", "b"), b[1].mean(0), atol=0.005)


def test_the_patterns_of_opened_heads_can_be_read_for_both_long_texts():
    view = AttentionView()
    for side, n in (("a", 6), ("b", 8)):
        thumbnails, scores = softmax(1, 4, 2, 2), np.zeros((1, 4, 6), np.float32)
        view.put_thumbnails(side, letters(n), thumbnails, scores)
    a, b = softmax(6, 6), softmax(8, 8, seed=1)
    view.put_head(0, 1, {"a": a, "b": b})
    np.testing.assert_allclose(view.pattern(0, 1), a, atol=0.005)
    np.testing.assert_allclose(view.pattern(0, 1, "b"), b, atol=0.005)
    assert view.pattern(0, 0, "b").shape == (2, 2), "a head that was not opened gives its thumbnail"


# --- pictures and pages -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("place", [{}, {"layer": 1, "head": 2}])
def test_the_static_picture_is_reproducible_and_described(place):
    def make():
        return attention_view(AWKWARD, softmax(2, 3, 8, 8), **place)

    assert make().svg() == make().svg()
    assert make().fallback_html() == make().fallback_html()
    ET.fromstring(make().svg())
    assert re.search(
        r'<img class="llm-picture" alt="Attention of .*" src="data:image/png;base64,', make().fallback_html()
    )
    assert "attention; grey: later tokens" in make().svg()  # a legend
    bundle = make()._repr_mimebundle_()[0]
    assert bundle["text/plain"] == repr(make())
    assert "0x" not in repr(make())


@pytest.mark.slow
def test_pictures_have_titles():
    def texts(**place):
        view = attention_view([" The", " <b>", "\n", " 漢"], softmax(2, 3, 4, 4), **place)
        view.source = "SmolLM2-135M"
        return ["".join(node.itertext()) for node in ET.fromstring(view.svg()).iter("{http://www.w3.org/2000/svg}text")]

    grid, head = texts(), texts(layer=1, head=2)
    assert {"Attention of all 2 × 3 heads · SmolLM2-135M", "“The <b> □”", "layer", "head"} <= set(grid)
    assert {"Attention of layer 1, head 2 · SmolLM2-135M", "“The <b> □”"} <= set(head)
    assert {"key: where it looks", "query: the token that looks"} <= set(head)


@pytest.mark.slow
def test_the_picture_of_a_strong_head_is_darker_than_one_of_a_faint_head():
    from PIL import Image

    from llmlib.widgets.attention.picture import draw

    strong, faint = np.eye(6, dtype=np.float32), np.tril(np.ones((6, 6))) / np.arange(1, 7)[:, None]
    dark = []
    for pattern in (strong, faint):
        view = attention_view(letters(6), pattern, layer=0, head=0)
        pixels = np.asarray(Image.open(io.BytesIO(draw(view, "png"))).convert("RGB")).astype(int)
        dark.append((np.abs(pixels - [0x06, 0x26, 0x4D]).sum(-1) < 12).mean())
    assert dark[0] > 3 * dark[1] > 0


def test_the_page_is_complete_and_no_token_becomes_markup(tmp_path):
    view = attention_view(AWKWARD, softmax(2, 3, 8, 8))
    page = view.save(tmp_path / "view.html").read_text()
    assert "<title>Attention over “&lt;b&gt; $x_1$⏎🙂漢\ufffd&lt;/script&gt;&amp;amp;”</title>" in page
    payload = json.loads(re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.S)[1])
    assert payload["state"]["a"]["tokens"] == AWKWARD
    assert set(payload["state"]) == set(AttentionView.shown)
    assert "import " not in re.sub(r"//.*|/\*.*?\*/", "", payload["esm"]).split("function", 1)[0]
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert page.count("<b>") == 0 or "<b>" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)


def test_closing_the_view_closes_its_comm():
    view = attention_view(letters(4), softmax(1, 1, 4, 4))
    view.close()
    assert view.comm is None


def test_attention_view_is_the_same_function_in_every_package():
    import llmlib
    import llmlib.widgets.attention as module
    from llmlib import widgets

    assert widgets.attention_view is llmlib.attention_view is module.attention_view


@pytest.mark.slow
def test_the_static_picture_shows_what_the_reader_was_looking_at():
    view = attention_view(letters(4), softmax(2, 2, 4, 4))
    grid = view.fallback_html()
    view.place = {"layer": 1, "head": 1, "token": 2, "way": "to"}
    assert view.fallback_html() != grid
    assert view.alt.startswith("Attention of layer 1, head 1")
    view.place = {"heads": "mean", "sort": "entropy"}
    assert view.fallback_html() == grid
    view.place = {"layer": 1, "head": "mean"}
    assert "layer 1, the mean of all heads" in view.alt
    np.testing.assert_allclose(view.pattern(1, "mean"), (view.pattern(1, 0) + view.pattern(1, 1)) / 2, atol=1e-6)
    assert view.fallback_html()
