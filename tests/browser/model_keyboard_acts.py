"""What the tests of the table do with the keyboard alone in views of models, and that it worked."""

import re

from playwright.sync_api import expect

from browser.keys import button, choose, go, pick, press, reachable, use, write
from browser.training_acts import STATE, STEP

TEXT = "one two three four one two three four"


def attention(bench, view):
    page, board = bench.page, view.get_by_label("Ablation board")

    def focused(name):
        expect(view.get_by_label(name, exact=True)).to_be_focused()

    if button(view, "All heads").count():
        use(view, button(view, "All heads"))
    write(view, view.get_by_label("Text", exact=True), TEXT)
    expect(view).to_have_attribute("data-tokens", bench.python(f"len(tokenizer.encode({TEXT!r}))"))
    here = view.locator(".llm-thumb[tabindex='0']")  # one stop for all heads
    use(view, here, "Home")
    focused("Layer 0, head 0")
    press(page, "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowRight")
    focused("Layer 0, head 1")
    expect(view.get_by_label("The head pointed at")).to_contain_text("Layer 0, head 1")
    press(page, "End")
    focused("Layer 1, head 3")
    press(page, "Home", "ArrowRight", "Space")
    focused("Layer 0, head 1, switched off")
    expect(board).to_contain_text("1 of 8 heads off")
    expect(view.locator("[aria-live=polite]").last).to_have_text("Layer 0, head 1, switched off")
    expect(view.get_by_text("side by side")).to_be_visible()
    focused("Layer 0, head 1, switched off")  # also once Python has answered
    press(page, "Space")
    expect(board).to_contain_text("all heads on")
    expect(view.locator(".llm-predictions")).to_have_attribute("aria-busy", "false")
    pick(view, "Order", "entropy")
    expect(view.get_by_label("Order")).to_be_focused()
    use(view, here, "Home", "ArrowDown", "ArrowRight")
    expect(view.locator(".llm-thumb:focus")).to_have_attribute("aria-label", re.compile("entropy"))
    opened = re.match(r"Layer \d+, head \d", view.locator(".llm-thumb:focus").get_attribute("aria-label"))[0]
    press(page, "Enter")
    expect(view.get_by_label("Where you are")).to_contain_text(opened)
    expect(view.locator(".llm-heat canvas")).to_be_focused()
    press(page, "ArrowUp", "+", "+", "ArrowUp")
    expect(view.locator(".llm-zoomed")).to_contain_text("Zoomed in: queries")
    press(page, "0")
    expect(view.locator(".llm-zoomed")).to_be_empty()
    press(page, "Enter", "Escape", "Tab")
    expect(view.locator(".llm-strip [role=option]").first).to_be_focused()
    press(page, "End", "Enter")
    expect(view.locator(".llm-strip [aria-selected=true]")).to_have_count(1)
    use(view, button(view, "Next head"))
    expect(view.get_by_label("Where you are")).not_to_contain_text(opened)
    choose(view, "What is drawn", "all heads of the layer")
    one_head = view.locator(".llm-one-head[tabindex='0']")  # one stop for all of them
    use(view, one_head, "ArrowRight", "Space")
    expect(view.get_by_role("button", name="Head 1")).to_have_attribute("aria-pressed", "false")
    use(view, button(view, "Show all"))
    choose(view, "What is drawn", "one head")
    use(view, reachable(view, "option"), "Escape", "Escape")
    expect(view.locator(".llm-thumb:focus")).to_have_count(1)
    pick(view, "Order", "layer")


def architecture(bench, view):
    page = bench.page
    write(view, view.get_by_label("Your text"), "one two")
    press(page, "Enter")
    bench.expect("architecture.text", "'one two'")
    queries, values = button(view, "Queries"), view.locator("canvas.llm-values")
    use(view, queries)
    expect(queries).to_be_focused()
    bench.expect("architecture.opened.get('box')", "'query'")
    use(view, values, "ArrowRight", "ArrowRight")
    expect(view.locator(".llm-at-boxes .llm-reading")).to_contain_text(" 1: ")
    use(view, view.get_by_label("Where you are").get_by_role("button", name="Model"))
    expect(view.locator(".llm-detail h4").first).to_have_text("Model")
    exactly = view.get_by_label("layers, exactly", exact=True)
    write(view, exactly, "3")
    bench.expect("architecture.sizes['n_layers']", "3")
    use(view, view.get_by_label("layers", exact=True), "PageUp")
    expect(exactly).not_to_have_value("3")
    choose(view, "Model", "Llama-3-8B")
    expect(view.locator("h3")).to_have_text("Llama-3-8B")
    choose(view, "Model", "Your model")
    choose(view, "What to look at", "Follow one token")
    use(view, view.locator(".llm-board canvas"), "ArrowLeft")
    bench.expect("architecture.place['token'] == len(architecture.tokens) - 2", "True")
    choose(view, "What to look at", "Guided tour")
    use(view, button(view, "Next ›"), "Enter", "ArrowRight", "End")
    expect(view.locator("[aria-current=step]")).to_contain_text("Next token")
    choose(view, "What to look at", "Boxes")
    expect(values).to_be_hidden()  # of the whole model there are none


def lens(bench, view):
    write(view, view.get_by_label("Text", exact=True), TEXT)
    expect(view).to_have_attribute("data-tokens", bench.python(f"len(tokenizer.encode({TEXT!r}))"))
    grid = view.get_by_role("application").first
    use(view, grid, "ArrowUp", "ArrowUp", "ArrowLeft", "Enter")
    expect(view.locator(".llm-who")).to_contain_text("parts together")
    expect(grid).to_be_focused()
    press(bench.page, "Escape")
    bench.expect("'layer' in lens.place", "False")
    choose(view, "What the cells show", "entropy")
    bench.expect("lens.place['measure']", "'entropy'")
    candidate = view.locator(".llm-place li button").first
    use(view, candidate)
    expect(candidate).to_have_attribute("aria-pressed", "true")
    expect(candidate).to_be_focused()
    use(view, button(view, "Unpin"))
    bench.expect("lens.pinned", "{}")


def training(bench, view):
    go(view, view.get_by_role("button", name=re.compile("^(Start|Resume)$")))
    before = int(bench.python(STEP))
    press(bench.page, "Enter")
    bench.expect(f"{STEP} > {before + 10}", "True")
    expect(button(view, "Pause")).to_be_focused()  # the same button, with another word
    press(bench.page, "Enter")
    bench.expect(STATE, "'paused'")
    bench.expect("any(one.busy for one in training._tracked)", "False")
    expect(view).to_have_attribute("data-steps", bench.python(STEP))
    tip = view.locator(".llm-large .llm-tip")
    use(view, view.get_by_role("application", name="Curves"), "End", "ArrowLeft")
    expect(tip).to_contain_text("step")
    press(bench.page, "+")
    bench.expect("training.place['zoom'] is not None", "True")
    press(bench.page, "0")
    bench.expect("training.place['zoom']", "None")
    press(bench.page, "Escape")
    expect(tip).to_be_hidden()
    use(view, view.get_by_label("Smoothing"), "Home")
    bench.expect("training.place['smooth']", "0")
    use(view, view.get_by_role("application", name="Parts of the model"), "ArrowDown", "Home")
    bench.expect("training.place['group']", "0")
    expect(view.locator(".llm-reading")).to_contain_text("embedding, step 1: median")
    choose(view, "What to show of the inside", "gradients")
    bench.expect("training.place['kind']", "'gradients'")
    use(view, view.get_by_label("Which sample: back through time"), "Home")
    bench.expect("training.place['sample']", "5")
    use(view, button(view, "Newest"))
    bench.expect("training.place['sample']", "None")
    choose(view, "Scale of loss and gradient norm", "log scale")
    bench.expect("training.place['log']", "True")
    choose(view, "Scale of loss and gradient norm", "linear scale")


def sampling(bench, view):
    page, written = bench.page, view.locator(".llm-text").first.locator(".llm-token")
    tabs, here = "What to look at", view.locator("[role=treeitem][aria-selected=true]")
    choose(view, tabs, "Next token")
    write(view, view.get_by_label("Your prompt"), "one three")
    press(page, "Enter")
    bench.expect("lab.prompt", "'one three'")
    use(view, button(view, "Let chance pick"), "Enter", "Enter")
    expect(written).to_have_count(2)
    use(view, button(view, "Back"), "Enter", "Enter")
    expect(written).to_have_count(0)
    likeliest = view.locator(".llm-next li button").first
    use(view, likeliest, "Enter", "Enter")
    expect(written).to_have_count(2)
    expect(likeliest).to_be_focused()
    choose(view, tabs, "200 draws")
    use(view, button(view, "Draw 200"))
    bench.expect("lab.draws['n']", "200")
    choose(view, tabs, "Branches")
    use(view, here, "ArrowLeft", "Enter")
    bench.expect("len(lab.written())", "1")
    expect(here).to_be_focused()
    choose(view, tabs, "Side by side")
    before = int(bench.python("len(lab.lanes[0]['ids'])"))
    use(view, button(view, "Write with all"))
    bench.expect(f"len(lab.lanes[0]['ids']) > {before + 3}", "True")
    press(page, "Enter")
    expect(button(view, "Write with all")).to_be_focused()
    use(view, view.get_by_label("temperature", exact=True), "Home", "ArrowRight", "ArrowRight")
    bench.expect("lab.settings['temperature']", "0.1")
    press(page, "Tab")
    expect(view.get_by_label("temperature, exactly")).to_be_focused()
    use(view, button(view, "Reset all"))
    bench.expect("lab.settings.get('temperature', 1) == 1", "True")
    choose(view, tabs, "Next token")
