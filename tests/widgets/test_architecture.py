"""The architecture view of plain data adds up its boxes' costs, and draws a tensor's values or the whole model."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from llmlib.widgets import ArchitectureView
from llmlib.widgets.architecture import Box, BoxTensor, SourceLine
from llmlib.widgets.architecture.values import picture_of, strongest

TOTALS = {"parameters": 44, "weight_bytes": 88, "cache_bytes": 5, "forward_flops": 7, "training_flops": 21}


@pytest.fixture
def view():
    table = Box("embed", "<Table>", "", "embedding", (BoxTensor("weight", (("vocab", 5), ("d_model", 4)), True),))
    up = Box("up", "Up", "", "mlp", (BoxTensor("weight", (("d_mlp", 2), ("d_model", 4)), True),), flops=16)
    layer = Box("layer", "Layer", "", "group", repeat=3, boxes=(Box("mlp", "MLP", "", "mlp", boxes=(up,)),))
    view = ArchitectureView(sizes={"max_seq_len": 8})
    view.put("A & B", Box("model", "Model", "", "group", boxes=(table, layer)), TOTALS, context=8)
    return view


def test_the_costs_of_repeated_boxes_add_up(view):
    tree = view.model["tree"]
    assert tree["parameters"] == 20 + 3 * 8
    layer = tree["boxes"][1]
    assert (layer["repeat"], layer["parameters"], layer["flops"]) == (3, 8, 16)
    assert view.shares() == {"tables": 20 / 44, "attention": 0, "MLPs": 24 / 44, "norms": 0}


def test_the_picture_and_its_description_show_the_model(view):
    assert view.svg() == view.svg()
    words = "".join(ET.fromstring(view.svg()).itertext())
    assert "<Table>" in words
    assert "3 × Layer" in words
    assert "A & B as nested boxes: 3 layers, 44 parameters (tables 45%, MLPs 55%)" in view.alt
    assert "5 B of KV cache at 8 tokens in bfloat16" in view.alt
    assert "At 8 tokens in bfloat16: 5 B of KV cache, 21 FLOPs of training per token." in words
    assert "To scale: how the parameters are divided" in words
    assert "<title>Architecture of A &amp; B</title>" in view.to_html()


def test_a_picture_shows_the_strongest_value_of_each_square():
    values = np.zeros((1, 4, 600))
    values[0, 1, 301], values[0, 2, 302], values[0, 3, 5] = -9.0, 4.0, np.nan
    picture = picture_of(values)
    assert picture.meta == {"panels": 1, "rows": 4, "columns": 288, "scale": 9.0, "shape": [4, 600]}
    codes = np.frombuffer(picture.codes, np.int8).reshape(4, 288)
    assert (codes[1].min(), codes[2].max()) == (-127, round(127 * (4 / 9) ** 0.5))
    assert (codes == -128).sum() == 1
    assert strongest(np.array([[[1.0, -3.0, 2.0, 2.5]]]), 2, axis=2).tolist() == [[[-3.0, 2.5]]]


@pytest.mark.slow
def test_a_picture_of_many_heads_stays_small():
    picture = picture_of(np.ones((64, 500, 500)))
    assert picture.meta["panels"] * picture.meta["rows"] * picture.meta["columns"] == len(picture.codes) <= 64_000


def test_the_json_of_a_box_includes_its_source_lines(view):
    line = SourceLine("a.py", 3, "x = 1")
    assert Box("a", "A", "", "mlp", lines=(line,)).as_json(2)["lines"] == [
        {"file": "a.py", "number": 3, "text": "x = 1"}
    ]
