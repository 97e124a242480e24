"""The embeddings view packs its data, finds neighbours and analogies, refuses bad input and draws pictures."""

import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from acting import act
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from needs import skip_or_fail

from llmlib import embeddings
from llmlib.explore.embeddings.controller import explore_embeddings, token_kind
from llmlib.tokenization import BPETokenizer, CharTokenizer
from llmlib.widgets import EmbeddingsView, embeddings_view
from llmlib.widgets.embeddings.view import pack_points

AWKWARD = ["<b>", " $x_1$", "\n", "🙂", "漢", "\x00", "</script>", b"\xf0\x9f", ""]


def cloud(n, dims=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dims))


def awkward():
    return embeddings_view(AWKWARD, cloud(9), ["a", "b", "c"] * 3, shares=[0.5, 0.25, 0.125], chosen=3)


# --- data ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(2, 3)), elements=st.floats(-1e6, 1e6)))
def test_coordinates_survive_packing_up_to_scale(points):
    view = embeddings_view(["x"] * len(points), points)
    found = view.coordinates()[:, : points.shape[1]]
    assert np.abs(found).max() <= 1
    half = np.ptp(points, axis=0).max() / 2
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    np.testing.assert_allclose(found * half + middle, points, atol=half * 2e-5 + 1e-9)


def test_labels_and_kinds_survive_packing():
    view = awkward()
    assert [view.label(row) for row in range(9)] == [
        "<b>",
        "·$x_1$",
        "⏎",
        "🙂",
        "漢",
        "⟨U+0000⟩",
        "</script>",
        "⟨F0 9F⟩",
        "∅",
    ]
    assert [view.kind_names[kind] for kind in view.kind_numbers()] == ["a", "b", "c"] * 3
    assert len(view) == 9
    assert view, "a view is always truthy"
    assert embeddings_view(["\ud800"], cloud(1)).label(0) == "?"  # UTF-8 cannot encode it


def test_the_most_frequent_kind_comes_first():
    assert embeddings_view(list("abcd"), cloud(4), ["rare", "usual", "usual", "other"]).kind_names[0] == "usual"
    assert embeddings_view(["a"], cloud(1)).kind_names == ["token"]


def test_a_vocabulary_of_49152_tokens_takes_less_than_a_million_bytes():
    labels = [f" token{i % 1000}"[:7] for i in range(49_152)]
    view = embeddings_view(labels, cloud(49_152), ["word"] * 49_152)
    assert sum(len(getattr(view, name)) for name in ("points", "labels", "ends", "kinds")) < 1_000_000
    assert len(view.to_html()) < 1_500_000


def test_points_are_never_clipped():
    assert pack_points(np.array([[-5.0, 0.0, 0.0], [5.0, 1.0, 0.0]])).min() == 0
    assert pack_points(np.array([[1e300, 0.0], [-1e300, 0.0]])).max() == 65_535
    assert (pack_points(np.full((3, 3), 7.0)) == 32_768).all(), "if all points coincide, they are put in the middle"


@pytest.mark.slow
def test_a_view_does_not_import_torch():
    code = (
        "import sys, numpy as np; from llmlib.widgets import embeddings_view; embeddings_view(['a'], np.ones((1, 2)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "points", "options", "message"),
    [
        ([], np.ones((0, 3)), {}, "nothing to show"),
        (["a"], cloud(2), {}, "1 labels, but 2 points"),
        (["a", "b"], cloud(1), {}, "2 labels, but 1 points"),
        (["a"], cloud(1, dims=1), {}, "points must have 2 or 3 columns; got 1"),
        (["a"], cloud(1, dims=4), {}, "points must have 2 or 3 columns; got 4"),
        (["a", "b"], np.array([[0.0, 0.0], [0.0, np.nan]]), {}, "1 of 2 points contain NaN .*, the first in row 1"),
        (["a"], np.full((1, 2), -np.inf), {}, "NaN or infinity, the first in row 0"),
        (["a", "b"], cloud(2), {"kinds": ["x"]}, "2 labels, but 1 kinds"),
        (list("abcdefghi"), cloud(9), {"kinds": list("abcdefghi")}, "9 kinds are too many to tell apart"),
        (["a"], cloud(1), {"chosen": 1}, r"chosen must be a row number from 0 to 0; got 1"),
        (["a"], cloud(1), {"chosen": -1}, "chosen must be a row number from 0 to 0; got -1"),
    ],
)
def test_bad_input_is_refused(labels, points, options, message):
    with pytest.raises(ValueError, match=message):
        embeddings_view(labels, points, **options)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (torch.ones(0, 4), {}, "at least one row"),
        (torch.tensor([[1.0, float("nan"), 0.0]]), {}, "no NaN"),
        (torch.tensor([[1.0, float("inf"), 0.0]]), {}, "must contain no NaN or infinity"),
        (torch.ones(2, 1), {}, "points must have 2 or 3 columns; got 1"),
        (torch.eye(2, 4), {"chosen": "ab"}, r"'ab' must be one token, but it is 2 tokens: a\|b\. Check the space"),
        (torch.eye(2, 4), {"chosen": ""}, "must be one token, but it is 0 tokens"),
        (torch.eye(2, 4), {"chosen": 2}, r"no row 2 in the table; its rows go from 0 to 1"),
        (torch.eye(2, 4), {"analogy": ("a", "b", -1)}, "no row -1"),
        (torch.eye(1, 4), {"chosen": "b"}, "no row 1"),  # the tokenizer has more tokens than the table has rows
    ],
)
def test_a_bad_table_or_token_is_refused(table, options, message):
    with pytest.raises(ValueError, match=message):
        explore_embeddings(table, CharTokenizer("ab"), **options)


# --- answers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def explored():
    table = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    return table, explore_embeddings(table, CharTokenizer("abcdefghijklmnopqrstuvwxyzABCD"))


def test_neighbours_match_those_computed_with_numpy(explored):
    table, view = explored
    act(view, "neighbours", row=7)
    rows = table.numpy().astype(np.float64)
    dot = rows @ rows[7]
    cosine = dot / np.linalg.norm(rows, axis=1) / np.linalg.norm(rows[7])
    for by, expected in (("cosine", cosine), ("dot", dot)):
        best = [row for row in np.argsort(-expected) if row != 7][:12]
        assert [row for row, _ in view.neighbours[by]] == best
        np.testing.assert_allclose([value for _, value in view.neighbours[by]], expected[best], atol=1e-4)
    assert view.neighbours["of"] == 7


def test_analogies_match_those_computed_with_numpy(explored):
    table, view = explored
    act(view, "analogy", rows=[1, 2, 3])
    unit = table.numpy() / np.linalg.norm(table.numpy(), axis=1, keepdims=True)
    cosine = unit @ (unit[2] - unit[1] + unit[3])
    best = [row for row in np.argsort(-cosine) if row not in (1, 2, 3)][:6]
    assert [row for row, _ in view.analogy["answers"]] == best
    assert view.analogy["rows"] == [1, 2, 3]


def test_points_are_projections_onto_the_principal_components(explored):
    table, view = explored
    points, shares = embeddings.project(table, 3)
    found = torch.tensor(view.coordinates())
    centred, expected = found - found.mean(0), points - points.mean(0)
    torch.testing.assert_close(centred / centred.norm(), expected / expected.norm(), atol=1e-3, rtol=0)
    assert view.shares == pytest.approx(shares.tolist())


def test_an_impossible_request_is_reported_and_changes_nothing(explored):
    _, view = explored
    act(view, "neighbours", row=7)
    before = view.neighbours
    act(view, "neighbours", row=30)
    assert "no row 30" in view.notice
    assert view.neighbours == before
    act(view, "analogy", rows=[1, 2])  # the third row is missing
    assert view.notice
    act(view, "neighbours", row=8)
    assert view.notice == ""


def test_tables_of_one_row_two_columns_or_bfloat16_numbers_are_shown():
    one = explore_embeddings(torch.ones(1, 4), CharTokenizer("a"), chosen="a")
    assert one.neighbours == {"of": 0, "cosine": [], "dot": []}
    assert "nearest by cosine: none" in one.alt
    assert explore_embeddings(torch.eye(2), CharTokenizer("ab")).dims == 2
    trainable = torch.eye(3, dtype=torch.bfloat16).requires_grad_()
    assert explore_embeddings(trainable, CharTokenizer("abc")).dims == 3


def test_rows_without_a_token_are_shown():
    view = explore_embeddings(torch.eye(4), CharTokenizer("ab"))
    assert view.label(3) == "∅"
    assert view.kind_names[view.kind_numbers()[3]] == "special or unused"


def test_special_tokens_have_their_own_kind():
    tokenizer = BPETokenizer.train("low low", vocab_size=258, special_tokens=["<|end|>"])
    view = explore_embeddings(torch.randn(tokenizer.vocab_size, 4), tokenizer)
    row = tokenizer.special_tokens["<|end|>"]
    assert view.kind_names[view.kind_numbers()[row]] == "special or unused"
    assert "part of a character" in view.kind_names


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (" cat", "word with its space"),
        ("\tcat", "word with its space"),
        (" (the", "word with its space"),
        ("cat", "letters without a space"),
        ("'s", "letters without a space"),
        (".com", "letters without a space"),
        ("é", "letters without a space"),
        (" É", "with a capital"),
        ("iPhone", "with a capital"),
        ("7", "number"),
        (" 1984", "number"),
        ("½", "number"),
        ("();", "punctuation or space"),
        ("\n\n", "punctuation or space"),
        ("🙂", "punctuation or space"),
        ("\x00", "punctuation or space"),
        ("мир", "other script"),
        (" Ωmega", "other script"),
        ("漢", "other script"),
        ("\u0301", "other script"),
    ],
)
def test_token_kind_recognises_each_kind(text, kind):
    assert token_kind(text.encode()) == kind


@given(st.binary(max_size=6), st.booleans())
def test_every_token_has_a_kind(data, special):
    assert token_kind(data, special)


@pytest.mark.slow
@pytest.mark.network
def test_king_has_the_expected_neighbours_and_analogy_in_smollm2(smollm2):
    model, tokenizer = smollm2
    view = explore_embeddings(model.embed.weight, tokenizer, " king", (" man", " woman", " king"))
    assert len(view) == 49_152
    assert [view.label(row) for row, _ in view.neighbours["cosine"][:3]] == ["·King", "King", "·kings"]
    assert view.label(view.analogy["answers"][0][0]) == "·queen"
    assert len(view.fallback_html()) < 120_000


# --- pictures and pages -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_static_picture_is_reproducible_and_described():
    assert awkward().svg() == awkward().svg()
    assert awkward().fallback_html() == awkward().fallback_html()
    ET.fromstring(awkward().svg())
    assert re.search(
        r'<img class="llm-picture" alt="A map of 9 tokens.*Chosen: “🙂”\." src="data:image/png;base64,',
        awkward().fallback_html(),
    )
    assert awkward()._repr_mimebundle_()[0]["text/plain"] == repr(awkward())
    assert repr(embeddings_view([" a"], cloud(1))) == "<EmbeddingsView: A map of 1 token.>"


@pytest.mark.slow
def test_the_picture_shows_the_kinds_in_their_colours():
    from PIL import Image

    from llmlib.widgets.embeddings.picture import COLOURS, draw

    view = embeddings_view(["x"] * 900, cloud(900), ["a"] * 600 + ["b"] * 300)

    def seen():
        pixels = np.asarray(Image.open(io.BytesIO(draw(view, "png"))).convert("RGB")).astype(int)
        rgb = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in COLOURS[:6]])
        tints = 255 + 0.55 * (rgb - 255)  # a single point, half transparent on white
        return [bool((np.abs(pixels - tint).sum(-1) < 15).sum() > 100) for tint in tints]

    assert seen() == [True, True] + [False] * 4
    view.place = {"hidden": [1]}
    assert seen() == [True] + [False] * 5


@pytest.mark.slow
def test_the_picture_follows_the_state(explored):
    _, view = explored
    pictures = [view.svg()]
    view.chosen = 7
    pictures.append(view.svg())
    act(view, "neighbours", row=7)
    pictures.append(view.svg())
    view.place = {"by": "dot"}
    pictures.append(view.svg())
    assert "nearest by dot product" in view.alt
    act(view, "analogy", rows=[1, 2, 3])
    assert view.svg() == pictures[-1]  # one overlay at a time
    view.place = {"overlay": "analogy"}
    pictures.append(view.svg())
    assert "Chosen" not in view.alt
    assert "“b” is to “c” as “d” is to" in view.alt
    assert len(set(pictures)) == len(pictures)


def test_the_page_is_complete_and_no_token_becomes_markup(tmp_path):
    page = awkward().save(tmp_path / "view.html").read_text()
    payload = json.loads(re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.S)[1])
    assert set(payload["state"]) == set(EmbeddingsView.shown)
    assert "import " not in re.sub(r"//.*|/\*.*?\*/", "", payload["esm"]).split("function", 1)[0]
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert "<b>" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)


def test_closing_the_view_closes_its_comm(explored):
    _, view = explored
    view.close()
    assert view.comm is None


@pytest.mark.slow
def test_the_second_map_is_drawn_and_described(explored):
    _, view = explored
    first = view.svg()
    act(view, "map")
    view.place = {"map": "near"}
    if "scikit-learn" in view.notice:
        assert view.svg() == first
        skip_or_fail("no scikit-learn")
    assert view.n_near == len(view)
    assert "t-SNE" in view.alt
    assert "distances between groups mean little" in view.svg()
    assert view.svg() == view.svg() != first


def test_a_second_map_must_have_a_finite_place_for_each_row(explored):
    _, view = explored
    for places in (np.zeros((2, 2)), np.full((len(view), 2), np.nan)):
        with pytest.raises(ValueError, match="one for each row"):
            view.set_near(places, 2)


def test_without_scikit_learn_the_reader_is_told_what_to_install(explored, monkeypatch, tmp_path):
    monkeypatch.setenv("LLMLIB_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    _, view = explored
    act(view, "map")
    assert "pip install scikit-learn" in view.notice
    assert not view.near
