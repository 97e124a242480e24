"""What all views share: static pictures that hold any text, and saving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.widgets import ChatView, NextTokenView


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
