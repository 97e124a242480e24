"""The architecture view: boxes that add up to the model, lines of source code, and real values of a live model."""

import json

import numpy as np
import pytest
import torch
from acting import act
from small_models import KINDS, hooks_of, make

from llmlib.costs import count
from llmlib.explore import explore_architecture
from llmlib.explore.architecture.boxes import VALUES, boxes_of, weight_paths
from llmlib.explore.architecture.source_lines import PACKAGE, line_that_uses
from llmlib.explore.architecture.tour import tour_of
from llmlib.explore.architecture.values import box_before, token_paths, values_in
from llmlib.explore.shared.known_models import KNOWN_MODELS
from llmlib.interpret import trace
from llmlib.tokenization import CharTokenizer
from llmlib.transformer import Block, Transformer, TransformerConfig

TEXT = "the cat sat"


@pytest.fixture(scope="module")
def tokenizer():
    return CharTokenizer.train("the cat sat on the mat; a dog did not! quick brown fox jumps")


@pytest.mark.parametrize("kind", KINDS)
def test_the_parameters_and_flops_of_all_boxes_add_up_to_the_totals(kind):
    boxes, costs = boxes_of(KINDS[kind]), count(KINDS[kind])
    model = Transformer(KINDS[kind])
    assert boxes.total("parameters") == costs.parameters == sum(p.numel() for p in model.parameters())
    assert boxes.total("flops") == costs.forward_flops
    of_layer = {path.format(1) for box in boxes.walk() for path in weight_paths(box.id).values() if "{}" in path}
    assert {name for name, _ in model.named_parameters() if name.startswith("blocks.1.")} <= of_layer


@pytest.mark.parametrize("kind", KINDS)
def test_every_tensor_has_the_shape_that_is_shown(kind):
    model, ids = make(kind), [1, 2, 3, 4, 5]
    boxes = [box for box in boxes_of(model.config).walk() if box.tensors]
    values = values_in(model, ids, [(box.id, 1) for box in boxes])
    for box, value in zip(boxes, values):
        *weights, passes = box.tensors
        sizes = [len(ids) if name in ("seq", "query", "key") else size for name, size in passes.axes]
        assert list(value.shape) == [*[1] * (3 - len(sizes)), *sizes], box.id
        for tensor in weights:
            parameter = model.get_parameter(weight_paths(box.id)[tensor.name].format(1))
            assert tuple(parameter.shape) == tuple(size for _, size in tensor.axes)
    assert hooks_of(model) == []


def test_known_models_have_their_published_sizes():
    boxes = boxes_of(KNOWN_MODELS["Llama-3-8B"])
    assert boxes.total("parameters") == 8_030_261_248
    assert boxes_of(KNOWN_MODELS["GPT-2 small"]).total("parameters") == 124_439_808
    assert boxes_of(KNOWN_MODELS["SmolLM2-135M"]).total("parameters") == 134_515_008


@pytest.mark.parametrize("kind", KINDS)
def test_the_lines_shown_for_each_box_are_in_the_source_code(kind):
    for box in boxes_of(KINDS[kind]).walk():
        assert box.lines or box.kind == "group"
        for line in box.lines:
            source = (PACKAGE.parent / line.file).read_text(encoding="utf-8").splitlines()
            assert line.text.splitlines()[0] == source[line.number - 1].strip()


def test_looking_for_a_line_that_does_not_exist_raises():
    assert "self.attention_norm" in line_that_uses(Block, "attention_norm").text
    with pytest.raises(LookupError, match="'nothing'"):
        line_that_uses(Block, "nothing")


def test_values_agree_with_a_trace():
    model, ids = make("llama"), [3, 1, 4, 1, 5]
    with torch.inference_mode(), trace(model) as t:
        logits = model(torch.tensor([ids]))
    wanted = {
        "query": t.q[1],
        "key": t.k[1],
        "value": t.v[1],
        "pattern": t.pattern[1],
        "mix": t.z[1],
        "output": t.attention_out[1],
        "add_attention": t.residual_mid[1],
        "activation": t.mlp[1],
        "down": t.mlp_out[1],
        "add_mlp": t.residual[2],
        "unembed": logits,
    }
    for (box, expected), value in zip(wanted.items(), values_in(model, ids, [(box, 1) for box in wanted])):
        torch.testing.assert_close(value.squeeze(0), expected[0].squeeze(0), msg=box)
    assert set(VALUES) >= set(wanted)


def test_a_layer_reads_from_the_one_before_it_and_the_output_from_the_last():
    config = KINDS["llama"]
    assert box_before(config, "embed", 0, inside=True) == ("embed", 0)
    assert box_before(config, "embed", 2, inside=True) == ("add_mlp", 1)
    assert box_before(config, "add_mlp", 0, inside=False) == ("add_mlp", 2)


def test_the_path_of_a_token_agrees_with_a_trace():
    model, ids = make("gpt2"), [3, 1, 4]
    stream, added = token_paths(model, ids)
    with torch.inference_mode(), trace(model) as t:
        model(torch.tensor([ids]))
    np.testing.assert_allclose(stream[0], torch.stack(t.residual)[:, 0].norm(dim=-1), rtol=1e-5)
    cosine = torch.nn.functional.cosine_similarity(t.residual[1][0, 2], t.residual[-1][0, 2], dim=0)
    assert stream[2, 1, 2] == pytest.approx(cosine.item(), abs=1e-5)
    np.testing.assert_allclose(stream[1, 0], 1, atol=1e-5)
    np.testing.assert_allclose(added[1, 2], t.mlp_out[2][0].norm(dim=-1), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_tour_shows_what_a_trace_finds(kind):
    model, ids = make(kind), [3, 1, 4, 1, 5, 9, 2]
    tour = tour_of(model, ids)
    assert hooks_of(model) == []
    with torch.inference_mode(), trace(model) as t:
        logits = model(torch.tensor([ids]))[0, -1]
    found = [layer["before"] for layer in tour["layers"]] + [tour["layers"][-1]["after"]]
    np.testing.assert_allclose(found, [residual[0, -1].norm() for residual in t.residual], rtol=1e-4)
    assert tour["norm"] == found[0]
    for facts, pattern, attention, mlp in zip(tour["layers"], t.pattern, t.attention_out, t.mlp_out):
        last = pattern[0, :, -1]
        assert facts["weight"] == pytest.approx(last[:, 1:-1].max().item(), rel=1e-4)
        assert last[facts["head"], facts["key"]].item() == pytest.approx(facts["weight"], rel=1e-4)
        assert facts["first"] == pytest.approx(last[:, 0].mean().item(), rel=1e-4, abs=1e-9)
        assert facts["attention"] == pytest.approx(attention[0, -1].norm().item(), rel=1e-4)
        assert facts["mlp"] == pytest.approx(mlp[0, -1].norm().item(), rel=1e-4)
        assert ("unit" in facts) == (model.config.mlp != "none")
    p = logits.softmax(-1)
    assert [one["id"] for one in tour["next"]] == p.topk(6).indices.tolist()
    np.testing.assert_allclose([one["p"] for one in tour["next"]], p.topk(6).values, rtol=1e-4)
    assert tour["mean_logit"] == pytest.approx(logits.mean().item(), rel=1e-4)


@pytest.mark.parametrize("n", [1, 2])
def test_a_tour_through_one_or_two_tokens_points_to_the_first_one(n):
    assert [layer["key"] for layer in tour_of(make("llama"), [3, 1][:n])["layers"]] == [0, 0, 0]


def test_a_tour_through_a_broken_model_is_valid_json():
    model = make("gpt2")
    model.blocks[1].attention.output.weight.data[:] = torch.nan
    tour = tour_of(model, [3, 1, 4])
    assert (tour["layers"][0]["before"] is None, tour["layers"][2]["before"], tour["next"][0]["p"]) == (
        False,
        None,
        None,
    )
    json.dumps(tour, allow_nan=False)


@pytest.fixture
def live(tokenizer):
    model = Transformer(TransformerConfig(tokenizer.vocab_size, 32, 32, n_layers=3, n_heads=4, n_kv_heads=2))
    return explore_architecture(model, tokenizer, TEXT, title="Mine"), model


def test_values_are_sent_when_a_box_is_opened(live, tokenizer):
    view, model = live
    assert view.opened == {}
    assert view.tokens == list(TEXT)
    assert act(view, "open", box="output", tensor="weight", layer=2)
    weight = model.get_parameter("blocks.2.attention.output.weight").detach()
    codes = np.frombuffer(view.opened_codes, np.int8).reshape(32, 32) / 127
    np.testing.assert_allclose(np.sign(codes) * view.opened["scale"] * codes**2, weight, atol=0.01 * weight.abs().max())
    assert view.opened["norm"] == pytest.approx(weight.norm().item(), rel=1e-5)
    assert act(view, "open", box="add_attention", tensor="result", layer=1)
    with torch.inference_mode(), trace(model) as t:
        model(torch.tensor([tokenizer.encode(TEXT)]))
    norm, before, cosine, changed = np.frombuffer(view.opened_tokens, "<f4").reshape(4, -1)
    np.testing.assert_allclose(norm, t.residual_mid[1][0].norm(dim=-1), rtol=1e-4)
    np.testing.assert_allclose(before, t.residual[1][0].norm(dim=-1), rtol=1e-4)
    np.testing.assert_allclose(changed, t.attention_out[1][0].norm(dim=-1) / t.residual[1][0].norm(dim=-1), rtol=1e-3)
    assert ((cosine > 0) & (cosine <= 1.0001)).all()
    assert act(view, "follow")
    assert view.followed == {"layers": 3, "seq": len(TEXT)}
    assert view.tour["characters"] == len(TEXT)
    assert act(view, "text", text="a dog")
    assert (view.tokens, view.opened, view.followed) == (list("a dog"), {}, {})
    assert view.tour["ids"] == tokenizer.encode("a dog")
    assert all(tokenizer.encode(one["token"]) == [one["id"]] for one in view.tour["next"])


def test_sizes_can_be_changed_and_clashes_are_reported(live):
    view, _ = live
    before = view.model["totals"]
    assert act(view, "size", name="n_layers", value=6)
    assert view.model["totals"]["cache_bytes"] == 2 * before["cache_bytes"]
    assert (view.tokens, view.tour) == ([], {}), "no model has the new size, so there are no values"
    assert not act(view, "open", box="query", tensor="weight")
    assert "only sizes" in view.notice
    shown = view.model
    for name, value, words in (
        ("n_heads", 5, "5 heads cannot share a d_model of 32 evenly; a d_model of 30 would work"),
        ("d_model", 40, "5 heads cannot share 2 KV heads evenly. Numbers of KV heads that would work: 1, 5"),
        ("n_kv_heads", 0, "n_kv_heads must be between 1"),
    ):
        assert act(view, "size", name=name, value=value)
        assert words in view.problem
        assert view.model == shown
    assert act(view, "size", name="n_kv_heads", value=1)
    assert view.problem == ""
    assert view.model["totals"]["parameters"] != shown["totals"]["parameters"]
    assert act(view, "model", name="Llama-3-8B")
    assert view.model["totals"]["parameters"] == 8_030_261_248
    assert view.model["totals"]["weight_bytes"] == 2 * 8_030_261_248
    assert act(view, "model", name="Mine")
    assert view.tokens == list(TEXT)
    assert view.tour["ids"]
    assert not act(view, "model", name="GPT-9")


def test_an_impossible_request_is_refused_with_a_reason(live, tokenizer):
    view, model = live
    for text, words in (("", "at least one token"), ("a" * 33, "context holds only 32"), ("€", "€")):
        assert not act(view, "text", text=text)
        assert words in view.notice
        assert view.tokens == list(TEXT)
    assert not act(view, "open", box="query", tensor="nothing")
    assert not act(view, "open", box="query", tensor="weight", layer=3)
    for arguments, words in (
        ((model, None, TEXT), "pass a Transformer and its tokenizer"),
        ((model, tokenizer, ""), "Pass a text, or leave"),
    ):
        with pytest.raises(ValueError, match=words):
            explore_architecture(*arguments)


def test_the_tour_of_a_long_text_is_made_only_on_request(tokenizer):
    model = Transformer(TransformerConfig(tokenizer.vocab_size, 300, 16, n_layers=1, n_heads=2))
    view = explore_architecture(model, tokenizer, "a" * 257)
    assert view.tour == {}
    assert act(view, "tour")
    assert len(view.tour["ids"]) == 257
