"""All views draw any text, can be saved, handle actions in order and report progress."""

import pytest
from acting import act, acts
from hypothesis import given
from hypothesis import strategies as st

from llmlib.style import SHEET
from llmlib.widgets import ChatView, NextTokenView
from llmlib.widgets.shared.token_text import joined_text, token_text


@pytest.mark.slow
@given(text=st.text(max_size=60))
def test_static_fallbacks_handle_any_text(text):
    import xml.dom.minidom

    for view in (
        NextTokenView(tokens=[text], candidates=[text, "a"], probabilities=[0.75, 0.0004]),
        ChatView(messages=[{"role": "user", "content": text}]),
    ):
        xml.dom.minidom.parseString(view.svg().encode())
        assert view.fallback_html().removeprefix(SHEET).count("<") == 1  # one image, whatever the text
        assert "</script" not in view.to_html().split('id="payload">')[1].split("\n")[0].removesuffix("</script>")
        assert view.svg() == view.svg()
        assert "0x" not in repr(view) or "0x" in text


def test_the_html_in_a_notebook_says_how_to_get_the_view():
    view = NextTokenView(tokens=["a"], candidates=["b"], probabilities=[1.0])
    carried = view._repr_mimebundle_()[0]["text/html"]
    assert carried.startswith(view.fallback_html())
    assert carried.endswith("Run this cell to use the view.</p>")


@pytest.mark.parametrize("name", ["view.html", "view.svg"])
def test_views_can_be_saved_as_html_or_svg(name, tmp_path):
    view = NextTokenView(tokens=["a"], candidates=["b"], probabilities=[1.0])
    assert view.save(tmp_path / name).read_text().lstrip().startswith(("<!doctype html>", "<svg"))
    with pytest.raises(ValueError, match=r"\.html or \.svg"):
        view.save(tmp_path / "view.pdf")


class Notes(NextTokenView):
    """A view that records what is done in it."""

    def __init__(self):
        super().__init__(tokens=["a"], candidates=["b"], probabilities=[1.0])
        self.done = []
        self.on_act("note", lambda what: self.done.append(what), then=self.count)
        self.on_act("fail", self.fail)

    def count(self):
        self.done.append(len(self.done))

    def fail(self, error):
        raise error


def test_actions_that_come_together_are_handled_in_order_and_share_slow_work():
    view = Notes()
    assert acts(view, *(("note", {"what": letter}) for letter in "abc")) == []
    assert view.done == ["a", "b", "c", 3]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("Too long."), "Too long."),
        (MemoryError("Too large."), "Too large."),
        (KeyError("a"), "Something went wrong inside this view: KeyError: 'a'"),
        (KeyboardInterrupt(), "You interrupted the kernel, so this was not done."),
    ],
)
def test_an_action_that_fails_is_refused_with_a_notice_and_the_others_are_done(error, said):
    view = Notes()
    notices = []
    view.observe(lambda change: notices.append(change["new"]), names="notice")
    for _ in range(2):  # the second time, the same notice is sent again
        assert acts(view, ("note", {"what": "a"}), ("fail", {"error": error}), ("note", {"what": "b"})) == [2]
        assert view.notice == said
    assert view.done == ["a", "b", 2, "a", "b", 5]
    assert notices == [said, "", said]
    assert act(view, "note", what="c")
    assert view.notice == ""


def test_actions_are_refused_if_the_work_that_they_need_fails(monkeypatch):
    view = Notes()
    view.on_act("other", lambda: view.done.append("other"))
    view.on_act("note", lambda what: view.done.append(what), then=lambda: view.fail(RuntimeError("Out of memory.")))
    assert acts(view, ("note", {"what": "a"}), ("other", {}), ("note", {"what": "b"})) == [1, 3]
    assert (view.done, view.notice) == (["a", "other", "b"], "Out of memory.")


def test_unknown_actions_and_wrong_details_are_refused_with_a_notice():
    view = Notes()
    assert not act(view, "fly")
    assert "no action called 'fly'" in view.notice
    assert not act(view, "note", wrong=1)
    assert "TypeError" in view.notice


def test_a_view_is_live_once_it_handles_actions():
    assert not NextTokenView().live
    assert Notes().live


def test_progress_is_sent_to_the_page_that_the_action_came_from():
    view = Notes()
    sent = []
    view.on_act("work", lambda: view.progress("layer 3 of 30"))
    view.send = lambda content, buffers=None: sent.append(content)
    view._handle_custom_msg({"acts": [{"number": 7, "kind": "work", "details": {}}], "client": "page"}, [])
    view._handle_custom_msg({"ping": True, "client": "page"}, [])
    assert sent == [
        {"client": "page", "begun": True},
        {"client": "page", "progress": "layer 3 of 30"},
        {"client": "page", "done": 7, "refused": []},
        {"client": "page", "pong": True},
    ]


@given(text=st.text(max_size=12).filter(lambda text: "⟨" not in text), cut=st.integers(0, 12))
def test_characters_divided_between_tokens_are_joined_again(text, cut):
    data = text.encode(errors="replace")
    assert joined_text([token_text(data[:cut]), token_text(data[cut:])]) == data.decode()
