"""A notebook that is open in JupyterLab, and what tests do with it."""

import json
import re
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import expect

from browser.lessons import cells_of_views
from browser.looks import STICKS_OUT, UNREADABLE, keep_picture

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"

OPEN = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext, kernel = context?.session?.kernel;
  return context?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
NO_CODE = {"source_hidden": True}  # a quarter of the time that a page takes goes on code editors, which no view needs
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # otherwise JupyterLab asks for a kernel
VIEWPORT = {"width": 1280, "height": 1000}
RUN = "async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
RUN_LAST = """async (source) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.length - 1;
  notebook.deselectAll();
  notebook.activeCell.model.sharedModel.setSource(source);
  await window.jupyterapp.commands.execute("notebook:run-cell");
}"""
IS_UP = "() => Boolean(window.jupyterapp)"
CLOSE_ALL = """() => {
  for (const widget of [...window.jupyterapp.shell.widgets("main")]) widget.dispose(); // closing asks about saving
}"""
# Opens a notebook in the running JupyterLab, and closes everything else there.
OPEN_HERE = """async (path) => {
  const { commands, shell } = window.jupyterapp, others = [...shell.widgets("main")];
  const panel = await commands.execute("docmanager:open", { path });
  for (const widget of others) widget.dispose();
  await panel.revealed;
  shell.activateById(panel.id);
}"""
# JupyterLab attaches cells that are out of sight only when it is idle, and on a busy machine it never is.
ATTACH_ALL = """async () => {
  const [{ content }] = window.jupyterapp.shell.widgets("main");
  content.notebookConfig = { ...content.notebookConfig, windowingMode: "none" };
  content.update();
  await Promise.all(content.widgets.map((cell) => cell.ready));
}"""
# Like OPEN_HERE, but without a kernel.
READ = """async (path) => {
  const { commands, shell } = window.jupyterapp, others = [...shell.widgets("main")];
  const panel = await commands.execute("docmanager:open", { path });
  panel.sessionContext.kernelPreference = { ...panel.sessionContext.kernelPreference, shouldStart: false };
  for (const widget of others) widget.dispose();
  await panel.revealed;
}"""
FORMULAS_SET = """async () => {
  const [panel] = window.jupyterapp.shell.widgets("main");
  await panel.content.rendermime.latexTypesetter?.typeset(document.createElement("p")); // the last in the queue
}"""
# Whether each cell of the only open notebook shows its content.
ALL_SHOWN = """() => {
  const [panel, ...others] = window.jupyterapp.shell.widgets("main");
  return !others.length && panel?.content.widgets?.every((cell) => cell.model.type === "markdown"
    ? cell.node.querySelector(".jp-MarkdownOutput")?.childElementCount
    : cell.node.querySelectorAll(".jp-OutputArea-output").length === cell.model.outputs.length);
}"""
# Scrolls to a view. `alone` hides the other cells, since eighteen views give a page twice as much work as one.
SHOW = """(view, alone) => {
  const own = view.closest(".jp-Cell");
  for (const cell of own.parentElement.children) cell.style.display = alone && cell !== own ? "none" : "";
  view.scrollIntoView();
}"""
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
  .flatMap((cell) => (cell.outputs ?? []).filter((output) => output.output_type === "error"))
  .map((output) => `${output.ename}: ${output.evalue}`)"""
ASK = """async (code) => {
  const kernel = window.llmSecondKernel ?? window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code: "", silent: true, user_expressions: { answer: code } });
  const { content } = await future.done, { answer } = content.user_expressions;
  return answer.data?.["text/plain"] ?? `${answer.ename}: ${answer.evalue}`;
}"""
# Opens another connection to the same kernel; requests sent over it do not wait for running cells.
CONNECT_AGAIN = """async () => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const { subshell_id } = (await kernel.requestCreateSubshell({}).done).content;
  window.llmSecondKernel = kernel.clone({ handleComms: false, subshellId: subshell_id });
}"""
BEGIN = """async (code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code });
  await new Promise((begun) => {
    future.onIOPub = ({ header }) => { if (header.msg_type === "execute_input") begun(); };
  });
}"""
DISCONNECT = "() => { window.llmSecondKernel.dispose(); delete window.llmSecondKernel; }"
CLICK = """(node, [label, times]) => {
  const button = () => [...node.querySelectorAll("button")].find((one) => (one.ariaLabel ?? one.textContent) === label);
  for (let k = 0; k < times; k++) button().click();
}"""


CLICK_EACH = """(node, labels) => {
  const buttons = [...node.querySelectorAll("button")];
  for (const label of labels) buttons.find((one) => (one.ariaLabel ?? one.textContent) === label).click();
}"""


class Bench:
    """JupyterLab with one notebook. `problems` collects errors on the page."""

    def __init__(self, page, lab):
        self.page, self.lab, self.name = page, lab, ""
        self.problems = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self.listen)

    def listen(self, message):
        """Collect logged errors: if handling a message from Python fails, Jupyter only logs the error."""
        if message.type == "error" and re.search(r"(Type|Range|Reference|Syntax)?Error:", message.text):
            self.problems.append(message.text)

    def open(self, name, sources=None, code=False):
        """Open a notebook, made from `sources` if they are given. Load JupyterLab only if it is not running yet."""
        self.name = name
        if sources is not None:
            self.put(name, sources, code)
        if self.page.evaluate(IS_UP):
            self.page.evaluate(OPEN_HERE, f"notebooks/{name}")
            self.ready()
        else:
            self.load()

    def load(self):
        """Load or reload JupyterLab with the notebook."""
        self.page.goto(self.lab(f"notebooks/{self.name}"))
        self.ready()

    def ready(self):
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.page.wait_for_function(OPEN)

    def read(self, path):
        """Open a stored lesson without a kernel: trusted, as in `make lab`, and with nothing but its code hidden."""
        content = nbformat.read(path, 4)
        for cell in content.cells:
            if cell.cell_type == "code":
                cell.metadata.trusted = True  # the server signs a stored notebook if all its code cells have this mark
                cell.metadata.jupyter = NO_CODE
        self.store(f"stored_{path.name}", content)
        if not self.page.evaluate(IS_UP):
            self.page.goto(self.lab(""))
            self.page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
        self.page.evaluate(READ, f"notebooks/stored_{path.name}")
        self.page.evaluate(ATTACH_ALL)
        self.page.evaluate(FORMULAS_SET)
        self.page.wait_for_function(ALL_SHOWN)
        return self.page.locator(".jp-Notebook")

    def put(self, name, sources, code=False):
        look = {} if code else {"jupyter": NO_CODE}
        cells = [nbformat.v4.new_code_cell(source.strip(), metadata=look) for source in sources]
        self.store(name, nbformat.v4.new_notebook(cells=cells, metadata=KERNEL))

    def store(self, name, content):
        self.request(f"contents/notebooks/{name}", "PUT", {"type": "notebook", "content": content})

    def stored(self, name):
        return self.request(f"contents/notebooks/{name}")["content"]

    def request(self, path, method="GET", data=None):
        """Send a request to the Jupyter server, and return its answer."""
        url = urlsplit(self.lab(""))
        token = re.search(r"token=(\w+)", url.query)[1]
        request = urllib.request.Request(
            f"{url.scheme}://{url.netloc}/api/{path}",
            data=None if data is None else json.dumps(data).encode(),
            headers={"Authorization": f"token {token}"},
            method=method,
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")

    def run(self):
        self.page.evaluate(RUN)
        found = self.page.evaluate(ERRORS)
        assert found == [], found

    def lesson(self, name):
        """Open and run only a lesson's views and the cells that they need: a whole lesson takes far longer."""
        lesson = nbformat.read(NOTEBOOKS / name, 4)
        lesson.cells = [lesson.cells[number] for number in cells_of_views(NOTEBOOKS / name)]
        for cell in lesson.cells:
            cell.metadata.jupyter = NO_CODE
        self.store(f"views_of_{name}", lesson)
        self.open(f"views_of_{name}")
        self.run()
        return self.page

    def shown(self, selector, alone=False):
        """Scroll a view into sight, and return it."""
        view = self.page.locator(f":light({selector})")  # faster, since it does not search shadow roots
        view.evaluate(SHOW, alone)
        return view

    def python(self, expression):
        """Evaluate an expression in the kernel, and return its value as text."""
        return self.page.evaluate(ASK, expression)

    @contextmanager
    def second_connection(self):
        """Let `python` evaluate expressions while a cell runs."""
        self.page.evaluate(CONNECT_AGAIN)
        try:
            yield
        finally:
            self.page.evaluate(DISCONNECT)

    def begin(self, code):
        """Run code in the kernel as a cell does, and wait until it has started."""
        self.page.evaluate(BEGIN, code)

    def expect(self, expression, value):
        """Wait until an expression has this value in the kernel: messages from the page may still be on their way."""
        for _ in range(800):
            if (now := self.python(expression)) == value:
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"{expression} is {now}, not {value}")

    def keep_busy(self, seconds, uninterruptible=False):
        """Start a long cell that lets no other thread run; wait until it has started, but not until it ends.

        Without this wait, an action right after the call could run before the cell. An uninterruptible cell ignores
        interrupts.
        """
        code = f"import ctypes, signal, time; time.sleep(1); ctypes.PyDLL(None).sleep({seconds})"
        if uninterruptible:
            code = code.replace("time.sleep(1)", "signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1)")
        self.begin(code)  # for one second, a thread can report the start; then the cell holds the GIL
        self.page.wait_for_timeout(1300)

    def restart(self):
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")

    def interrupt(self):
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")

    def theme(self, name):
        # JupyterLab fails if its theme changes while the splash screen is still fading.
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", f"JupyterLab {name}"
        )
        is_light = "true" if name == "Light" else "false"
        self.page.locator(f'body[data-jp-theme-light="{is_light}"]').wait_for(state="attached")

    @property
    def is_light(self):
        return self.page.locator("body").get_attribute("data-jp-theme-light") == "true"

    def look(self, name, views=None):
        """In both themes, check that all words are readable and nothing sticks out, and keep a screenshot to look at.

        The page stays in the second theme, so that whatever follows is tested in that theme.
        """
        for number in range(2):
            if number:
                self.theme("Dark" if self.is_light else "Light")
            for view in views.all() if views else ():
                assert view.evaluate(UNREADABLE) == []
                out = view.evaluate(STICKS_OUT)
                assert out <= 1, f"{out} pixels stick out"
            keep_picture(self.page, f"{name}_{'light' if self.is_light else 'dark'}")

    def save(self):
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def clear(self):
        """Clean up for the tests of the next module."""
        self.theme("Light")  # the server remembers the last theme
        self.page.evaluate(CLOSE_ALL)
        self.page.set_viewport_size(VIEWPORT)
        self.end_kernels()
        self.problems.clear()

    def end_kernels(self):
        for session in self.request("sessions"):
            self.request(f"sessions/{session['id']}", "DELETE")


def click(view, label, times=1):
    """Click a button as fast as a machine can, without even a pause for the page to draw."""
    view.evaluate(CLICK, [label, times])


def choose_radio(radio):
    """Choose a radio button by its label: Playwright can wait for a label to be still, but not for a hidden button."""
    radio.locator("xpath=ancestor::label").click()
    expect(radio).to_be_checked()
