"""All views in a JupyterLab whose kernel is busy, interrupted, restarted, or gone since the notebook was saved."""

import pytest
from playwright.sync_api import expect

from browser.bench import click
from browser.views import VIEWS, cells

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RESTARTED = "The kernel was restarted: run the cell again."
SELECTORS = {row.name: row.selector for row in VIEWS}
# Views that use a typed text only when the reader says so; the other views use it as it is typed.
UNUSED = ("NextTokenView", "ChatView", "BPEStepsView", "EmbeddingsView", "ArchitectureView", "SamplingView")
every_view = pytest.mark.parametrize("row", VIEWS, ids=lambda row: row.name)


@pytest.fixture(scope="module")
def alive(bench):
    bench.open("kernels.ipynb", cells(VIEWS))
    bench.run()
    return bench


@pytest.mark.timeout(300)
def test_a_busy_kernel_is_reported_and_clicks_take_effect_later(alive):
    view = alive.page.locator(".llm-next-token")
    alive.keep_busy(8)
    click(view, "Let chance pick", 3)
    expect(view.locator(".llm-busy")).to_have_text("Python is busy with something else. This will wait its turn.")
    expect(view.locator(".llm-picked")).to_have_count(3)
    expect(view.locator(".llm-busy")).to_be_empty()
    assert alive.problems == []


@pytest.mark.timeout(300)
def test_interrupting_the_kernel_ends_an_answer(alive):
    view = alive.page.locator(".llm-chat")
    view.get_by_label("Your message").fill("one")
    click(view, "Send")
    log, said = view.get_by_role("log"), view.locator(".llm-model .llm-said")
    expect(said).not_to_be_empty()
    expect(log).to_have_attribute("aria-busy", "true")
    alive.interrupt()
    expect(log).to_have_attribute("aria-busy", "false")
    expect(said).not_to_be_empty()
    alive.expect("0 < chat.notes[-1]['tokens'] < 2000", "True")  # the answer did not end of its own accord
    alive.interrupt()  # an idle kernel ignores an interrupt, as usual
    alive.expect("1 + 1", "2")


@pytest.mark.timeout(300)
def test_the_focus_moves_on_after_Stop_and_returns_when_a_head_is_closed(alive):
    page, chat = alive.page, alive.page.locator(".llm-chat")
    chat.get_by_label("Your message").fill("two")
    page.keyboard.press("Enter")
    stop = chat.get_by_role("button", name="Stop")
    expect(stop).to_be_enabled()
    stop.focus()
    page.keyboard.press("Enter")
    expect(stop).to_be_disabled()
    expect(chat.get_by_label("Your message")).to_be_focused()
    attention = page.locator(".llm-attention")
    attention.evaluate("view => view.scrollIntoView()")  # JupyterLab draws only what is near the screen
    attention.get_by_label("Layer 0, head 1", exact=True).focus()
    page.keyboard.press("Enter")
    expect(attention.locator(".llm-heat canvas")).to_be_focused()
    page.keyboard.press("Escape")
    expect(attention.get_by_label("Layer 0, head 1", exact=True)).to_be_focused()


@pytest.fixture(scope="module")
def restarted(alive):
    """The page after a kernel restart, before which texts were typed into the views and a message got no answer."""
    for row in VIEWS:
        if row.box:
            view = alive.page.locator(row.selector)
            if row.name == "BPEStepsView":
                view.get_by_role("tab", name="Learn merges").click()
            view.get_by_label(row.box, exact=True).fill(f"typed into {row.name}")
    used = "all(view.text.startswith('typed into') for view in (attention, lens, tokens))"
    alive.expect(used, "True")  # these views use a text as it is typed
    alive.page.wait_for_timeout(1000)
    alive.keep_busy(60, uninterruptible=True)
    click(alive.page.locator(".llm-chat"), "Send")
    expect(alive.page.get_by_label("Your message")).to_have_value("")
    alive.restart()
    alive.expect("1 + 1", "2")
    return alive


@pytest.mark.timeout(300)
@every_view
def test_a_restart_is_announced_and_typed_text_is_kept(restarted, row):
    view = restarted.page.locator(row.selector)
    notice = view.locator(".llm-restarted")
    if row.works_alone:
        expect(notice).to_have_count(0)
        if row.works_alone != "Save":
            click(view, row.works_alone)
            expect(view.locator("[aria-current=step]")).to_have_text("2 scale")
    else:
        expect(notice).to_have_text(RESTARTED)
        enabled = view.locator("[data-acts]:not(:disabled, :read-only)")
        assert enabled.evaluate_all("all => all.map((one) => one.outerHTML)") == []
        typed = f"typed into {row.name}"
        if row.box and view.locator(".llm-user", has_text=typed).count() == 0:  # no answer had begun
            expect(view.get_by_label(row.box, exact=True)).to_have_value(typed)
        if row.box:
            expect(view.get_by_label(row.box, exact=True)).not_to_be_editable()
    expect(view.locator(".llm-save [data-python]").last).to_be_disabled()
    assert restarted.problems == []


def kept_drafts(bench):
    """Return the drafts of this notebook; the page may also keep drafts of a notebook that it showed before."""
    kept = bench.page.evaluate("() => Object.keys(sessionStorage)")
    return [key for key in kept if key.startswith("llm-draft") and "kernels.ipynb" in key]


@pytest.mark.timeout(300)
def test_running_the_cells_again_brings_back_views_and_typed_texts(restarted):
    view = restarted.page.locator(".llm-next-token")
    expect(view.get_by_text("What you typed will be in the new view.")).to_be_visible()
    boxes = {row.name: row.box for row in VIEWS}
    box_of = lambda name: restarted.page.locator(SELECTORS[name]).get_by_label(boxes[name], exact=True)  # noqa: E731
    typed = {name: box_of(name) for name in UNUSED}
    unused = {name: box.input_value() for name, box in typed.items()}
    if not unused["ChatView"]:  # an answer to the message had begun
        del unused["ChatView"]
    assert unused == {name: f"typed into {name}" for name in unused}
    assert kept_drafts(restarted)
    restarted.run()
    expect(restarted.page.locator(".llm-restarted")).to_have_count(0)
    for name, text in unused.items():
        expect(typed[name]).to_have_value(text)
        expect(restarted.page.locator(SELECTORS[name]).locator(".llm-state")).to_contain_text("is back.")
    assert kept_drafts(restarted) == []
    expect(restarted.page.locator(".llm-chat .llm-user")).to_have_count(0)
    click(view, "Let chance pick", 2)
    expect(view.locator(".llm-picked")).to_have_count(2)


@pytest.mark.timeout(300)
def test_views_still_work_after_the_page_is_reloaded(restarted):
    restarted.run()
    restarted.save()
    restarted.load()
    view = restarted.page.locator(".llm-next-token")
    click(view, "Let chance pick", 2)
    expect(view.locator(".llm-picked")).to_have_count(2)
    # JupyterLab logs this when it draws a view before the kernel has sent its models; then it draws the view again.
    assert [problem for problem in restarted.problems if "widget model not found" not in problem] == []


@pytest.mark.timeout(300)
def test_a_message_that_is_being_edited_survives_a_restart(alive):
    chat = alive.page.locator(".llm-chat")
    chat.evaluate("view => view.scrollIntoView()")
    chat.get_by_label("Your message").fill("three")
    click(chat, "Send")
    expect(chat.get_by_role("button", name="Stop")).to_be_enabled()  # until then, there are only earlier messages
    click(chat, "Stop")
    expect(chat.get_by_role("button", name="Edit this message").last).to_be_enabled()
    click(chat, "Edit this message")
    chat.get_by_label("Changed message").fill("four")
    alive.restart()
    expect(chat.get_by_label("Your message")).to_have_value("four")
    alive.run()
    expect(alive.page.locator(".llm-restarted")).to_have_count(0)
    expect(chat.get_by_label("Your message")).to_have_value("four")


@pytest.fixture(scope="module", params=["trusted", "from elsewhere"])
def opened_again(alive, request):
    """The notebook, saved with its views and reopened with a new kernel: trusted, or untrusted as somebody else's."""
    if request.param == "trusted":
        alive.run()
        for row in VIEWS:  # a view that the page has not drawn yet is not saved
            alive.shown(row.selector)
        alive.save()
    content = alive.stored("kernels.ipynb")
    alive.page.goto("about:blank")
    alive.end_kernels()
    if request.param != "trusted":
        content["cells"].append({**content["cells"][0], "source": "1 + 1", "outputs": [], "id": "other"})
        alive.store("elsewhere.ipynb", content)
        alive.open("elsewhere.ipynb")
        return alive, False
    alive.open("kernels.ipynb")
    return alive, True


@pytest.mark.timeout(300)
@every_view
def test_a_saved_notebook_shows_a_picture_of_the_view(opened_again, row):
    bench, trusted = opened_again
    output = (
        bench.page.locator(".jp-Cell", has_text=row.source.split(" = ")[1][:30]).locator(".jp-OutputArea-output").last
    )
    expect(output.locator("img")).to_be_visible()
    assert output.locator("img").evaluate("image => image.complete && image.naturalWidth > 100")
    expect(output).not_to_contain_text("Error")
    if trusted:
        expect(output).to_contain_text("Run the cell again to use the view")
