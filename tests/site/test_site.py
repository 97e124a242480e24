"""The web edition, built from two small lessons, has no broken links and works in a browser."""

import doctest
import importlib
import shutil

import nbformat
import pytest
from bs4 import BeautifulSoup
from edition import SiteError
from edition.building import _replace, build
from edition.checking import faults_of_files
from edition.lessons import Lesson
from edition.looking import FIRST_PAGE, Reader, served
from edition.reference import arguments_of, class_of, faces_of, modules, prose
from edition.views import PAGE, SHOWN, UNSAVED, collected
from playwright.sync_api import expect

slow = pytest.mark.slow


@slow
def test_the_files_of_a_site_have_no_faults(site):
    assert faults_of_files(site) == []
    described = BeautifulSoup((site / "lessons" / "01_one.html").read_text(encoding="utf-8"), "html.parser")
    assert described.find("meta", attrs={"name": "description"})["content"] == "You see a view."


WRONG = {
    '<a href="nowhere.html">x</a>': "nowhere.html does not exist",
    '<a href="#nowhere">x</a>': "#nowhere: the page has no such anchor",
    '<a href="/index.html">x</a>': "/index.html works only at the root of a host",
    '<script src="https://example.org/x.js"></script>': "the page loads https://example.org/x.js from another host",
    '<img src="//example.org/x.png" alt="A picture of nothing in particular.">': (
        "the page loads //example.org/x.png from another host"
    ),
    '<img src="x.png" alt="short">': "a picture without a sufficient description: x.png",
    '<figure data-page="index.html"></figure>': "index.html is not the page of a view",
    "<h1>Another</h1>": "2 top-level headings instead of one",
    '<meta name="description" content="Another.">': "no description, or more than one",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_fault_in_a_file_is_found(tmp_path, wrong):
    head = '<html lang="en"><title>A page</title><meta name="description" content="It is short."><h1>A page</h1>'
    (tmp_path / "x.png").touch()
    for words, faults in ((head, []), (head + wrong, [f"index.html: {WRONG[wrong]}"])):
        (tmp_path / "index.html").write_text(words)
        assert faults_of_files(tmp_path) == faults


@slow
def test_a_lesson_becomes_a_page(site):
    one = BeautifulSoup((site / "lessons" / "01_one.html").read_text(encoding="utf-8"), "html.parser")
    article = one.find("article")
    assert len(article.find_all("math")) == 2
    assert article.find("a", string="Two")["href"] == article.find("a", string="Go on")["href"] == "02_two.html"
    assert article.find("a", string=["Three", "far"]) is None  # lesson 3 is not on this site
    assert article.find("a", href="https://example.org/paper")
    assert "base64" not in str(article)
    assert "SystemExit" not in article.get_text()  # from the cell that is not run
    assert "Run this cell" not in article.get_text()
    (figure,) = article.find_all("figure", class_="live-view")
    assert "llm-standalone" in (site / "lessons" / figure["data-page"]).read_text(encoding="utf-8")
    assert one.find("link", rel="next")["href"] == "02_two.html"
    two = BeautifulSoup((site / "lessons" / "02_two.html").read_text(encoding="utf-8"), "html.parser")
    (folded,) = two.find_all("details", class_="side-path")
    assert folded.find("h4").get_text().startswith("Deep inside")
    assert "The end" not in folded.get_text()
    assert len(two.find_all("details", class_="hint")) == 3
    assert "def causal_mask" in two.find("details", class_="solution").get_text()
    recipes = (site / "cookbook.html").read_text(encoding="utf-8")
    assert "from llmlib import attention_view" in BeautifulSoup(recipes, "html.parser").get_text()


@slow
def test_the_old_site_survives_a_build_that_fails(site, two_lessons, tmp_path):
    target = tmp_path / "site"
    (target / "_static").mkdir(parents=True)
    (target / "_static" / "site.js").touch()
    (target / "index.html").write_text("the old one")
    broken = nbformat.read(two_lessons[1], as_version=4)
    broken.cells.append(nbformat.v4.new_markdown_cell("[nowhere](nowhere.md)"))
    nbformat.write(broken, tmp_path / "broken.ipynb")
    with pytest.raises(SiteError, match=r"so the old site is unchanged(.|\n)*nowhere"):
        build(target, [tmp_path / "broken.ipynb"], views="no", whole=False)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["site"]
    assert (target / "index.html").read_text() == "the old one"


def test_a_folder_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(SiteError, match="is not a site, and building the site would replace it"):
        build(tmp_path, [], whole=False)
    assert (tmp_path / "letters.txt").read_text() == "mine"


def test_the_old_site_survives_if_the_new_one_cannot_be_moved_into_place(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "site" / "index.html").write_text("the old one")
    with pytest.raises(FileNotFoundError):
        _replace(tmp_path / "site", tmp_path / "work" / "made")  # this does not exist
    assert (tmp_path / "site" / "index.html").read_text() == "the old one"


@pytest.mark.slow
def test_the_error_for_a_lesson_without_stored_outputs_gives_the_command_to_run(two_lessons, tmp_path):
    notebook = nbformat.read(two_lessons[0], as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, tmp_path / "01_bare.ipynb")
    with pytest.raises(SiteError, match=r"3 of 3 cells have not been run.*python notebooks/execute.py .*01_bare"):
        build(tmp_path / "site", [tmp_path / "01_bare.ipynb"], whole=False)
    with pytest.raises(SiteError, match=r"There is no lesson 09_gone\.ipynb"):
        Lesson(tmp_path / "09_gone.ipynb").check()
    assert not (tmp_path / "site").exists()


def shown(number, **more):
    return nbformat.v4.new_output("display_data", data={SHOWN: number, **more})


def test_pages_of_views_are_assigned_to_their_cells():
    """The first cell shows two views, the second nothing; the third completes the first view."""
    outputs = [
        [shown("0"), shown("1"), shown("0", **{PAGE: "begun"}), shown("1", **{PAGE: "other"})],
        [],
        [shown("0", **{PAGE: "finished"})],
    ]
    cells = [nbformat.v4.new_code_cell("", outputs=some) for some in outputs]
    assert collected(cells, "a") == {0: ["finished", "other"]}


def test_the_error_names_a_view_that_cannot_be_saved_and_says_what_to_do():
    cells = [nbformat.v4.new_code_cell("", outputs=[shown("0", **{UNSAVED: "OddView: TypeError: no"})])]
    with pytest.raises(SiteError, match=r"03\.ipynb, cell 0: .*OddView: TypeError: no.*VIEWS=no"):
        collected(cells, "03.ipynb")


def test_the_reference_shows_examples_and_signatures_as_they_are_written():
    found_modules = {one.name: one for one in modules("__init__.py", "attention.py", "training/*.py", "sampling/*.py")}
    faces = faces_of(list(found_modules.values()))
    assert faces["llmlib.train"] == faces["llmlib.training.train"] == "llmlib.training.loop.train"
    assert "llmlib.attention.RMSNorm" not in faces  # attention imports it only for its own use
    attention = found_modules["llmlib.attention"]
    mask = next(node for node in attention.public if node.name == "causal_mask")
    assert arguments_of(mask, attention, skip_first=False).startswith(
        "n_query: int, n_key: int, window: int | None=None"
    )
    sampler = found_modules["llmlib.sampling.sampler"]
    described = class_of(next(node for node in sampler.public if node.name == "Sampler"), sampler, {})
    assert described.startswith("``````{py:class} Sampler(temperature: Numbers = 1.0, ")
    assert described.count(">>>") == 2
    assert prose("Use `train`, not a*b or [x].\n\n>>> 1\n1\n\n>>> 2\n2", faces, "llmlib.chat") == (
        "Use {py:obj}`train <llmlib.training.loop.train>`, not a\\*b or \\[x\\].\n\n```pycon\n>>> 1\n1\n\n>>> 2\n2\n```"
    )


@pytest.mark.parametrize("name", ["lessons", "pages"])
def test_the_examples_in_docstrings_pass(name):
    pytest.importorskip("docutils")
    results = doctest.testmod(importlib.import_module(f"edition.{name}"))
    assert results.attempted > 0
    assert results.failed == 0


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture
def reader(page, address):
    """A reader that opens pages of the site; at the end, it must have no complaints from the console or the network."""
    reader = Reader(page, address)
    yield reader
    assert reader.complaints == []


@pytest.mark.parametrize("name", ["index.html", "lessons/01_one.html", "lessons/02_two.html", "search.html?q=view"])
@pytest.mark.browser
@slow
def test_a_page_has_no_faults(reader, name):
    assert [*reader.faults(name)] == []


@pytest.mark.browser
@slow
def test_the_weight_of_a_page_includes_everything_it_loads(reader, site):
    reader.open("index.html")
    least = sum((site / name).stat().st_size for name in ("index.html", "_static/site.css", "_static/theme.js"))
    assert least < reader.weight < FIRST_PAGE


@pytest.mark.browser
@slow
def test_faults_of_a_page_are_found(page, site, tmp_path):
    lesson = (site / "lessons" / "01_one.html").read_text(encoding="utf-8")
    spoilt = """<h6>x</h6><p style="color: #bbb; width: 2000px">words</p><button style="outline: none"></button>
      <script>console.error("no"); fetch("http://127.0.0.2:9/x").catch(() => {});</script></article>"""
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site" / "lessons" / "01_one.html").write_text(lesson.replace("</article>", spoilt))
    shutil.rmtree(tmp_path / "site" / "views")
    with served(tmp_path / "site") as address:
        found = "\n".join(Reader(page, address, patience=1).faults("lessons/01_one.html"))
    for fault in (
        "on a telephone: the page is 16",
        "on a desktop: the page is 10",
        "color-contrast",
        "button-name",
        "did not come alive",
        "the page loads from another host",
        "404",
    ):
        assert fault in found, found


@pytest.mark.browser
@slow
def test_a_view_starts_in_the_theme_of_its_page_if_there_is_room(reader):
    page = reader.open("index.html")
    page.set_viewport_size({"width": 390, "height": 800})
    page.evaluate("localStorage.setItem('theme', 'dark')")  # the system's theme is light
    reader.open("lessons/01_one.html")
    view = page.locator(".live-view")
    view.scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    assert view.locator("iframe").count() == 0
    assert view.locator("img").is_visible()
    assert "On a larger screen" in view.inner_text()
    page.set_viewport_size({"width": 1000, "height": 900})
    inside = view.frame_locator("iframe").locator(".llm")
    inside.wait_for()
    page.wait_for_function("document.querySelector('.live-view').classList.contains('is-alive')")
    assert not view.locator("img").is_visible()
    expect(inside).to_have_css("background-color", "rgb(20, 24, 29)")
    page.evaluate("document.body.dataset.theme = 'light'")
    expect(inside).to_have_css("background-color", "rgb(255, 255, 255)")
    heights = inside.evaluate("node => [node.getBoundingClientRect().bottom, innerHeight]")
    assert heights[0] <= heights[1] < heights[0] + 60


@pytest.mark.browser
@slow
def test_answers_can_be_given_by_keyboard_and_are_remembered(reader):
    page = reader.open("lessons/01_one.html")
    choices = page.locator(".llm-report details")
    wrong = next(k for k in range(3) if "is-wrong" in choices.nth(k).get_attribute("class"))
    choices.nth(wrong).locator("summary").focus()
    page.keyboard.press("Enter")
    line = page.locator(".answers-line")
    page.wait_for_function("document.querySelector('.answers-line').textContent")
    assert line.inner_text() == "Not right on the first try."
    right = page.locator(".llm-report details.is-right")
    right.locator("summary").click()
    reader.open("lessons/01_one.html")
    assert line.inner_text() == "Not right on the first try."  # the second choice does not count
    assert choices.nth(wrong).get_attribute("open") is not None
    page.get_by_role("button", name="Forget these answers").press("Enter")
    assert line.inner_text() == ""
    reader.open("lessons/01_one.html")
    assert line.inner_text() == ""


@pytest.mark.browser
@slow
def test_hints_appear_one_by_one_and_a_link_opens_a_folded_side_path(reader):
    page = reader.open("lessons/02_two.html")
    hints = page.locator("details.hint")
    seen = []
    for k in range(3):
        seen.append([hint.is_visible() for hint in hints.all()])
        hints.nth(k).locator("summary").press("Enter")
    assert seen == [[True, False, False], [True, True, False], [True, True, True]]
    deep = page.locator("article").get_by_text("Deep inside")
    assert not deep.is_visible()
    page.locator(".toc-tree").get_by_text("Deep inside").evaluate("node => node.click()")
    deep.wait_for()
    page.emulate_media(media="print")
    assert not page.locator(".sidebar-drawer").is_visible()
