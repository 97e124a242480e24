"""Conversations are read from files as they were written, and errors name the line."""

import codecs
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuning.conftest import said
from llmlib.finetuning import conversations, read_conversations
from llmlib.finetuning.conversations import ConversationError

GOOD = '{"prompt": "Hi", "response": "Hello!"}'


def read(tmp_path, content):
    path = tmp_path / "examples.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_conversations(path)


TURNS = st.lists(st.text(), min_size=2, max_size=6).filter(lambda contents: len(contents) % 2 == 0)


@given(
    all_contents=st.lists(TURNS, min_size=1, max_size=4),
    ascii=st.booleans(),
    ends=st.sampled_from(["\n", "\r\n", "\n\n \n"]),
)
def test_conversations_are_read_as_written(all_contents, ascii, ends, tmp_path_factory):
    written = [said(*contents) for contents in all_contents]
    text = "".join(json.dumps({"messages": m, "id": 7}, ensure_ascii=ascii) + ends for m in written)
    assert read(tmp_path_factory.mktemp("read"), text.encode()) == written


def test_both_forms_are_read_even_with_a_system_message_or_byte_order_mark(tmp_path):
    system = [{"role": "system", "content": "Be kind."}, *said("a", "b")]
    content = codecs.BOM_UTF8 + f"{GOOD}\n\n{json.dumps({'messages': system})}".encode()
    assert read(tmp_path, content) == [said("Hi", "Hello!"), system]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"invalid JSON at character \d+.*Expected an object with \"messages\""),
        ("[1, 2]", r"\[1, 2\] is not an object"),
        ('"text"', "is not an object"),
        ('{"text": "Once"}', r"the object has the fields \['text'\]"),
        ('{"prompt": "Hi"}', "the pair: 'response' is missing"),
        ('{"prompt": "Hi", "response": null}', "the pair: 'response' must be a string, got None"),
        ('{"prompt": "Hi", "prompt": "Ho", "response": ""}', "the key 'prompt' occurs twice"),
        ('{"messages": []}', "the conversation has no messages"),
        ('{"messages": {}}', r"'messages' must be a list, got {}"),
        ('{"messages": ["Hi"]}', "message 0: expected an object, got 'Hi'"),
        ('{"messages": [{"role": "user"}]}', "message 0: 'content' is missing"),
        ('{"messages": [{"role": "user", "content": 3}]}', "message 0: 'content' must be a string, got 3"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "ends with message 0, from 'user', which has no answer"),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
            "Message 1 is from 'user', but should be from 'assistant'",
        ),
        ("[" * 100_000, "recursion|nest"),
        ('{"prompt": ' + "9" * 10_000, "digits"),
        (b'{"prompt": "caf\xe9", "response": ""}', "byte 16 of the line, 0xe9, is not UTF-8"),
        ("{}".encode("utf-16"), "0xff, is not UTF-8"),
    ],
)
def test_the_error_for_a_line_that_is_not_a_conversation_gives_its_number(line, message, tmp_path):
    line = line if isinstance(line, bytes) else line.encode()
    with pytest.raises(ConversationError, match=f"examples.jsonl, line 3: .*(?:{message})") as caught:
        read(tmp_path, GOOD.encode() + b"\n\n" + line)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_a_file_without_a_conversation_is_refused(content, tmp_path):
    with pytest.raises(ConversationError, match=r"has no conversations\. Expected one conversation per line"):
        read(tmp_path, content)


def test_a_file_that_cannot_be_read_is_reported(tmp_path):
    with pytest.raises(ConversationError, match=r"nope\.jsonl cannot be read"):
        read_conversations(tmp_path / "nope.jsonl")
    with pytest.raises(ConversationError, match="cannot be read"):
        read_conversations(tmp_path)


def test_a_line_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(conversations, "MOST_BYTES_A_LINE", 1 << 20)
    with pytest.raises(ConversationError, match="line 2 is longer than 1 MB"):
        read(tmp_path, GOOD + "\n" + "x" * (3 << 20))
