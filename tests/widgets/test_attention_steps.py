"""The attention steps view computes real attention, in Python and in JavaScript."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import skip_or_fail

from llmlib import Transformer, TransformerConfig
from llmlib.explore.attention_steps import explore_attention_steps
from llmlib.interpret import trace
from llmlib.tokenization import CharTokenizer
from llmlib.widgets.attention_steps.view import AttentionStepsView, attention_steps_view, number


def arrays(seed, seq=4, width=2):
    random = np.random.default_rng(seed)
    return [random.normal(size=(seq, width)).astype(np.float32) for _ in range(3)]


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 9), st.booleans(), st.booleans())
def test_the_output_agrees_with_attention_in_torch(seed, seq, width, scaled, masked):
    q, k, v = arrays(seed, seq, width)
    expected = F.scaled_dot_product_attention(
        *(torch.tensor(x) for x in (q, k, v)), is_causal=masked, scale=None if scaled else 1.0
    )
    for query in range(seq):
        view = attention_steps_view(["x"] * seq, q, k, v, query=query)
        view.scaled, view.masked = scaled, masked
        np.testing.assert_allclose(view.stages()["output"], expected[query], atol=1e-5)


@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_the_steps_of_a_models_head_agree_with_a_trace(n_kv_heads, positions):
    config = TransformerConfig(20, 8, 16, 2, 4, n_kv_heads=n_kv_heads, positions=positions)
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)  # otherwise, patterns would be nearly uniform
    ids = [3, 1, 4, 1, 5]
    with trace(model) as t:
        model(torch.tensor([ids]))
    for layer, head in ((0, 0), (1, 1), (1, 3)):
        view = explore_attention_steps(model, None, ids, layer, head, query=3)
        np.testing.assert_allclose(view.stages()["weights"], t.pattern[layer][0, head, 3], atol=1e-5)
        np.testing.assert_allclose(view.stages()["output"], t.z[layer][0, head, 3], rtol=1e-5, atol=1e-5)


def test_a_text_is_encoded_by_the_models_tokenizer():
    tokenizer = CharTokenizer.train("hello")
    model = Transformer(TransformerConfig(tokenizer.vocab_size, 8, 16, 1, 4))
    view = explore_attention_steps(model, tokenizer, "hole")
    assert (view.tokens, view.query, view.source) == (list("hole"), 3, "layer 0, head 0")
    with pytest.raises(ValueError, match="layers 0 to 0"):
        explore_attention_steps(model, tokenizer, "hole", layer=1)
    with pytest.raises(ValueError, match="pass its tokenizer"):
        explore_attention_steps(model, None, "hole")


def test_moved_vectors_replace_the_given_ones():
    q, k, v = arrays(0)
    view = attention_steps_view(list("abcd"), q, k, v, query=1)
    view.moved = {"q1": [0, 0], "k0": [2, 2]}
    np.testing.assert_allclose(view.stages()["weights"], [0.5, 0.5, 0, 0])
    assert view.vectors("k")[0].tolist() == [2, 2]
    view.moved = {}
    np.testing.assert_allclose(view.vectors("q"), q)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": np.zeros((3, 2))}, "must have the same shape"),
        ({"q": np.zeros((1, 4, 2)), "k": np.zeros((1, 4, 2)), "v": np.zeros((1, 4, 2))}, "without a batch axis"),
        ({"v": np.full((4, 2), np.nan)}, "finite"),
        ({"query": 4}, "query must be between -4 and 3; got 4"),
        ({"tokens": ["x"] * 33, **{name: np.zeros((33, 2)) for name in "qkv"}}, "1 to 32 tokens"),
    ],
)
def test_bad_input_is_refused_with_a_reason(change, message):
    q, k, v = arrays(0)
    with pytest.raises(ValueError, match=message):
        attention_steps_view(**{"tokens": list("abcd"), "q": q, "k": k, "v": v} | change)


def test_a_query_that_is_not_a_token_is_refused():
    view = attention_steps_view(list("abcd"), *arrays(0))
    with pytest.raises(traitlets.TraitError, match="query must be a token number between 0 and 3; got 4"):
        view.query = 4


@pytest.mark.parametrize("tokens", [["a"], ["<b>", "\x00", " שלום", "\n"]])
@pytest.mark.parametrize("width", [1, 2, 64])
def test_pictures_at_every_stage_are_valid(tokens, width):
    view = attention_steps_view(tokens, *arrays(1, len(tokens), width))
    for view.stage in range(5):
        ET.fromstring(view.svg())
        assert re.search(r'alt="[^"]{20,}"', view.fallback_html())
    assert view.svg() == view.svg()
    assert "Output:" in view.alt
    view.scaled = view.masked = False
    assert view.alt.endswith("Scaling is switched off. The mask is switched off.")


def test_the_picture_of_two_dimensional_vectors_has_arrows():
    tips = ET.fromstring(attention_steps_view(["a", "b"], *arrays(0, seq=2)).svg()).findall(".//*[@transform]")
    assert [tip.get("fill") for tip in tips] == ["#9a4f00", "#9a4f00", "#0b5cad"]  # two keys, then the query
    wide = attention_steps_view(["a", "b"], *arrays(0, seq=2, width=4))
    assert ET.fromstring(wide.svg()).findall(".//*[@transform]") == []


def test_the_description_of_an_empty_view_says_that_it_has_no_tokens():
    assert "there are no tokens yet" in repr(AttentionStepsView())
    ET.fromstring(AttentionStepsView().svg())


def test_python_and_javascript_agree():
    """All stages agree, with and without scale and mask and with moved vectors, down to how numbers are written."""
    if not shutil.which("node"):
        skip_or_fail("no Node.js; install it to test the widgets' JavaScript")
    cases, expected = [], []
    for seed, (seq, width) in enumerate([(1, 1), (4, 2), (6, 16)]):
        view = attention_steps_view(["x"] * seq, *arrays(seed, seq, width), query=seq // 2)
        view.moved = {f"q{seq // 2}": [0.5] * width, "k0": [-1.25] * width}
        for view.scaled in (True, False):
            for view.masked in (True, False):
                state = {name: getattr(view, name) for name in ("d_head", "query", "scaled", "masked", "moved")}
                cases.append(state | {name: list(getattr(view, name)) for name in "qkv"})
                made = view.stages()
                expected.append([number(x) for name in made for x in made[name]])
    script = f"""
        import {{ attend, number, rowsOf }} from {json.dumps((AttentionStepsView.folder / "stages.mjs").as_uri())};
        import {{ readFileSync }} from "node:fs";
        console.log(JSON.stringify(JSON.parse(readFileSync(0)).map((c) => {{
          const rows = (kind) => rowsOf(new DataView(Uint8Array.from(c[kind]).buffer), c.d_head, kind, c.moved);
          const made = attend(rows("q")[c.query], rows("k"), rows("v"), c.query, c.scaled, c.masked);
          return Object.values(made).flat().map(number);
        }})));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == expected


def test_the_picture_of_the_last_stage_shows_the_values_and_their_sum():
    q, k, v = (np.array(rows, dtype=np.float32) for rows in ([[2, 0], [2, 0]], [[1, 0], [0, 1]], [[1, 0], [0, 2]]))
    view = attention_steps_view(["a", "b"], q, k, v, query=1, stage=3)
    assert "polyline" not in view.svg()
    view.stage = 4
    root = ET.fromstring(view.svg())
    (path,) = root.iter("{http://www.w3.org/2000/svg}polyline")
    points = [tuple(map(float, point.split(","))) for point in path.get("points").split()]
    lines = list(root.iter("{http://www.w3.org/2000/svg}line"))
    end = (float(lines[-1].get("x2")), float(lines[-1].get("y2")))
    assert points[-1] == pytest.approx(end, abs=0.2), "the chain of values ends at the output"
    assert points[0] == pytest.approx((float(lines[-1].get("x1")), float(lines[-1].get("y1"))), abs=0.2)
    unit = 130 / 2.2
    output = view.stages()["output"]
    assert (points[-1][0] - points[0][0], points[0][1] - points[-1][1]) == pytest.approx(tuple(unit * output), abs=0.2)
    assert {"output", "a", "b"} <= set(root.itertext())
