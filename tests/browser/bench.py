"""A notebook that is open in JupyterLab: what the tests do with it."""

import json
import re
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat

from browser.lessons import cells_of_views
from browser.looks import STICKS_OUT, UNREADABLE, keep_picture

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"

OPEN = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext, kernel = context?.session?.kernel;
  return context?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
NO_CODE = {"source_hidden": True}  # the editors of a page's cells take a quarter of its time, and no view needs them
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # else JupyterLab asks for one
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
  for (const widget of [...window.jupyterapp.shell.widgets("main")]) widget.dispose(); // to close one asks to save it
}"""
# Opens a notebook alone in the JupyterLab that is there already.
OPEN_HERE = """async (path) => {
  const { commands, shell } = window.jupyterapp, others = [...shell.widgets("main")];
  const panel = await commands.execute("docmanager:open", { path });
  for (const widget of others) widget.dispose();
  await panel.revealed;
  shell.activateById(panel.id);
}"""
# JupyterLab attaches cells out of sight when it is idle, which on a busy machine is never.
ATTACH_ALL = """async () => {
  const [{ content }] = window.jupyterapp.shell.widgets("main");
  content.notebookConfig = { ...content.notebookConfig, windowingMode: "none" };
  content.update();
  await Promise.all(content.widgets.map((cell) => cell.ready));
}"""
# The same without a kernel.
READ = """async (path) => {
  const { commands, shell } = window.jupyterapp, others = [...shell.widgets("main")];
  const panel = await commands.execute("docmanager:open", { path });
  panel.sessionContext.kernelPreference = { ...panel.sessionContext.kernelPreference, shouldStart: false };
  for (const widget of others) widget.dispose();
  await panel.revealed;
}"""
FORMULAS_SET = """async () => {
  const [panel] = window.jupyterapp.shell.widgets("main");
  await panel.content.rendermime.latexTypesetter?.typeset(document.createElement("p")); // after all that wait for it
}"""
# Whether each cell of the only notebook shows what it holds.
ALL_SHOWN = """() => {
  const [panel, ...others] = window.jupyterapp.shell.widgets("main");
  return !others.length && panel?.content.widgets?.every((cell) => cell.model.type === "markdown"
    ? cell.node.querySelector(".jp-MarkdownOutput")?.childElementCount
    : cell.node.querySelectorAll(".jp-OutputArea-output").length === cell.model.outputs.length);
}"""
# A view in sight; alone, without the other cells: a page has twice the work with eighteen views as with one.
SHOW = """(view, alone) => {
  const own = view.closest(".jp-Cell");
  for (const cell of own.parentElement.children) cell.style.display = alone && cell !== own ? "none" : "";
  view.scrollIntoView();
}"""
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
  .flatMap((cell) => (cell.outputs ?? []).filter((output) => output.output_type === "error"))
  .map((output) => `${output.ename}: ${output.evalue}`)"""
ASK = """async (code) => {
  const kernel = window.llmAside ?? window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code: "", silent: true, user_expressions: { answer: code } });
  const { content } = await future.done, { answer } = content.user_expressions;
  return answer.data?.["text/plain"] ?? `${answer.ename}: ${answer.evalue}`;
}"""
# Another way to the same kernel, which does not wait for its cells.
GO_ASIDE = """async () => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const { subshell_id } = (await kernel.requestCreateSubshell({}).done).content;
  window.llmAside = kernel.clone({ handleComms: false, subshellId: subshell_id });
}"""
BEGIN = """async (code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code });
  await new Promise((begun) => {
    future.onIOPub = ({ header }) => { if (header.msg_type === "execute_input") begun(); };
  });
}"""
COME_BACK = "() => { window.llmAside.dispose(); delete window.llmAside; }"
CLICK = """(node, [label, times]) => {
  const button = () => [...node.querySelectorAll("button")].find((one) => (one.ariaLabel ?? one.textContent) === label);
  for (let k = 0; k < times; k++) button().click();
}"""


CLICK_EACH = """(node, labels) => {
  const buttons = [...node.querySelectorAll("button")];
  for (const label of labels) buttons.find((one) => (one.ariaLabel ?? one.textContent) === label).click();
}"""


class Bench:
    """JupyterLab with one notebook. `problems` are errors that the page has met."""

    def __init__(self, page, lab):
        self.page, self.lab, self.name = page, lab, ""
        self.problems = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self.listen)

    def listen(self, message):
        """Jupyter catches what goes wrong where a message from Python is dealt with, and only logs it."""
        if message.type == "error" and re.search(r"(Type|Range|Reference|Syntax)?Error:", message.text):
            self.problems.append(message.text)

    def open(self, name, sources=None, code=False):
        """Open a notebook, made from these cells if they are given; without loading JupyterLab, if it is there."""
        self.name = name
        if sources is not None:
            self.put(name, sources, code)
        if self.page.evaluate(IS_UP):
            self.page.evaluate(OPEN_HERE, f"notebooks/{name}")
            self.ready()
        else:
            self.load()

    def load(self):
        """Load JupyterLab, for the first time or once more, with the notebook."""
        self.page.goto(self.lab(f"notebooks/{self.name}"))
        self.ready()

    def ready(self):
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.page.wait_for_function(OPEN)

    def read(self, path):
        """Open a lesson as it is stored and, as in `make lab`, trusted; all but its code is shown, without a kernel."""
        content = nbformat.read(path, 4)
        for cell in content.cells:
            if cell.cell_type == "code":
                cell.metadata.trusted = True  # what is stored with this mark, the server signs
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
        """Ask the Jupyter server."""
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
        """Open a lesson's views, with the cells that these need, and run them: the whole takes a page far longer."""
        lesson = nbformat.read(NOTEBOOKS / name, 4)
        lesson.cells = [lesson.cells[number] for number in cells_of_views(NOTEBOOKS / name)]
        for cell in lesson.cells:
            cell.metadata.jupyter = NO_CODE
        self.store(f"views_of_{name}", lesson)
        self.open(f"views_of_{name}")
        self.run()
        return self.page

    def shown(self, selector, alone=False):
        """A view, scrolled into sight."""
        view = self.page.locator(f":light({selector})")  # no shadow roots: quicker
        view.evaluate(SHOW, alone)
        return view

    def python(self, expression):
        """What an expression is worth in the kernel, written."""
        return self.page.evaluate(ASK, expression)

    @contextmanager
    def aside(self):
        """Ask the kernel what things are worth while a cell runs."""
        self.page.evaluate(GO_ASIDE)
        try:
            yield
        finally:
            self.page.evaluate(COME_BACK)

    def begin(self, code):
        """Run code in the kernel as a cell does, and wait until it has begun."""
        self.page.evaluate(BEGIN, code)

    def expect(self, expression, written):
        """What an expression is worth in the kernel, once what the page has to tell has arrived there."""
        for _ in range(800):
            if (now := self.python(expression)) == written:
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"{expression} is {now}, not {written}")

    def keep_busy(self, seconds, uninterruptible=False):
        """Let the kernel run a long cell that leaves no thread a turn, and wait until it has begun, not until its end.

        Otherwise an act that comes at once could start before the cell. An uninterruptible cell ignores interrupts.
        """
        code = f"import ctypes, signal, time; time.sleep(1); ctypes.PyDLL(None).sleep({seconds})"
        if uninterruptible:
            code = code.replace("time.sleep(1)", "signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1)")
        self.begin(code)  # in its first second a thread can say so; then it keeps the interpreter's lock
        self.page.wait_for_timeout(1300)

    def restart(self):
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")

    def interrupt(self):
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")

    def theme(self, name):
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")  # JupyterLab trips over one that still fades
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", f"JupyterLab {name}"
        )
        is_light = "true" if name == "Light" else "false"
        self.page.locator(f'body[data-jp-theme-light="{is_light}"]').wait_for(state="attached")

    @property
    def is_light(self):
        return self.page.locator("body").get_attribute("data-jp-theme-light") == "true"

    def look(self, name, views=None):
        """In both themes: all words in the views can be read, and none sticks out; a picture of the screen for people.

        The theme in which this ends is the other one, so that all that follows is done in that.
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
        """Leave nothing behind for others."""
        self.theme("Light")  # the server remembers the last one
        self.page.evaluate(CLOSE_ALL)
        self.page.set_viewport_size(VIEWPORT)
        self.end_kernels()
        self.problems.clear()

    def end_kernels(self):
        for session in self.request("sessions"):
            self.request(f"sessions/{session['id']}", "DELETE")


def click(view, label, times=1):
    """Click a button as fast as a machine can: without a pause, not even for the page to draw."""
    view.evaluate(CLICK, [label, times])
