"""Given plain messages, the chat view draws, describes and saves any text, and hides names until the vote."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.widgets import ChatView
from llmlib.widgets.chat.picture import MOST_LINES, wrapped
from llmlib.widgets.chat.readings import TOKEN, pack, reading

TURN = [
    {"role": "user", "content": "Hi <b>"},
    {"role": "assistant", "content": "from one", "speaker": 0},
    {"role": "assistant", "content": "from two", "speaker": 1},
]


def words_of(view):
    return [text for text in ET.fromstring(view.svg()).itertext() if text.strip()]


def test_answers_are_shown_side_by_side_in_the_order_of_the_comparison():
    notes = [{"order": [1, 0], "vote": None}, {}, {}]
    view = ChatView(messages=TURN, notes=notes, names=["one", "two"], system="Be brief.")
    assert view.alt == "A conversation. System prompt: Be brief. — You: Hi <b> — A: from two — B: from one"
    assert words_of(view) == ["System prompt", "Be brief.", "You", "Hi <b>", "A", "from two", "B", "from one"]
    assert view.secret
    view.notes = [{"order": [1, 0], "vote": 1}, {}, {}]
    assert words_of(view)[4:] == ["two (your choice)", "from two", "one", "from one"]
    assert not view.secret


def test_the_reason_why_a_model_could_not_answer_is_shown():
    messages = [*TURN[:2], {**TURN[2], "content": ""}]
    view = ChatView(messages=messages, notes=[{}, {}, {"problem": "No template."}], names=["one", "two"])
    assert "two: No template." in view.alt
    assert "No template." in words_of(view)
    assert [len(one["messages"]) for one in view.conversations()] == [2, 0]


@given(text=st.text(max_size=300), speakers=st.integers(1, 4))
def test_the_picture_handles_any_text(text, speakers):
    messages = [{"role": "user", "content": text}]
    messages += [{"role": "assistant", "content": text, "speaker": k} for k in range(speakers)]
    view = ChatView(messages=messages, names=[text[:9] + str(k) for k in range(speakers)], system=text)
    assert view.svg() == view.svg()
    ET.fromstring(view.svg())


@given(st.text(alphabet="ab 漢🙂\n", max_size=200), st.integers(60, 700))
def test_no_word_is_lost_when_lines_are_wrapped(text, width):
    lines = wrapped(text, width)
    if len(lines) < MOST_LINES:
        assert "".join("".join(lines).split()) == "".join(text.split())
    assert len(lines) <= MOST_LINES + 1


def test_the_picture_of_a_long_message_includes_its_question():
    message = {"role": "user", "content": f"First, a tale. {'Once more, it rained. ' * 80}\n\nWhy did it rain?"}
    words = words_of(ChatView(messages=[message]))
    assert words[1].startswith("First, a tale.")
    assert words[-1] == "Why did it rain?"
    assert words.count("…") == 1
    assert len(words) <= MOST_LINES + 1


@pytest.mark.slow
def test_the_picture_of_a_very_long_conversation_stays_small():
    view = ChatView(messages=[{"role": "user", "content": "one two three " * 20_000}] * 30)
    assert len(view.svg()) < 30_000


def test_the_likeliest_tokens_are_padded_or_cut_to_five():
    import numpy as np

    packed = pack([reading(3, -1.0, [(3, -1.0)]), reading(0, -2.0, [(k, -float(k)) for k in range(9)])])
    tokens = np.frombuffer(packed, TOKEN)
    assert tokens["word"].tolist() == [3, 0]
    assert tokens["words"].tolist() == [[3, *[2**32 - 1] * 4], [0, 1, 2, 3, 4]]
    assert len(packed) == 2 * 48


@pytest.mark.parametrize("name", ["chat.html", "chat.svg", "chat.jsonl"])
def test_the_view_can_be_saved_to_files(name, tmp_path):
    assert ChatView(messages=TURN, names=["one", "two"]).save(tmp_path / name).stat().st_size > 100
