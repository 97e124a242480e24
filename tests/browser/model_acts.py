"""Functions for the table in views.py: they use the logit lens and the architecture view, and check the results."""

from playwright.sync_api import expect

from browser.acts import LONG, ODD
from browser.bench import click


def write(bench, view, text):
    """Type a text, and wait until the model has read it."""
    view.get_by_label("Text", exact=True).fill(text)
    expect(view).to_have_attribute("data-tokens", bench.python(f"len(tokenizer.encode({text!r}))"))


def grid(view):
    return view.get_by_role("application").first


# --- logit lens ---------------------------------------------------------------------------------------------------


def lens_clicks(bench, view):
    write(bench, view, "one two three")
    pins = "node => { for (let k = 0; k < 9; k++) node.querySelectorAll('.llm-place li button')[k % 4].click(); }"
    view.evaluate(pins)  # the last click is on the first button
    expect(view.locator(".llm-place li button").first).to_have_attribute("aria-pressed", "true")
    bench.expect("lens.pinned['id'] == int(lens.cells().top[-1, -1, 0])", "True")
    expect(view.get_by_role("button", name="Unpin")).to_be_visible()
    view.evaluate("node => [...node.querySelectorAll('button')].find((b) => b.textContent.startsWith('Unpin')).click()")
    bench.expect("lens.pinned", "{}")
    grid(view).focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "Enter"):  # the keys start at the last word
        bench.page.keyboard.press(key)
    expect(view.locator(".llm-who")).to_contain_text("parts together")
    bench.expect("lens.who['position'] == lens.place['position'] == len(lens.a['tokens']) - 2", "True")
    bench.page.keyboard.press("Escape")
    bench.expect("'layer' in lens.place", "False")
    view.get_by_label("Text", exact=True).fill("")
    view.get_by_label("Text", exact=True).press_sequentially("one two three four")
    expect(view).to_have_attribute("data-tokens", bench.python("len(tokenizer.encode('one two three four'))"))


def lens_odd(bench, view):
    write(bench, view, ODD)
    view.get_by_label("Token to pin").fill("<b>")
    click(view, "Pin")
    expect(view.locator(".llm-notice")).to_contain_text("“<b>” is several tokens")
    expect(view.get_by_label("Token to pin")).to_have_value("<b>")
    expect(view.get_by_label("Text", exact=True)).to_have_value(ODD)


def lens_empty(bench, view):
    write(bench, view, "one two")
    view.get_by_label("Text", exact=True).fill("")
    expect(view.locator(".llm-notice")).to_contain_text("at least one token")
    expect(view).to_have_attribute("data-tokens", bench.python("len(tokenizer.encode('one two'))"))


def lens_long(bench, view):
    write(bench, view, LONG)
    expect(view.locator(".llm-map")).to_be_visible()
    view.get_by_label("Text", exact=True).fill(LONG * 5)
    expect(view.locator(".llm-notice")).to_contain_text("but the model's context holds only 2,048")
    write(bench, view, "one two three")


# --- architecture -------------------------------------------------------------------------------------------------


def read(bench, view, text):
    view.get_by_label("Your text").fill(text)
    click(view, "Read this text")
    bench.expect("len(architecture.tokens)", bench.python(f"len(tokenizer.encode({text!r}))"))


def architecture_clicks(bench, view):
    view.evaluate("node => { for (const one of node.querySelectorAll('.llm-model button')) one.click(); }")
    view.get_by_role("button", name="Queries").click()
    bench.expect("architecture.opened.get('box')", "'query'")
    expect(view.locator(".llm-values")).to_be_visible()
    expect(view.locator(".llm-caption")).to_contain_text("The token’s vector has a norm of")
    moves = """node => { const box = node.querySelector('[aria-label="layers, as a number"]');
      for (let k = 3; k <= 30; k++) { box.value = k; box.dispatchEvent(new Event("input", { bubbles: true })); } }"""
    view.evaluate(moves)
    bench.expect("architecture.sizes['n_layers'], architecture.model['tree']['boxes'][1]['repeat']", "(30, 30)")
    view.get_by_label("heads, as a number", exact=True).fill("5")
    expect(view.locator(".llm-problem")).to_contain_text("5 heads cannot share a d_model of 32")
    expect(view.get_by_label("heads, as a number", exact=True)).to_have_value("5")
    view.evaluate("node => { for (const one of node.querySelectorAll('.llm-models input')) one.click(); }")
    expect(view.locator("h3")).to_have_text("Llama-3-8B")
    view.evaluate("node => node.querySelector('.llm-models input').click()")
    expect(view.locator("h3")).to_have_text("Your model")
    view.get_by_text("Follow one token").click()
    expect(view.locator(".llm-follow svg").first).to_be_visible()
    bench.page.locator(".llm-architecture .llm-board canvas").focus()
    bench.page.keyboard.press("ArrowLeft")
    bench.expect("architecture.place['token'] == len(architecture.tokens) - 2", "True")
    view.get_by_text("Boxes", exact=True).click()


def architecture_odd(bench, view):
    read(bench, view, ODD)
    view.get_by_role("button", name="Norm").first.click()
    expect(view.get_by_label("Token", exact=True).locator("option").first).to_have_text("0: ⟨F0⟩")
    expect(view.get_by_label("Your text")).to_have_value(ODD)


def architecture_empty(bench, view):
    read(bench, view, "one two")
    view.get_by_label("Your text").fill("")
    click(view, "Read this text")
    expect(view.locator(".llm-notice")).to_contain_text("at least one token")
    bench.expect("architecture.text", "'one two'")


def architecture_long(bench, view):
    read(bench, view, LONG)
    view.get_by_role("button", name="Pattern").click()
    bench.expect("architecture.opened.get('box')", "'pattern'")
    expect(view.locator(".llm-values")).to_be_visible()
    view.get_by_label("Your text").fill(LONG * 5)
    click(view, "Read this text")
    expect(view.locator(".llm-notice")).to_contain_text("but the model's context holds only 2,048")
    read(bench, view, "one two three")


LENS = (lens_clicks, lens_odd, lens_empty, lens_long)
ARCHITECTURE = (architecture_clicks, architecture_odd, architecture_empty, architecture_long)
