"""The base class of all views, and a guide to building a view.

A view is a folder. It contains `view.py` (state, static picture), `view.mjs` (the browser's code), the files that these
two import, and `view.css`. If that style sheet would be long, each part of the view has its own sheet (such as
`grid.css`), and these sheets are loaded after `view.css` in alphabetical order. A view handles only arrays and strings;
`llmlib.explore` connects the view to a live model. A view has the same name everywhere: `widgets/attention`,
`AttentionView`, `attention_view`, `explore_attention` in `explore/attention`. `on_act` and `widget` (in view.mjs) are
the only entry points, and everything below applies to all code that uses them.

State. Traits with `sync=True` describe everything that is shown, and each trait has one writer. Only Python writes what
Python computes or stores, inside one `hold_sync`, so that the browser never sees half of a change. Only the browser
writes where the user is looking (a position, a step, a tab), with `hub.look({place})`, which works without Python. Such
a change may reach Python after an action that was sent later, so no action may rely on it. In the browser,
`follow(model, names, update)` calls `update` once for all changes that came in one message.

Actions. When the user changes something that Python stores, that change is called an action (`act` in the code's
names): the browser calls `hub.act("pick", {id})`, and Python registers `view.on_act("pick", function, then=show)`. An
action is never a whole state ("these heads are off") but a change ("this head is off now"), so that actions in quick
succession do not overwrite each other. The browser queues the actions: while one message is on its way, all further
actions wait for the next message. Python carries out the actions in order, and calls `then`, which computes and shows
the result, once after all of them. An action may be dropped only in favour of a newer action of the same name right
behind it (`{ latest: "temperature" }`, for a slider or a text that the user is typing). Every action gets a response,
and `await hub.act(…)` is true if the action was done; if not, put what the user typed back into the box. A function
that cannot do an action raises `ValueError` with a message for the user. `hub.line`, which is the status line, shows
this message. The status line also says that Python is working (`view.progress` says how far the work has got), that
Python is busy with a cell, or that the kernel was restarted. Space for this line is always reserved, so nothing moves
when a message appears. Controls that send actions carry `data-acts`, and other controls that need Python carry
`data-python`: without Python they are switched off.

Long work. Actions are carried out in the view's own thread (worker.py), while cells run and other actions come in. Work
that can take more than half a second must call `view.check()` or `view.progress(…)` several times a second. These calls
stop the work if the user presses Cancel, interrupts the kernel, or does something that makes the work start again.
Read a live model through `llmlib.explore.shared.own_model`, which calls `check` before each module runs, and keeps the
hooks of cells and views apart.

Texts. A box for text is a `textBox`, or uses `following`. Neither overwrites what the user types, and both say if a
text has not been used yet. The text survives a kernel restart (`ownText` in drafts.mjs). Tokens arrive in the form that
`token_text` produces (⟨F0 9F⟩ for a part of a character), are shown with `visibleToken`, and are put on the page with
`inReadingOrder`. To let users step through a text token by token, use `walk` (walk.mjs), with the colours in
surprise.mjs if they fit. To compare two texts, use a `textPanel` from controls.mjs, which also contains other shared
controls (`choice`, and `renew`, which keeps the keyboard focus in place); the controls for a sampler's settings are
in settings.mjs.

Binary payloads. Arrays are sent as `traitlets.Bytes`, packed as small as the picture allows (for attention, one byte
for each weight in the lower triangle). They arrive as a DataView that may start at any offset. Large data are sent on
demand: thumbnails come first, and a head's full weights follow when the head is opened.

Keys. For a list where Tab reaches one item and arrow keys reach the others, use `roving`. keys.mjs decides what arrow
keys do (`stepTo`, `arrowOf`, and `stepping` for the states of a whole view), so that the keys mean the same
everywhere.

Runs. Views of live runs (training, alignment) build on shared/runs: a `RunsView` in Python, whose live counterpart is
`llmlib.explore.shared.live_runs`, and a `runBoard` in the browser.

Looks. Colours are the `--llm-…` variables of shared.css. CSS decides widths. `followLooks(el, draw)` draws whatever
depends on the size in pixels, and draws it again whenever the width or the theme changes. If a control disappears,
`widget` moves the keyboard focus to the nearest control; a view that has a better target moves the focus there.

Still picture. `svg()` (or `fallback_html`, if a PNG is smaller) draws the current state in Python, without a browser,
and the same state always yields the same bytes; `alt` describes the picture in words. Notebooks store the picture
alongside the widget. JupyterLab prefers the widget even after the kernel is gone, so a saved notebook also gets the
picture as a plain HTML widget with the same id (saved.mjs).

Page without a kernel. `to_html` returns a page with the same JavaScript, and the traits in `shown` as its model. On
such a page, `still` is true, and actions are impossible, but users can look around. The page says what it cannot do.
Its `title` is a few words long.

Landmarks. A part of a view is a group with a name, never a region, a navigation landmark or a named form. Landmarks
need unique names on a page, and a notebook may show the same view twice. For the same reason, never use a fixed id.

Tests. Once a view has a row in tests/browser/views.py, it is tested with quick clicks; with odd, empty and long texts;
with another theme; with axe; in a narrow window, and with no space at all for a moment; with only the keyboard; without
motion; twice in one notebook; after a restart; and in a notebook that is opened again.

anywidget loads a widget's JavaScript from a Blob URL, where a relative `import` fails. So this module joins a widget's
`view.mjs` and everything that it imports, without the import lines. Only the tests in Node use these lines.
"""

import base64
import html
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from llmlib.files.atomic import atomic_write
from llmlib.style import picture_html
from llmlib.widgets.shared.acts import Acts, Handler
from llmlib.widgets.shared.interrupts import hear_interrupts
from llmlib.widgets.shared.worker import Worker

SHARED = Path(__file__).parent
IMPORT = re.compile(r"^import [^;]* from \"(\.[^\"]+)\";\n", re.M)
RUN_IT = "<p>This is a picture. Run this cell to use the view.</p>"
FORBIDDEN_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@lru_cache
def javascript(widget: Path) -> str:
    """Bundle a widget's `.mjs` and every file that it imports into one self-contained module.

    Each file appears once in the module.
    """
    *parts, own = _with_imports(widget.resolve(), {})
    return "".join(re.sub(r"^export ", "", part, flags=re.M) for part in parts) + own


def _with_imports(file: Path, seen: dict[Path, str]) -> list[str]:
    """Return the sources of everything that a file imports, in order, followed by the file's own source."""
    source = file.read_text(encoding="utf-8")
    for path in IMPORT.findall(source):
        if (other := (file.parent / path).resolve()) not in seen:
            _with_imports(other, seen)
    seen[file] = IMPORT.sub("", source)
    return list(seen.values())


@lru_cache
def stylesheet(folder: Path, sheets: tuple[Path, ...] = ()) -> str:
    """Join `shared.css`, the `sheets`, the view's `view.css`, and its parts' style sheets in alphabetical order."""
    own = sorted(folder.glob("*.css"), key=lambda path: (path.name != "view.css", path.name))
    return "".join(path.read_text(encoding="utf-8") for path in (SHARED / "shared.css", *sheets, *own))


def escape_xml(text: str) -> str:
    """Escape any text for XML; characters that XML forbids become U+FFFD.

    >>> escape_xml("a < b\\x1f")
    'a &lt; b�'
    """
    return html.escape(FORBIDDEN_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))


class View(anywidget.AnyWidget):
    """A widget with a static fallback and exports. Subclasses define `folder`, `alt`, `svg` and `shown`."""

    folder: ClassVar[Path]  # holds view.mjs, view.css and related files
    sheets: ClassVar[tuple[Path, ...]] = ()  # style sheets that some views share
    shown: ClassVar[tuple[str, ...]] = ()  # traits that the standalone page needs

    live = traitlets.Bool(False).tag(sync=True)  # whether Python handles what the user does
    notice = traitlets.Unicode("").tag(sync=True)  # why the user's last action could not be done

    def __init_subclass__(cls, **kwargs: Any):
        if "folder" in cls.__dict__:
            cls._esm = javascript(cls.folder / "view.mjs")
            cls._css = stylesheet(cls.folder, cls.sheets)
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits: Any):
        self._writing = threading.RLock()  # protects the state, which both the kernel's thread and the worker change
        self._acts = Acts()
        self._worker = Worker(self._acts, lambda content: self.send(content), self._show_notice)
        super().__init__(**traits)
        self.on_msg(self._on_message)

    def open(self) -> None:
        """Open the comm to the page so that messages go to the kernel subshell named by the page.

        Since ipykernel 7.4, messages go by default to the shell that last sent something to this widget. That may be
        the shell that runs cells, where the user's actions would have to wait until the running cell has ended.
        """
        super().open()
        self.comm._reply_subshell_for = lambda _data, named: named

    def on_act(self, kind: str, function: Handler, then: Handler | None = None) -> None:
        """Call `function(**details)` when the user does something of this kind.

        Actions in quick succession arrive together. `then()` is called once after all of them, so put slow work there.
        If either function raises an error, the user sees why, and the action is treated as not done.
        """
        self._acts.on(kind, function, then)
        self.live = True
        hear_interrupts()

    def check(self) -> None:
        """Stop the work on an action if the user has cancelled it, or if a newer action needs the same work.

        Call this method a few times a second during long work. It raises `CalledOff` to stop the work. Undo what the
        action has changed, unless the error is `Overtaken`. Outside an action, this method does nothing.
        """
        self._worker.check()

    def progress(self, words: str) -> None:
        """Tell the user how far the work on an action has progressed ("layer 3 of 30"), and call `check`."""
        self.check()
        self._worker.progress(words)

    def remark(self, words: str) -> None:
        """Show the user a note on the finished work."""
        if self._worker.working:
            self._acts.remark(words)
        else:
            self.notice = words

    @contextmanager
    def hold_sync(self) -> Iterator[None]:
        with self._writing, super().hold_sync():
            yield

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self._writing:
            super().set_state(sync_data)

    @property
    def title(self) -> str:
        """The title of a saved page, a few words long. By default, it is the class name, written as separate words.

        >>> View.title.fget(type("LogitLensView", (), {})())
        'Logit lens'
        """
        first, *others = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", type(self).__name__.removesuffix("View"))
        return " ".join([first, *(word.lower() for word in others)])

    @property
    def alt(self) -> str:
        """Describe in words what this view shows."""
        raise NotImplementedError

    def svg(self) -> str:
        """Draw a static picture of the current state; the same state always yields the same bytes."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.alt}>"

    def fallback_html(self) -> str:
        """Return the picture and its description as HTML, for environments where widgets cannot run."""
        return picture_html(self.svg().encode(), self.alt, "svg")

    def still_html(self) -> str:
        """Return the HTML that a notebook stores with the widget: the picture and a note on how to get the widget."""
        return self.fallback_html() + RUN_IT

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self.still_html()}, metadata

    def to_html(self) -> str:
        """Return a page that opens from disk and needs neither a network nor Python."""
        state = {name: _as_json(getattr(self, name)) for name in self.shown}
        script = json.dumps({"esm": self._esm, "state": state}).replace("</", "<\\/")
        title = escape_xml(str(self.title))
        return STANDALONE.format(title=title, css=self._css, payload=script)

    def save(self, path: str | Path) -> Path:
        """Save the current view to an `.html` (interactive) or `.svg` file. For a PNG, use the view's own menu.

        Raises `ValueError` if the file has any other extension.
        """
        path = Path(path)
        makers = {".html": self.to_html, ".svg": self.svg}
        if path.suffix not in makers:
            raise ValueError(f"Cannot save a view as {path.name!r}; the name must end in .html or .svg.")
        with atomic_write(path) as file:
            file.write(makers[path.suffix]().encode())
        return path

    def _on_message(self, _widget: Any, content: Mapping[str, Any], _buffers: Any) -> None:
        makers = {"html": self.to_html, "svg": self.svg}
        if (kind := content.get("ask")) in makers:
            self.send({"kind": kind, "source": makers[kind]()})
        elif content.get("ping"):
            self.send({"client": content["client"], "pong": True})
        elif content.get("cancel"):
            self._worker.call_off()
        elif acts := content.get("acts"):
            self._worker.ask(content["client"], acts)

    def _show_notice(self, notice: str) -> None:
        self.notice = notice


def _as_json(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


STANDALONE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{css}</style></head>
<body class="llm-standalone"><main><h1 class="llm-hidden">{title}</h1><div id="view"></div></main>
<script type="application/json" id="payload">{payload}</script>
<script type="module">
const {{ esm, state }} = JSON.parse(document.getElementById("payload").textContent);
for (const [name, value] of Object.entries(state))
  if (value && value.base64 !== undefined) {{
    const source = atob(value.base64), bytes = new Uint8Array(source.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = source.charCodeAt(i); // quicker than Uint8Array.from
    state[name] = new DataView(bytes.buffer);
  }}
const listeners = {{}};
const model = {{
  get: (name) => (name === "_standalone" ? true : state[name]),
  set: (name, value) => {{ state[name] = value; (listeners["change:" + name] ?? []).forEach((f) => f()); }},
  save_changes() {{}}, send() {{}}, off() {{}},
  on: (event, f) => {{ (listeners[event] ??= []).push(f); }},
}};
const {{ default: widget }} = await import(URL.createObjectURL(new Blob([esm], {{ type: "text/javascript" }})));
const view = document.getElementById("view");
const level = () => {{ // make the view's headings follow the page's h1, whatever their levels are in a notebook
  const all = [...view.querySelectorAll("h2, h3, h4, h5")], top = Math.min(...all.map((node) => node.tagName[1]));
  for (const node of all) node.ariaLevel = node.tagName[1] - top + 2;
}};
new MutationObserver(level).observe(view, {{ childList: true, subtree: true }});
widget.render({{ model, el: view }});
</script></body></html>
"""
