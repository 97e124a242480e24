"""Functions for the table in views.py: they use views of scaling, dials, thresholds and long contexts."""

from playwright.sync_api import expect

from browser.acts import ODD
from browser.bench import choose_radio, click


def clicks(bench, view):
    """Move a slider quickly, choose other charts and laws, use the cheapest model, and click a mark."""
    view.get_by_label("Parameters", exact=True).evaluate(
        """slider => { slider.value = 900; for (let k = 0; k < 30; k++) {
          slider.value = Number(slider.value) + 1; slider.dispatchEvent(new Event("input")); } }"""
    )
    bench.expect("scaling.place['parameters']", "2000000000")
    for words in ("loss and compute", "mine", "your runs", "all", "Besiroglu 2024", "parameters and tokens"):
        choose_radio(view.get_by_role("radio", name=words, exact=True))
    bench.expect("(scaling.place['law'], scaling.place['chart'], scaling.place['window'])", "(2, 'plane', 'all')")
    box = view.get_by_label("Answers over its lifetime, as a number")
    box.fill("1 billion")
    click(view, "Use the cheapest model")
    expect(view.locator(".llm-cheapest")).to_contain_text("just as much")
    llama = view.locator(".llm-main path", has=bench.page.locator("title", has_text="Llama 3 405B")).bounding_box()
    bench.page.mouse.click(llama["x"] + llama["width"] / 2, llama["y"] + llama["height"] / 2)
    expect(view.get_by_label("Use the figures of")).to_have_value("5")
    bench.expect("scaling.place['tokens'] == 15.6e12", "True")


def tables(bench, view):
    view.locator("details:not(.llm-save)").evaluate("node => { node.open = true; }")


def odd(bench, view):
    """Input that is not a valid number is refused with a message, and the previous number stays in use."""
    box = view.get_by_label("Tokens, as a number")
    box.fill("1.4T")
    bench.expect("scaling.place['tokens']", "1400000000000")
    for text in (ODD, "-3", "0", "1e99", ""):
        box.fill(text)
        expect(box).to_have_attribute("aria-invalid", "true")
        expect(view.locator(".llm-refused:not(:empty)")).to_contain_text("In use: 1.4T")
    view.get_by_label("How many").fill("0")
    expect(view.get_by_label("How many")).to_have_attribute("aria-invalid", "true")
    expect(box).to_have_value("1.4T")
    view.get_by_label("How many").fill("2000")
    bench.expect("(scaling.place['tokens'], scaling.place['count'])", "(1400000000000, 2000)")


def rotary_clicks(bench, view):
    view.get_by_label("Position of the query").evaluate(
        """slider => { slider.value = 20; for (let k = 0; k < 30; k++) {
          slider.value = Number(slider.value) + 1; slider.dispatchEvent(new Event("input")); } }"""
    )
    expect(view.locator("output").first).to_have_text("position 50")
    bench.expect("rotary.query_position", "50")


# --- thresholds and long contexts ---------------------------------------------------------------------------------


def step_right(slider, times):
    """Move a slider to its left end, and then `times` steps to the right, without any pause."""
    slider.evaluate(
        """(slider, times) => { slider.value = 0; for (let k = 0; k < times; k++) {
          slider.value = Number(slider.value) + 1; slider.dispatchEvent(new Event("input")); } }""",
        times,
    )


def threshold_score(view, number):
    choose_radio(view.get_by_role("radiogroup", name="Which score").get_by_role("radio").nth(number))


def threshold_other(bench, view):
    threshold_score(view, 1)


def threshold_texts(bench, view, group, start):
    """Move the threshold to step `start`, choose a group of answers, and return the texts listed for it."""
    threshold_score(view, 0)
    step_right(view.get_by_label("Threshold", exact=True), start)
    choose_radio(view.locator(f"input[value={group}]"))
    expect(view.locator(f".llm-tile[data-group={group}] .llm-count")).not_to_have_text("0")
    return view.locator(".llm-listing li")


def threshold_clicks(bench, view):
    threshold_score(view, 0)
    step_right(view.get_by_label("Threshold", exact=True), 80)
    bench.expect("(gate.threshold, gate.let_through.sum().item())", "(0.4, 36)")
    expect(view.locator(".llm-headline")).to_contain_text("confidence ≥ 0.4 lets 36 of 60 through")
    for group in ("lost_wrong", "lost_right"):
        choose_radio(view.locator(f"input[value={group}]"))
    expect(view.locator(".llm-texts-near .llm-title")).to_contain_text("right, lost: 16")
    threshold_score(view, 1)  # the other score lets the same number through
    bench.expect("(gate.score == odd, gate.let_through.sum().item())", "(True, 36)")


def threshold_odd(bench, view):
    expect(threshold_texts(bench, view, "kept_right", 1).filter(has_text=ODD).first).to_be_attached()
    expect(view.get_by_role("radiogroup", name="Which score")).to_contain_text(ODD[:30])


def threshold_empty(bench, view):
    expect(threshold_texts(bench, view, "kept_right", 1).filter(has_text="(empty)").first).to_be_attached()


def threshold_long(bench, view):
    expect(threshold_texts(bench, view, "lost_right", 199).filter(has_text="one t…")).not_to_have_count(0)


def long_context_clicks(bench, view):
    step_right(view.get_by_label("Position to read"), 20)
    bench.expect("far.place['position'] in (21, 84, 200)", "True")  # depends on how many positions are averaged
    missing = view.get_by_role("button", name="Measure the missing cells")
    if missing.is_visible():
        missing.dblclick()
    expect(view.locator("td", has_text="·")).to_have_count(0)
    expect(missing).to_be_hidden()
    first = view.get_by_role("grid").first
    for cell in first.get_by_role("gridcell").filter(has_text="%").all():
        cell.click()
    bench.expect("far.place['cell']", "[1, 1]")
    bench.python("far.put('as trained', 128, 1, 0) or far.put(odd, 128, 1, 1)")
    reading = view.locator(".llm-reading")
    expect(reading).to_contain_text("128 tokens (2 × the trained length), needle 100% in: as trained 0 of 1 found")
    expect(reading).to_contain_text("1 of 1 found.")
    expect(first.get_by_role("gridcell").last).to_be_focused()  # still focused after the other grid has changed


def long_context_odd(bench, view):
    expect(view.locator(".llm-means")).to_contain_text(ODD[:30])
    expect(view.locator(".llm-needles figcaption").last).to_contain_text(ODD[:30])
