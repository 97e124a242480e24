"""Functions for the table in views.py: each uses a view, and checks what the view then shows."""

import re

from playwright.sync_api import expect

from browser.bench import CLICK_EACH, choose_radio, click

ODD = "👩‍👩‍👧‍👦 é <b>x</b> مرحبا بالعالم abc 123"
LONG = "one two three " * 400  # about 1,000 tokens


# --- next token ---------------------------------------------------------------------------------------------------


AT_ITS_END = "node => node.scrollTop + node.clientHeight >= node.scrollHeight - 1 && node.scrollTop > 0"


def use(view, text):
    view.get_by_label("Your text").fill(text)
    view.get_by_role("button", name="Use this text").click()


def next_token_clicks(bench, view):
    use(view, "one")
    expect(view.locator(".llm-picked")).to_have_count(0)
    click(view, "Let chance pick", 25)
    expect(view.locator(".llm-picked")).to_have_count(25)
    click(view, "Undo", 25)
    expect(view.locator(".llm-picked")).to_have_count(0)
    expect(view.locator(".llm-token")).to_have_text(["one"])
    first = view.locator(".llm-candidate code").first.text_content()
    view.evaluate("node => { for (let k = 0; k < 8; k++) node.querySelector('.llm-candidate').click(); }")
    expect(view.locator(".llm-picked")).to_have_text([first] * 8)


def next_token_odd(bench, view):
    use(view, ODD)
    expect(view.locator(".llm-token").first).to_have_text("⟨F0⟩")
    click(view, "Let chance pick", 2)
    expect(view.locator(".llm-picked")).to_have_count(2)
    expect(view.get_by_label("Your text")).to_have_value(ODD)
    view.get_by_label("Your text").fill("not used")
    expect(view.locator(".llm-unused")).to_contain_text("Not used yet")
    click(view, "Undo")
    expect(view.locator(".llm-picked")).to_have_count(1)
    expect(view.get_by_label("Your text")).to_have_value("not used")


def next_token_empty(bench, view):
    use(view, "one")
    expect(view.locator(".llm-token")).to_have_text(["one"])
    use(view, "")
    expect(view.locator(".llm-notice")).to_contain_text("Type at least one word")
    expect(view.locator(".llm-token")).to_have_text(["one"])


def next_token_long(bench, view):
    use(view, LONG)
    expect(view.locator(".llm-token").nth(999)).to_be_attached()
    click(view, "Let chance pick", 10)
    expect(view.locator(".llm-picked")).to_have_count(10)
    expect(view.locator(".llm-picked").last).to_be_visible()
    assert view.bounding_box()["height"] < bench.page.viewport_size["height"], "everything fits in the window"
    assert view.locator(".llm-token-list").evaluate(AT_ITS_END)
    broken = "all => all.filter((one) => one.getClientRects().length > 1).map((one) => one.textContent)"
    assert view.locator(".llm-token").evaluate_all(broken) == [], "no token is broken across lines"
    shares = "all => all.map((bar) => bar.getBoundingClientRect().width / bar.parentElement.clientWidth)"
    shown = [float(p) for p in bench.python("next_token.probabilities").strip("[]").split(",")]
    drawn = view.locator(".llm-bar").evaluate_all(shares)
    assert all(abs(share - p) < 0.01 for share, p in zip(drawn, shown, strict=True)), "a bar fills its track at 100%"


# --- tokens -------------------------------------------------------------------------------------------------------

TYPE_AND_TICK = """(view, word) => {
  const box = view.querySelector("textarea"), special = view.querySelectorAll("input[type=checkbox]")[1];
  box.value = "";
  for (let k = 0; k < 7; k++) { box.value += word; box.dispatchEvent(new Event("input")); special.click(); }
}"""


def tokens_clicks(bench, view):
    box, special = view.get_by_label("Your text"), view.get_by_label("Recognise special tokens")
    box.fill("")
    box.press_sequentially("one two " * 6)  # faster than the answers arrive
    expect(view.locator(".llm-token")).to_have_count(int(bench.python("len(tokenizer.encode('one two ' * 6))")))
    view.evaluate(TYPE_AND_TICK, "<|im_end|>")
    expect(view.locator(".llm-special")).to_have_count(7)
    expect(special).to_be_checked()
    bench.expect("tokens.text == '<|im_end|>' * 7 and tokens.special", "True")
    special.evaluate("box => { for (let k = 0; k < 7; k++) box.click(); }")
    expect(view.locator(".llm-special")).to_have_count(0)


def tokens_odd(bench, view):
    view.get_by_label("Your text").fill(ODD)
    expect(view.locator(".llm-label").first).to_have_text("⟨F0⟩")
    view.get_by_label("Your text").fill("مرحبا abc 123")
    expect(view.locator(".llm-line")).to_have_attribute("dir", "rtl")
    boxes = view.locator(".llm-token")
    expect(boxes.last).to_have_text("3")
    labels, lefts = boxes.all_text_contents(), [box.bounding_box()["x"] for box in boxes.all()]
    latin = [left for label, left in zip(labels, lefts) if re.search(r"[a-z0-9]", label) and "⟨" not in label]
    assert latin == sorted(latin), "abc 123 reads from left to right, as in the text"
    assert max(latin) < lefts[0], "abc 123 is to the left of the Arabic word that it follows"
    assert view.get_by_label("Your text").evaluate("box => getComputedStyle(box).direction") == "rtl"


def tokens_empty(bench, view):
    view.get_by_label("Your text").fill("")
    expect(view.locator(".llm-numbers")).to_have_text("0 tokens")
    expect(view.locator(".llm-token")).to_have_count(0)


def tokens_long(bench, view):
    view.get_by_label("Your text").fill(LONG)
    expect(view.locator(".llm-token").nth(999)).to_be_attached()


# --- byte-pair encoding -------------------------------------------------------------------------------------------


def learn(view, text):
    view.get_by_role("tab", name="Learn merges").click()
    view.get_by_label("Text to learn from").fill(text)
    view.get_by_role("button", name="Learn from this text").click()


PREDICT_AND_LEARN = """view => {
  view.querySelectorAll("input[type=checkbox]")[1].click(); // the first change is sent at once, the second is held back
  view.querySelector(".llm-choices button").click();
  [...view.querySelectorAll("button")].find((one) => one.textContent === "Learn from this text").click();
}"""


def bpe_clicks(bench, view):
    learn(view, "one two one two three")
    expect(view.locator(".llm-happened")).to_contain_text("Start: 21 bytes")
    click(view, "One step forward (Right arrow)", 5)
    expect(view.locator(".llm-happened")).to_contain_text("Step 5")
    click(view, "One step back (Left arrow)", 2)
    expect(view.locator(".llm-happened")).to_contain_text("Step 3")
    bench.expect("bpe.step", "3")
    view.get_by_label("Text to learn from").fill("two two one")
    quick = ("Go to the end (End)", "One step back (Left arrow)", "Learn from this text")
    view.evaluate(CLICK_EACH, quick)  # the step back may reach Python after the new text
    expect(view.locator(".llm-happened")).to_contain_text("Start: 11 bytes")
    assert bench.python("bpe.step") == "0"
    click(view, "One step forward (Right arrow)")
    expect(view.locator(".llm-happened")).to_contain_text("Step 1")
    bench.expect("bpe.step", "1")
    view.get_by_label("Predict first").check()
    view.get_by_label("Text to learn from").fill("one one two two")
    view.evaluate(PREDICT_AND_LEARN)  # the prediction may reach Python after the text
    expect(view.locator(".llm-happened")).to_contain_text("Start: 15 bytes")
    assert bench.python("''.join(bpe.pieces), bpe.guesses") == "('one one two two', {})"
    view.get_by_label("Predict first").uncheck()
    view.get_by_label("Show bytes").uncheck()
    for tab, kept in (("Encode a text", "a draft"), ("Learn merges", "another")):
        view.get_by_role("tab", name=tab).click()
        view.locator("textarea").fill(kept)
    view.get_by_role("tab", name="Encode a text").click()
    expect(view.locator("textarea")).to_have_value("a draft")
    expect(view.locator(".llm-unused")).to_contain_text("Not used yet")


def bpe_odd(bench, view):
    learn(view, ODD)
    expect(view.locator(".llm-stage .llm-token").first).to_have_text("⟨F0⟩")
    expect(view.get_by_label("Text to learn from")).to_have_value(ODD)

    learn(view, "مرحبا 🙂🙂 abc 🙂🙂 def")  # an emoji takes its neighbours' direction, or else the text's
    expect(view.locator(".llm-piece", has_text="⟨F0⟩").first).to_have_attribute("dir", "rtl")
    expect(view.locator(".llm-piece", has_text="⟨F0⟩").last).to_have_attribute("dir", "ltr")


def bpe_empty(bench, view):
    learn(view, "one two one two")
    expect(view.locator(".llm-happened")).to_contain_text("Start: 15 bytes")
    click(view, "One step forward (Right arrow)", 3)
    expect(view.locator(".llm-happened")).to_contain_text("Step 3")
    learn(view, "")
    expect(view.locator(".llm-happened")).to_have_text(
        "Start: 0 bytes, each a token of its own. There is nothing to merge."
    )


def bpe_long(bench, view):
    learn(view, LONG)
    expect(view.locator(".llm-notice")).to_contain_text("at most 2,000 characters")
    expect(view.get_by_label("Text to learn from")).to_have_value(LONG)
    learn(view, LONG[:2000])
    expect(view.locator(".llm-happened")).to_contain_text("Start: 2000 bytes")


# --- embeddings ---------------------------------------------------------------------------------------------------


def embedding_clicks(bench, view):
    view.get_by_role("button", name="Neighbours").click()
    expect(view.locator("ol button")).to_have_count(12)
    view.evaluate(
        "node => { const near = node.querySelectorAll('ol button'); for (let k = 0; k < 6; k++) near[k].click(); }"
    )
    expect(view.locator("ol button")).to_have_count(12)
    expect(view).not_to_contain_text("Looking for the token’s neighbours")
    chosen = view.locator(".llm-chosen .llm-note").first.text_content()
    bench.expect("embedding.chosen", re.search(r"id (\d+)", chosen)[1])
    bench.expect("embedding.neighbours['of'] == embedding.chosen", "True")
    view.evaluate("node => { for (let k = 0; k < 5; k++) node.querySelector('.llm-legend button').click(); }")
    expect(view.locator(".llm-legend button").first).to_have_attribute("aria-pressed", "false")
    click(view, "Reset view")
    view.evaluate("node => node.querySelector('.llm-legend button').click()")


def embedding_odd(bench, view):
    view.get_by_label("Search for a token").fill(ODD)
    expect(view.locator(".llm-count")).to_have_text("0 tokens")
    view.get_by_label("Search for a token").fill("")
    view.get_by_role("button", name="Analogy").click()
    fields = [view.get_by_label(f"Analogy: token {letter}") for letter in "abc"]
    for field, text in zip(fields, ("one", "two", "<b>👩‍👩‍👧‍👦</b>")):
        field.fill(text)
    view.get_by_role("button", name="Find").click()
    expect(view.locator(".llm-analogy .llm-notice")).to_contain_text("is not a token in this table")
    expect(fields[2]).to_have_value("<b>👩‍👩‍👧‍👦</b>")
    fields[2].fill("three")
    view.get_by_role("button", name="Find").click()
    expect(view.locator(".llm-answers tbody tr")).to_have_count(6)
    expect(fields[0]).to_have_value("one")


def embedding_empty(bench, view):
    view.get_by_label("Search for a token").fill("")
    expect(view.locator(".llm-found")).to_be_hidden()
    view.get_by_role("button", name="Analogy").click()
    click(view, "Clear")
    view.get_by_role("button", name="Find").click()
    expect(view.locator(".llm-analogy .llm-notice")).to_contain_text("is not a token in this table")


# --- attention ----------------------------------------------------------------------------------------------------


def attend(view, text, tokens):
    view.get_by_label("Text", exact=True).fill(text)
    expect(view).to_have_attribute("data-tokens", str(tokens))


def attention_clicks(bench, view):
    attend(view, "one two", 2)
    board = view.get_by_label("Ablation board")
    choose_radio(view.get_by_label("switches it off"))
    switches = "node => { for (const one of node.querySelectorAll('.llm-thumb')) one.click(); }"
    view.evaluate(switches)
    expect(board).to_contain_text("8 of 8 heads off")
    expect(view.locator(".llm-notice")).to_be_empty()
    bench.expect("len(attention.ablated)", "8")
    view.evaluate(switches)
    expect(board).to_contain_text("all heads on")
    bench.expect("attention.ablated", "[]")
    view.evaluate("node => { for (let k = 0; k < 9; k++) node.querySelector('.llm-thumb').click(); }")
    expect(board).to_contain_text("1 of 8 heads off")
    click(view, "Switch all on")
    expect(board).to_contain_text("all heads on")
    choose_radio(view.get_by_label("opens a head"))
    view.get_by_label("Text", exact=True).fill("")
    view.get_by_label("Text", exact=True).press_sequentially("one two three four")
    expect(view).to_have_attribute("data-tokens", bench.python("len(tokenizer.encode('one two three four'))"))


def attention_odd(bench, view):
    attend(view, ODD, int(bench.python(f"len(tokenizer.encode({ODD!r}))")))
    view.get_by_label("Layer 0, head 0", exact=True).click()
    expect(view.locator(".llm-strip [role=option]").first).to_have_text("⟨F0⟩")
    expect(view.get_by_label("Text", exact=True)).to_have_value(ODD)
    click(view, "All heads")


def attention_empty(bench, view):
    attend(view, "one two", 2)
    view.get_by_label("Text", exact=True).fill("")
    expect(view.locator(".llm-notice")).to_contain_text("at least one token")
    expect(view).to_have_attribute("data-tokens", "2")


def attention_long(bench, view):
    count = int(bench.python(f"len(tokenizer.encode({LONG!r}))"))
    attend(view, LONG, count)
    expect(view.locator(".llm-notes")).to_contain_text("the largest weight in a square")
    view.get_by_label("Layer 1, head 2", exact=True).click()
    expect(view.locator(".llm-heat canvas")).to_be_visible()
    expect(view.locator(".llm-strip [role=option]")).to_have_count(count)
    click(view, "Next head", 5)  # the head that the last click leads to is shown in full
    expect(view.get_by_label("Where you are")).to_contain_text("Layer 0, head 3")
    expect(view.locator(".llm-heat canvas")).to_be_visible()
    bench.expect("(attention.opened['layer'], attention.opened['head'])", "(0, 3)")
    view.get_by_label("Text", exact=True).fill(LONG * 5)
    expect(view.locator(".llm-notice")).to_contain_text("but the model's context holds only 2,048")
    expect(view).to_have_attribute("data-tokens", str(count))
    attend(view, "one two three", 3)
    click(view, "All heads")


def attention_head(bench, view):
    attend(view, "one two three four", int(bench.python("len(tokenizer.encode('one two three four'))")))
    if view.get_by_label("Layer 0, head 0", exact=True).count():
        view.get_by_label("Layer 0, head 0", exact=True).click()
    expect(view.locator(".llm-heat").first).to_be_visible()


# --- attention, step by step --------------------------------------------------------------------------------------


def stepper_clicks(bench, view):
    click(view, "One stage forward (Right arrow)", 4)
    expect(view.locator(".llm-output")).to_contain_text("Output: the sum")
    bench.expect("stepper.stage", "4")
    click(view, "One stage back (Left arrow)", 3)
    expect(view.locator("[aria-current=step]")).to_have_text("2 scale")
    bench.expect("stepper.stage", "1")


def stepper_odd(bench, view):
    expect(view.get_by_role("rowheader").first).to_have_text("⟨F0⟩")


# --- questions ----------------------------------------------------------------------------------------------------


def questions_clicks(bench, view):
    """Open all choices of the last question at once: all show their reasons, but only the first choice counts."""
    last = view.locator(".llm-question").last
    last.evaluate("node => { for (const one of node.querySelectorAll('summary')) one.click(); }")
    expect(last.locator("details p")).to_have_count(2)
    expect(last.locator(".llm-first")).to_have_count(1)
    bench.expect("asked.opened[-2:]", "[[2, 0], [2, 1]]")
    assert bench.python("[one for one in reported_choices if one['question'] == 2]") == "[{'question': 2, 'choice': 0}]"
