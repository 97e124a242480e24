"""What the tests of the table do in views of numbers: the scaling explorer, and the dials."""

from playwright.sync_api import expect

from browser.acts import ODD
from browser.bench import click


def clicks(bench, view):
    """A slider that moves quickly, other charts and laws, the cheapest model, and a click on a mark."""
    view.get_by_label("Parameters", exact=True).evaluate(
        """slider => { slider.value = 900; for (let k = 0; k < 30; k++) {
          slider.value = Number(slider.value) + 1; slider.dispatchEvent(new Event("input")); } }"""
    )
    bench.expect("scaling.place['parameters']", "2000000000")
    for words in ("loss and compute", "mine", "your runs", "all", "Besiroglu 2024", "parameters and tokens"):
        view.get_by_role("radio", name=words, exact=True).check(force=True)
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
    """What is no number is refused with words, and the number from before stays in use."""
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
