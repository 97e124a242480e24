"""The tokens view encodes texts, responds to the reader, and draws any text in readable colours."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from acting import act
from hypothesis import given
from hypothesis import strategies as st
from needs import skip_or_fail

from llmlib.explore.tokens import explore_tokens
from llmlib.tokenization import BPETokenizer, CharTokenizer
from llmlib.widgets import TokensView
from llmlib.widgets.shared.base import SHARED
from llmlib.widgets.shared.token_text import HUES, token_label
from llmlib.widgets.tokens.view import LIMIT, encoding

AWKWARD = "<b>&\"'</b>  two\nlines\t🙂 👩‍🚀 é e\u0301 \u200f שלום עולם مرحبا नमस्ते 漢字 \ufffd \x00\x1b"


@pytest.fixture
def tokenizer():
    return BPETokenizer.train("the cat sat on the mat. " * 5 + AWKWARD, vocab_size=280, special_tokens=["<|end|>"])


def tokens_of(row):
    return [bytes.fromhex(token) for token in row["tokens"]]


@pytest.mark.slow
@given(st.text(max_size=40))
def test_the_tokens_add_up_to_the_text(text):
    view = explore_tokens(BPETokenizer.train("aa ab é🙂", vocab_size=258), text)
    sent = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert b"".join(tokens_of(view.encodings[0])) == sent.encode()
    ET.fromstring(view.svg())
    assert view.alt


def test_names_come_from_the_mapping_and_counts_from_the_whole_text(tokenizer):
    text = "the cat 🙂" * 1000
    view = explore_tokens({"mine": tokenizer, "letters": CharTokenizer.train(text)}, text)
    mine, letters = view.encodings
    assert (mine["name"], letters["name"]) == ("mine", "letters")
    assert letters["count"] == len(text)
    assert len(letters["tokens"]) == len(letters["ids"]) == LIMIT
    assert mine["count"] == len(tokenizer.encode(text))


def test_text_becomes_a_special_token_only_when_the_reader_asks_for_it(tokenizer):
    view = explore_tokens(tokenizer, "a<|end|>")
    assert view.encodings[0]["special"] == []
    assert act(view, "special", value=True)
    assert view.special
    assert view.encodings[0]["special"] == [1]
    assert view.encodings[0]["ids"][1] == tokenizer.special_tokens["<|end|>"]
    act(view, "text", text="<|end|>b")
    assert view.encodings[0]["special"] == [0]
    assert act(view, "special", value=False)
    assert view.encodings[0]["special"] == []


def test_an_error_is_shown_and_the_last_good_text_stays():
    view = explore_tokens(CharTokenizer.train("abc"), "cab")
    act(view, "text", text="cab!")
    assert "'!' is not in the alphabet" in view.notice
    assert view.text == "cab"
    act(view, "text", text="bac")
    assert (view.notice, view.text, view.encodings[0]["count"]) == ("", "bac", 3)


def test_pictures_escape_text_and_are_reproducible(tokenizer):
    first, second = (explore_tokens(tokenizer, AWKWARD) for _ in range(2))
    assert first.svg() == second.svg()
    assert repr(first) == repr(second)
    ET.fromstring(first.svg())
    assert "<b>" not in first.svg()
    assert re.search(r'alt="[^"]{20,}"', first.fallback_html())
    page = first.to_html()
    assert "</b>" not in page.split('id="payload">')[1].split("</script>")[0]
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)


def test_the_picture_of_a_long_text_stays_small(tokenizer):
    assert len(explore_tokens(tokenizer, "abc " * 5000).svg()) < 100_000


def test_an_empty_text_is_not_an_error(tokenizer):
    view = explore_tokens(tokenizer, "")
    assert "0 tokens" in view.alt
    ET.fromstring(view.svg())
    ET.fromstring(TokensView().svg())


def test_an_encoding_is_plain_data():
    row = encoding("x", [5, 6], [b"\xf0\x9f", b"a"], vocab_size=7, special=[1])
    assert json.loads(json.dumps(row)) == row
    assert row["tokens"] == ["f09f", "61"]


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (b"", "∅"),
        (b" a\n", "·a⏎"),
        ("🙂".encode()[:3], "⟨F0 9F 99⟩"),
        (b"a\xff\xfeb\x80", "a⟨FF FE⟩b⟨80⟩"),
        (b"\xc0\x80", "⟨C0 80⟩"),
        ("\u200d".encode(), "⟨U+200D⟩"),
        ("\u0301".encode(), "◌\u0301"),
        ("\ufffd".encode(), "\ufffd"),
    ],
)
def test_a_token_label_shows_white_space_invisible_characters_and_stray_bytes(data, label):
    assert token_label(data) == label


def node(script, value):
    if not shutil.which("node"):
        skip_or_fail("no Node.js; install it to test the widgets' JavaScript")
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_python_and_javascript_write_the_same_labels():
    text = AWKWARD.encode()
    cuts = [text[i : i + n] for n in (1, 2, 3, 5) for i in range(0, len(text), n)]
    script = f"""
        import {{ fromHex, tokenLabel }} from {json.dumps((SHARED / "shared.mjs").as_uri())};
        import {{ readFileSync }} from "node:fs";
        console.log(JSON.stringify(JSON.parse(readFileSync(0)).map((token) => tokenLabel(fromHex(token)))));
    """
    assert node(script, [cut.hex() for cut in cuts]) == [token_label(cut) for cut in cuts]


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first, second):
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_on_token_colours_meets_wcag_aa():
    css = (Path(SHARED) / "shared.css").read_text(encoding="utf-8")
    hues = re.findall(r"--llm-hue-\d: (#[0-9a-f]{6})", css)
    assert hues[:6] == list(HUES)
    light, dark = hues[:6], hues[6:]
    assert len(dark) == 12  # once for JupyterLab's theme, once for the system's setting
    assert min(contrast("#1f2328", hue) for hue in light) >= 4.5
    assert min(contrast("#e6edf3", hue) for hue in dark) >= 4.5
