"""Functions for the table in views.py: each uses a view's main functions by keyboard alone, and checks the results."""

import re

from playwright.sync_api import expect

from browser.keys import button, choose, go, pick, press, reachable, until, use, write

# --- texts and tokens ---------------------------------------------------------------------------------------------


def next_token(bench, view):
    write(view, view.get_by_label("Your text"), "one")
    press(bench.page, "Enter")
    expect(view.locator(".llm-token")).to_have_text(["one"])
    use(view, button(view, "Let chance pick"), "Enter", "Space")
    expect(view.locator(".llm-picked")).to_have_count(2)
    use(view, button(view, "Undo"), "Enter", "Enter")
    expect(view.locator(".llm-picked")).to_have_count(0)
    use(view, view.get_by_label("Temperature"), "Home", "ArrowRight", "ArrowRight")
    bench.expect("next_token.temperature", "0.1")
    first = view.locator(".llm-candidate").first
    use(view, first)
    expect(view.locator(".llm-picked")).to_have_count(1)
    expect(first).to_be_focused()  # the list has been drawn again, and the focus is still in its place
    press(bench.page, "Enter")
    expect(view.locator(".llm-picked")).to_have_count(2)


def chat(bench, view):
    box, stop, log = view.get_by_label("Your message"), button(view, "Stop"), view.get_by_role("log")
    write(view, box, "one two")
    press(bench.page, "Enter")
    expect(view.locator(".llm-user .llm-said")).to_have_text(["one two"])
    use(view, stop)
    expect(log).to_have_attribute("aria-busy", "false")
    expect(view.locator(".llm-model .llm-said")).not_to_be_empty()
    expect(box).to_be_focused()  # there is nothing left to stop
    edit = button(view, "Edit this message")
    use(view, edit)
    expect(view.get_by_label("Changed message")).to_be_focused()
    press(bench.page, "Escape")
    expect(edit).to_be_focused()
    press(bench.page, "Enter", "Control+A")
    bench.page.keyboard.type("three")
    press(bench.page, "Enter")
    expect(view.locator(".llm-user .llm-said")).to_have_text(["three"])
    use(view, stop)
    expect(log).to_have_attribute("aria-busy", "false")
    settings = view.locator(".llm-setup > summary")
    use(view, settings)
    write(view, view.get_by_label("System prompt", exact=True), "Be brief")
    bench.expect("chat.system", "'Be brief'")
    press(bench.page, "Control+A", "Delete")
    bench.expect("chat.system", "''")
    use(view, settings)
    use(view, button(view, "Start over"))
    expect(view.locator(".llm-message")).to_have_count(0)
    use(view, button(view, "Restore the conversation"))
    expect(view.locator(".llm-user .llm-said")).to_have_text(["three"])
    expect(view.get_by_label("Your message")).to_be_focused()
    use(view, button(view, "Start over"))
    expect(view.locator(".llm-message")).to_have_count(0)


def tuning(bench, view):
    options = view.get_by_role("option")
    use(view, reachable(view, "option").first, "Home", "ArrowRight", "ArrowRight", "ArrowLeft")
    expect(options.nth(1)).to_be_focused()
    expect(view.locator(".llm-likeliest")).to_have_count(2)
    press(bench.page, "End", "Tab")  # to the next message
    answer = view.locator(".llm-said").nth(1).get_by_role("option")
    expect(answer.first).to_be_focused()
    press(bench.page, "End")
    expect(answer.last).to_be_focused()
    expect(view.locator(".llm-detail p").first).to_contain_text("nats")


def tokens(bench, view):
    write(view, view.get_by_label("Your text"), "one two <|im_end|>")
    bench.expect("tokens.text", "'one two <|im_end|>'")
    count = int(bench.python("len(tokenizer.encode(tokens.text))"))
    expect(view.locator(".llm-token")).to_have_count(count)
    use(view, view.get_by_label("Show ids"), "Space")
    expect(view.locator(".llm-id")).to_have_count(count)
    press(bench.page, "Space")
    expect(view.locator(".llm-id")).to_have_count(0)
    use(view, view.get_by_label("Recognise special tokens"), "Space")
    expect(view.locator(".llm-special")).to_have_count(1)
    press(bench.page, "Space")
    expect(view.locator(".llm-special")).to_have_count(0)
    use(view, reachable(view, "option"), "End", "Home", "ArrowRight")
    expect(view.get_by_role("option").nth(1)).to_be_focused()
    expect(view.locator(".llm-detail")).to_contain_text("Token 2 · id")


def bpe(bench, view):
    """Predict wrongly, then correctly; a step is not taken before it is predicted, and the choices get the focus."""
    page, forward, choices = bench.page, view.get_by_label("One step forward"), view.locator(".llm-choices button")
    step, stage = view.get_by_label("Step", exact=True), view.locator(".llm-stage")
    predict = view.get_by_label("Predict first")
    use(view, reachable(view, "tab"), "ArrowRight")
    expect(view.get_by_role("tab", name="Encode a text")).to_be_focused()
    press(page, "ArrowLeft")
    expect(view.get_by_role("tab", name="Learn merges")).to_have_attribute("aria-selected", "true")
    write(view, view.get_by_label("Text to learn from"), "one two two one two three")
    press(page, "Enter")
    expect(view.locator(".llm-happened")).to_contain_text("Start: 25 bytes")
    use(view, predict, "Space")
    use(view, stage, "ArrowRight")
    expect(step).to_have_value("0")
    expect(choices.first).to_be_focused()
    expect(view).not_to_contain_text("← next")
    press(page, "Enter")  # “o” + “n”
    expect(view.locator(".llm-judged")).to_contain_text("Not this pair")
    expect(view.locator(".llm-score")).to_have_text("0 of 1 right")
    expect(view.locator(".llm-next")).to_contain_text("← next")
    expect(forward).to_be_focused()
    press(page, "Enter")
    expect(step).to_have_value("1")
    press(page, "End")  # this stops at the next question
    expect(step).to_have_value("1")
    expect(choices.first).to_be_focused()
    key = [int(id) for id in bench.python("bpe.merges[1]").strip("[]").split(", ")]
    until(view, "ArrowDown", choices.filter(has_text=f"ids {key[0]}, {key[1]}"))
    press(page, "Enter")
    expect(view.locator(".llm-judged")).to_contain_text("Right: ")
    expect(view.locator(".llm-score")).to_have_text("1 of 2 right")
    bench.expect("bpe.score", "(1, 2)")
    press(page, "Home")
    expect(view.locator(".llm-judged")).to_contain_text("Not this pair")  # the first prediction stays
    use(view, stage, "End")
    expect(step).to_have_value("2")
    use(view, predict, "Space")
    use(view, stage, "Home", "Space")  # the view plays, since the user asked for it
    expect(button(view, "Pause")).to_be_visible()
    expect(step).not_to_have_value("0")
    press(page, "Space", "End")
    expect(button(view, "Play")).to_be_visible()
    expect(view.locator(".llm-happened")).to_contain_text("This was the last merge.")


# --- vectors ------------------------------------------------------------------------------------------------------


def embedding(bench, view):
    page, panel, plane = bench.page, view.get_by_label("The pinned token"), view.locator(".llm-plot canvas")
    search, measure, listed = view.get_by_role("combobox"), button(view, "dot product"), view.locator("ol button")
    use(view, button(view, "Reset view"))
    write(view, search, "one")
    expect(view.get_by_role("option").first).to_be_visible()
    press(page, "ArrowDown", "Enter")
    expect(panel.locator("strong")).to_contain_text("one")
    expect(view.get_by_role("listbox")).to_be_hidden()
    use(view, measure)
    expect(measure).to_have_attribute("aria-pressed", "true")
    go(view, listed.first)
    expect(view.locator(".llm-tooltip")).to_be_visible()
    name = listed.first.locator(".llm-token").text_content()
    press(page, "Enter")
    expect(panel.locator("strong")).to_have_text(name)
    expect(view.locator(".llm-spoke")).to_have_count(12)
    kind = view.locator(".llm-legend button").first
    use(view, kind)
    expect(kind).to_have_attribute("aria-pressed", "false")
    press(page, "Enter")
    use(view, plane, "Escape")
    expect(panel).to_contain_text("Click a point")
    back = button(view, "No tokens in view: reset")
    press(page, *["+"] * 4, *["ArrowLeft"] * 60)
    use(view, back)
    expect(back).to_be_hidden()
    expect(plane).to_be_focused()
    use(view, button(view, "Analogy"))
    write(view, view.get_by_label("Analogy: token a"), "one")
    for text in ("two", "three"):
        press(page, "Tab", "Control+A")
        page.keyboard.type(text)
    press(page, "Enter")
    expect(view.locator("caption")).to_have_text(re.compile("^one is to ·?two as ·?three is to$"))
    use(view, view.locator(".llm-answers button").first)
    expect(button(view, "Neighbours")).to_be_focused()


def stepper(bench, view):
    """Go through the stages and arrows, move an arrow to the edge and back, and change the query and the mask."""
    page, stages = bench.page, view.get_by_role("group", name="Stage", exact=True)
    use(view, view.locator(".llm-holder"), "Home")
    use(view, stages.get_by_role("button", name="1 q·k"), "ArrowRight")
    expect(stages.get_by_role("button", name="2 scale")).to_be_focused()
    press(page, "ArrowLeft")
    go(view, reachable(view, "slider"))
    until(view, "PageDown", view.get_by_role("slider", name="query of"))
    press(page, "PageDown")
    key = view.get_by_role("slider", name="key of").first
    expect(key).to_be_focused()
    before = key.get_attribute("aria-valuetext")
    press(page, *["Shift+ArrowRight"] * 12)
    expect(key).not_to_have_attribute("aria-valuetext", before)
    inside = """tip => { const a = tip.getBoundingClientRect(), b = tip.ownerSVGElement.getBoundingClientRect();
      return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom; }"""
    assert key.evaluate(inside), "the whole tip of a moved arrow stays inside the drawing"
    use(view, button(view, "Undo all moves"))
    expect(key).to_have_attribute("aria-valuetext", before)
    use(view, view.locator(".llm-holder"), "End")
    expect(view.get_by_role("columnheader")).to_have_text(["key of", "softmax", "v", "weight · v"])
    expect(view.locator(".llm-summed")).to_have_count(1)
    value, output = view.get_by_role("slider", name="value of").last, view.locator(".llm-output td")
    before = output.text_content()
    use(view, value, "Shift+ArrowRight")
    expect(output).not_to_have_text(before)
    expect(value).to_be_focused()
    use(view, button(view, "Undo all moves"))
    use(view, view.get_by_label("Query", exact=True), "Home")
    bench.expect("stepper.query", "0")
    use(view, view.get_by_label("Causal mask"), "Space")
    bench.expect("stepper.masked", "False")
    press(page, "Space")


def rotary(bench, view):
    use(view, view.get_by_label("Position of the query"), "Home", *["ArrowRight"] * 3)
    bench.expect("(rotary.query_position, rotary.key_position)", "(3, 0)")  # the key has moved with the query
    expect(view.locator(".llm-sum")).to_contain_text("Distance 3")
    use(view, view.get_by_label("Move both together"), "ArrowRight")
    bench.expect("(rotary.query_position, rotary.key_position)", "(4, 1)")
    use(view, view.get_by_label("Position of the key"), "End")
    bench.expect("rotary.key_position == rotary.query_position == rotary.max_position", "True")
    menu = view.locator("summary", has_text="Save")
    use(view, menu)
    expect(button(view, "PNG")).to_be_visible()
    press(bench.page, "Enter")
    expect(button(view, "PNG")).to_be_hidden()


# --- thresholds and long contexts ---------------------------------------------------------------------------------


def threshold(bench, view):
    use(view, view.get_by_role("radiogroup", name="Which score").get_by_role("radio", checked=True), "ArrowRight")
    if bench.python("gate.place['score']") == "1":
        press(bench.page, "ArrowRight")
    use(view, view.get_by_label("Threshold", exact=True), "Home", *["ArrowRight"] * 3)
    bench.expect("(gate.score, gate.threshold)", "('confidence', 0.015)")
    expect(view.locator(".llm-headline")).to_contain_text("confidence ≥ 0.015 lets 59 of 60 through")
    chosen = view.locator(".llm-tile input:checked")
    use(view, chosen, "ArrowDown", "ArrowUp", "ArrowUp")
    bench.expect("gate.place['group']", repr(chosen.get_attribute("value")))
    use(view, view.get_by_label("Answers near the threshold"), "PageDown")


def long_context(bench, view):
    use(view, view.get_by_label("Position to read"), "Home", "ArrowRight")
    expect(view.locator(".llm-means thead th").last).to_have_text("positions 5 to 8")
    use(view, view.get_by_label("Show as trained"), "Space", "Space")
    bench.expect("far.place['hidden']", "[]")
    grid = view.get_by_role("grid").last
    use(view, grid.locator("td[tabindex='0']"), "Home", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowDown")
    bench.expect("far.place['cell']", "[1, 1]")
    expect(grid.locator("td.llm-chosen")).to_be_focused()


def scaling(bench, view):
    pick(view, "Use the figures of", "1")
    bench.expect("(scaling.place['parameters'], scaling.place['tokens'])", "(175000000000, 300000000000)")
    expect(view.locator(".llm-panel").first).to_contain_text("3.2 · 10²³ FLOPs")
    use(view, view.get_by_label("Parameters", exact=True), *["ArrowLeft"] * 2)
    bench.expect("scaling.place['parameters']", "166000000000")
    choose(view, "Law", "Kaplan 2020")
    expect(view.get_by_text("Choose another law")).to_be_visible()
    choose(view, "Law", "Hoffmann 2022")
    write(view, view.get_by_label("Answers over its lifetime, as a number"), "100 billion")
    expect(view.locator(".llm-cheapest")).to_contain_text("100B answers")
    use(view, button(view, "Use the cheapest model"))
    expect(view.locator(".llm-cheapest")).to_contain_text("just as much")
    use(view, view.get_by_label("Utilisation"), "End")
    bench.expect("scaling.place['utilisation']", "1")
    figures, model = view.get_by_text("All figures, and where they come from"), view.get_by_text("GPT-3", exact=True)
    seen = model.last.is_visible()
    for now in (not seen, seen):
        use(view, figures)
        expect(model.last).to_be_visible(visible=now)


# --- questions ----------------------------------------------------------------------------------------------------


def questions(bench, view):
    """Open the second choice of the first question, then the first choice: only the choice opened first counts."""
    choices = view.locator(".llm-question").first.locator("details")
    for number, key in ((1, "Enter"), (0, "Space")):
        use(view, choices.nth(number).locator("summary"), key)
        expect(choices.nth(number).locator("p")).to_be_visible()
        expect(choices.nth(number).locator("summary")).to_be_focused()
    bench.expect("asked.opened[-2:]", "[[0, 1], [0, 0]]")
    assert bench.python("[one for one in reported_choices if one['question'] == 0]") == "[{'question': 0, 'choice': 1}]"
    expect(choices.nth(1)).to_have_class(re.compile("llm-first"))
    press(bench.page, "Enter")
    expect(choices.first.locator("p")).to_be_hidden()
    expect(view.locator(".llm-score")).to_contain_text("of 3 answered")
