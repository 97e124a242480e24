"""A chat with several models in JupyterLab: used by keyboard alone, saved in files, and as a page without Python."""

import base64
import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from browser.axe import faults_of_colour, violations
from browser.bench import click
from browser.exports import check_exports
from browser.keys import press
from browser.looks import STICKS_OUT, UNREADABLE, wait_until_drawn
from browser.views import SETUP
from llmlib.widgets import ChatView, tuning_view
from llmlib.widgets.chat.readings import pack, reading

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DUO = """
other = Transformer(talker.config, seed=1)
duo = compare_chats([Speaker("base", talker, tokenizer), Speaker("tuned", other, tokenizer)], max_new_tokens=12)
"""
SOURCES = (SETUP, DUO, "duo", "single = explore_chat(talker, tokenizer, max_new_tokens=60)\nsingle")


@pytest.fixture(scope="module")
def alive(bench):
    bench.open("compared.ipynb", SOURCES)
    bench.run()
    yield bench, bench.page.locator(".llm-chat").first
    assert bench.problems == []


def wait_for_answers(view):
    expect(view.get_by_role("log")).to_have_attribute("aria-busy", "false")


@pytest.mark.timeout(300)
def test_models_can_be_compared_by_keyboard_alone(alive):
    bench, view = alive
    page, box = bench.page, view.get_by_label("Your message", exact=True)
    box.focus()
    for text in ("one", "two"):
        page.keyboard.type(text)
        press(page, "Enter")
        bench.expect("duo.answering or len(duo.messages)", str(3 if text == "one" else 6))
        wait_for_answers(view)
    expect(view.locator(".llm-who").nth(1)).to_have_text("base")
    view.get_by_label("Edit this message").first.focus()
    press(page, "Enter")
    changed = view.get_by_label("Changed message").first
    expect(changed).to_be_focused()
    expect(changed).to_have_value("one")
    press(page, "Escape")
    expect(view.get_by_label("Edit this message").first).to_be_focused()
    press(page, "Enter", "Control+A")
    page.keyboard.type("three")
    press(page, "Enter")
    bench.expect("duo.answering or [m['content'] for m in duo.messages if m['role'] == 'user']", "['three']")
    wait_for_answers(view)
    expect(box).to_be_focused()
    expect(view.locator(".llm-user")).to_have_count(1)
    view.get_by_role("button", name="Tokens in tuned’s answer").focus()
    press(page, "Enter", "Tab", "ArrowRight", "ArrowRight", "ArrowLeft")
    expect(view.get_by_role("option").nth(1)).to_be_focused()
    expect(view.locator(".llm-detail .llm-note").first).to_contain_text("Token 2 of 12")
    words = json.loads(bench.python("__import__('json').dumps(duo.notes[2]['tokens'])").strip("'"))
    expect(view.get_by_role("option")).to_have_count(words)


@pytest.mark.timeout(300)
def test_a_blind_comparison_hides_the_names_until_the_vote(alive):
    bench, view = alive
    page = bench.page
    blind = view.get_by_label("Blind comparison")
    blind.focus()
    press(page, "Space")
    bench.expect("duo.blind", "True")
    view.get_by_label("Your message", exact=True).fill("four")
    press(page, "Enter")
    wait_for_answers(view)
    turn = view.locator(".llm-turn").last
    expect(turn.locator(".llm-model .llm-who")).to_have_text(["A", "B"])
    assert violations(view) == []
    secret = turn.evaluate("node => node.outerHTML")
    assert "base" not in secret
    assert "tuned" not in secret
    turn.get_by_role("button", name="B is better").focus()
    page.evaluate("() => { for (let k = 0; k < 5; k++) document.activeElement.click(); }")  # only the first click votes
    expect(turn.locator(".llm-result")).to_contain_text("You chose B: A was")
    expect(view.get_by_label("Your message", exact=True)).to_be_focused()
    assert bench.python("duo.notice") == "''"
    winner = bench.python("duo.names[duo.notes[-3]['order'][1]]").strip("'")
    expect(view.locator(".llm-tally")).to_contain_text(f"{winner} 1")
    expect(turn.get_by_role("button", name="B is better")).to_have_count(0)
    click(view, "Start over")
    expect(view.locator(".llm-tally")).to_contain_text(f"{winner} 1")
    click(view, "Clear the votes")
    expect(view.locator(".llm-tally")).to_be_hidden()
    blind.uncheck()
    bench.expect("duo.blind", "False")


@pytest.mark.timeout(300)
def test_settings_take_effect_and_two_views_can_answer_at_once(alive):
    bench, view = alive
    other = bench.page.locator(".llm-chat").last
    view.locator(".llm-setup > summary").click()
    view.get_by_label("System prompt", exact=True).fill("Be <b>brief</b> 🙂")
    bench.expect("duo.system", "'Be <b>brief</b> 🙂'")
    number = view.get_by_label("temperature, as a number")
    number.fill("-1")
    expect(view.locator(".llm-refused", has_text="temperature must be 0 or more")).to_be_visible()
    number.fill("1.5")
    bench.expect("duo.settings['temperature']", "1.5")
    longest = view.get_by_label("longest answer")
    for typed, kept in (("0", "12"), ("20", "20")):
        longest.fill(typed)
        longest.blur()
        bench.expect("duo.limit", kept)
    expect(longest).to_have_attribute("aria-invalid", "false")
    view.locator(".llm-setup > summary").click()
    for one in (view, other):
        one.get_by_label("Your message", exact=True).fill("one two")
        click(one, "Send")
    for one, length in ((view, 3), (other, 2)):
        wait_for_answers(one)
        expect(one.locator(".llm-message")).to_have_count(length)
    bench.expect("[note.get('tokens') for note in duo.notes + single.notes]", "[None, 20, 20, None, 60]")
    view.get_by_text("in turn").click()
    bench.expect("duo.together", "False")


@pytest.mark.timeout(300)
def test_a_conversation_is_saved_in_files_and_in_the_notebooks_picture(alive):
    bench, view = alive
    view.get_by_label("Your message", exact=True).fill("a message to find again")
    click(view, "Send")
    wait_for_answers(view)
    check_exports(bench.page, view, "conversation")
    view.locator("summary", has_text="Save").click()
    with bench.page.expect_download() as download:
        view.get_by_role("button", name="Messages (JSON lines)").click()
    view.locator("summary", has_text="Save").click()
    lines = [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]
    assert lines == json.loads(eval(bench.python("__import__('json').dumps(duo.conversations())")))
    bench.save()
    for _ in range(60):  # the picture had no messages when the cell ended; of a long chat, it leaves out the end
        if any("one two" in picture for picture in pictures_in(bench.stored("compared.ipynb"))):
            return
        bench.page.wait_for_timeout(500)
    raise AssertionError("the saved notebook still has the picture from when the cell ended")


def pictures_in(notebook):
    """Return the SVG sources that a saved notebook has in place of its widgets."""
    states = notebook["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {"state": {}})
    found = [re.search(r"svg\+xml;base64,([^\"]+)", one["state"].get("value", "")) for one in states["state"].values()]
    return [base64.b64decode(one[1]).decode() for one in found if one]


def check_page(page, node, path, view, interact=lambda: None):
    """Open a view's page. In both themes, axe must find nothing, nothing may stick out, and words must be readable."""
    page.goto(view.save(path).as_uri())
    node.wait_for()
    interact()
    for width in (1280, 1000, 620):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            wait_until_drawn(page)
            assert node.evaluate(UNREADABLE) == []
            assert node.evaluate(STICKS_OUT) <= 1
            by_axe = violations if scheme == "dark" else faults_of_colour
            assert by_axe(page.locator(":root")) == []


def conversation():
    """Return a chat that ends with a blind question.

    Of its three models, one has no template, one was cut off in its answer, and one answered with odd tokens.
    """
    words = ["<i>", " 🙂", "\n", "مرحبا", "漢字" * 9, "⟨F0 9F⟩"]
    tokens = [reading(k, -3.0 * k, [(j, -0.5 - j) for j in range(5)]) for k in range(6)]
    answer = lambda text, k: {"role": "assistant", "content": text, "speaker": k}  # noqa: E731
    messages = [
        {"role": "user", "content": "word " * 90},
        answer("", 0),
        answer("<i> 🙂 " * 40, 1),
        answer("مرحبا", 2),
        {"role": "user", "content": "🙂"},
        answer("one", 0),
        answer("two", 1),
        answer("three", 2),
    ]
    notes = [
        {},
        {"problem": "This model has no template."},
        {"tokens": 6, "ended": "Cut after 6 tokens."},
        {"tokens": 6},
        {"order": [2, 0, 1], "vote": None},
        {},
        {},
        {},
    ]
    neutral = {"temperature": 0.2, "top_p": 0.9}
    return ChatView(
        messages=messages,
        notes=notes,
        names=["base", "tuned", "x" * 60],
        words=words,
        readings=pack(tokens * 2),
        system="Be brief.",
        system_problems=["base takes no system prompt. Why?"],
        settings=neutral,
        blind=True,
        tally={"wins": [1, 2, 0], "tie": 0, "bad": 3},
    )


@pytest.mark.timeout(300)
def test_the_page_of_a_comparison_works_without_python(page, tmp_path):
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    node = page.locator(".llm-chat")

    def interact():
        for button in node.get_by_role("button", name="’s answer, and how likely").all():
            button.click()
        node.get_by_role("option").nth(3).focus()
        node.locator(".llm-more > summary").click()
        expect(node.locator(".llm-turn").last.locator(".llm-model .llm-said")).to_have_text(["three", "one", "two"])

    check_page(page, node, tmp_path / "view.html", conversation(), interact)
    assert page.locator("i, b").count() == 0
    assert problems == page.foreign == []


@pytest.mark.timeout(300)
def test_the_page_of_a_tuning_view_works_without_python(page, tmp_path):
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    rng, words = np.random.default_rng(0), ["<i>", " 🙂", "\n", "مرحبا", "漢字" * 9, "⟨F0 9F⟩", "one", " two"]
    ids = [k % 8 for k in range(90)]
    base, tuned = (3 * rng.normal(size=(90, 8)) for _ in range(2))
    view = tuning_view(
        ids, base, tuned, words, spans=[("user", 0, 40), ("assistant", 40, 90)], mask=[k > 45 for k in ids]
    )
    node = page.locator(".llm-tuning")

    def interact():
        options = node.get_by_role("option")
        options.nth(20).focus()
        page.keyboard.press("ArrowRight")
        expect(options.nth(21)).to_be_focused()
        page.keyboard.press("End")
        expect(options.nth(39)).to_be_focused()
        page.keyboard.press("Tab")
        expect(options.nth(40)).to_be_focused()
        move = view.moves()[40]
        sign = "less likely than" if move < 0 else "as likely as"
        expect(node.locator(".llm-detail p").first).to_contain_text(sign)
        expect(node.locator(".llm-likeliest")).to_have_count(2)
        before = f"{-view.means()[1][1].base:.2f}".replace("-", "")
        expect(node.locator("tbody tr").nth(1)).to_contain_text(before)

    check_page(page, node, tmp_path / "view.html", view, interact)
    assert page.locator("i").count() == 0
    assert problems == page.foreign == []


@pytest.mark.timeout(300)
def test_Send_gets_an_answer_to_a_question_that_a_view_starts_with(bench):
    asked = DUO.replace("duo = ", "asked = ").replace("max_new_tokens", "messages=talk, max_new_tokens")
    bench.open("asked.ipynb", (SETUP, 'talk = [{"role": "user", "content": "one"}]', asked, "asked"))
    bench.run()
    box = bench.page.get_by_label("Your message", exact=True)
    expect(box).to_have_attribute("placeholder", "Press Send to get an answer, or ask something else")
    bench.page.get_by_role("button", name="Send", exact=True).click()
    bench.expect("asked.answering or len(asked.messages)", "3")
    expect(box).to_have_attribute("placeholder", "Ask something")
