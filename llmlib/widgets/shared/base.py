"""How a view is built: what all widgets share, so that none has to think of it.

A view is a folder: `view.py` (state, static picture), `view.mjs` (what the browser runs), and what these import;
`view.css`, and where that would be long a sheet for each part (`grid.css`), which come after it by name. It knows
arrays and strings; a live model is brought in by a module of `llmlib.explore`. `on_act` and `widget` (of view.mjs) are
the only ways in, and what follows holds for all that use them.

State. Traits with `sync=True` describe all that is shown. Each has one writer. What Python knows is written by Python
alone, inside one `hold_sync`, so that the browser never sees half of a change. Where the reader looks (a place, a
step, a tab) is written by the browser alone, with `hub.look({place})`, and works without Python. In the browser
`follow(model, names, update)` calls `update` once for all that came in one message.

Acts. What the reader does to Python's things is an act: `hub.act("pick", {id})` there, `view.on_act("pick", function,
then=show)` here. Acts are never whole states ("these heads are off") but changes ("this head is off now"), so that
quick ones do not overwrite each other. The browser keeps them in a queue: one message is on its way, the next carries
all that were done meanwhile. Here they are done in order; `then`, which computes and shows, is called once after all
of them. An act may be left out only for a newer wish of the same name right behind it (`{ latest: "temperature" }`: a
slider, a text that grows). Each act is answered, and `await hub.act(…)` tells whether it was done; if not, give back
what the reader typed. A function that cannot do it raises `ValueError` with words for the reader; what it raises
is shown in `hub.line`, which also says that Python works (`view.progress`: how far), that it is busy with a cell, or
that the kernel was restarted. Its room is always there, so nothing moves when it speaks. Controls that act carry
`data-acts`, others that need Python `data-python`: without it they are switched off, by themselves.

Long work. Acts are done in a thread of the view's own (worker.py), while cells run and other acts come in. Whatever can
take more than half a second calls `view.check()`, or `view.progress(…)`, several times a second: there it ends when the
reader presses Cancel, interrupts the kernel, or does something that needs it done again. A live model is read through
`llmlib.explore.shared.own_model`, which checks at every layer and keeps hooks of cells and views apart.

Texts. A box for a text is a `textBox` or follows with `following`: what the reader has typed is never written over,
and what is typed but not used says so, and outlives a restart of the kernel (`ownText` of drafts.mjs). Tokens come as
`token_text` writes them (⟨F0 9F⟩ for a part of a character), are shown with `visibleToken`, and put on the page with
`inReadingOrder`; a text to go through token by token is a `walk` (walk.mjs), in the colours of surprise.mjs if these
fit. Two texts to compare are a `textPanel`; it and other controls that several views have are in controls.mjs
(`choice`, and `renew`, which keeps the keyboard in place), those of a sampler's settings in settings.mjs.

Binary payloads. Arrays travel as `traitlets.Bytes`, packed as small as what is to be seen allows (attention: a byte a
weight, the lower triangle). They arrive as a DataView that may start anywhere. What is large comes when it is asked
for: thumbnails first, a head when it is opened.

Keys. A list of which Tab reaches one part is `roving`; where arrow keys lead is said in keys.mjs (`stepTo`, `arrowOf`,
and `stepping` for the states of a whole view), so that they mean the same everywhere.

Looks. Colours are the `--llm-…` of shared.css. Widths belong to the layout; what has to be drawn in pixels is drawn
by `followLooks(el, draw)`, again whenever the width or the theme changes, and with the width of that moment. The
keyboard's focus is caught where its control vanishes (`widget` does it), but a view that knows a better place puts it
there.

Still picture. `svg()` (and `fallback_html`, where a PNG is smaller) shows the present state in Python alone, with the
same bytes for the same state; `alt` says it in words. Notebooks carry it beside the widget. JupyterLab prefers the
widget even when there is no kernel any more, so a saved notebook also gets the picture as a plain HTML widget of the
same name (saved.mjs).

Page without a kernel. `to_html` is the same JavaScript with the traits of `shown` as its model: `still` is true, no
act is possible, looking around works. What such a page cannot have, it says. Its `title` is a few words long.

Landmarks. A part of a view is a group with a name, never a region, a navigation or a named form: the names of these
have to be unique on a page, and a notebook may show the same view twice. For the same reason no id is fixed.

Tests. A view has a row in tests/browser/views.py, and with it tests of quick clicks, odd, empty and long texts,
another theme, axe, a narrow window and no room, the keyboard alone, no motion, twice in a notebook, a restart, and a
notebook that is opened again.

anywidget loads a widget's JavaScript from a Blob URL, where a relative `import` fails. So a widget's `view.mjs` and
all that it imports are concatenated here, without the import lines that Node's tests use.
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
from llmlib.widgets.shared.worker import Worker

SHARED = Path(__file__).parent
IMPORT = re.compile(r"^import [^;]* from \"(\.[^\"]+)\";\n", re.M)
RUN_IT = "<p>This is a picture. Run this cell to use the view.</p>"
FORBIDDEN_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@lru_cache
def javascript(widget: Path) -> str:
    """One self-contained module from a widget's `.mjs`: what it imports first, each file once, then itself."""
    *parts, own = _with_imports(widget.resolve(), {})
    return "".join(re.sub(r"^export ", "", part, flags=re.M) for part in parts) + own


def _with_imports(file: Path, seen: dict[Path, str]) -> list[str]:
    """The sources of a file and all that it imports, in the order in which they have to stand."""
    source = file.read_text(encoding="utf-8")
    for path in IMPORT.findall(source):
        if (other := (file.parent / path).resolve()) not in seen:
            _with_imports(other, seen)
    seen[file] = IMPORT.sub("", source)
    return list(seen.values())


@lru_cache
def stylesheet(folder: Path) -> str:
    """`shared.css`, then the view's own sheets: `view.css`, and after it those of its parts, by name."""
    own = sorted(folder.glob("*.css"), key=lambda path: (path.name != "view.css", path.name))
    return "".join(path.read_text(encoding="utf-8") for path in (SHARED / "shared.css", *own))


def escape_xml(text: str) -> str:
    """Any text as XML text; the characters that XML forbids become U+FFFD.

    >>> escape_xml("a < b\\x1f")
    'a &lt; b�'
    """
    return html.escape(FORBIDDEN_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))


class View(anywidget.AnyWidget):
    """A widget with a static fallback and exports. Subclasses give `folder`, `alt`, `svg` and `shown`."""

    folder: ClassVar[Path]  # holds view.mjs, view.css and what belongs to them
    shown: ClassVar[tuple[str, ...]] = ()  # traits that the standalone page needs

    live = traitlets.Bool(False).tag(sync=True)  # whether somebody answers what the reader does
    notice = traitlets.Unicode("").tag(sync=True)  # why the reader's last act could not be done

    def __init_subclass__(cls, **kwargs: Any):
        if "folder" in cls.__dict__:
            cls._esm = javascript(cls.folder / "view.mjs")
            cls._css = stylesheet(cls.folder)
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits: Any):
        self._writing = threading.RLock()  # the kernel brings what the browser writes, the worker what Python does
        self._acts = Acts()
        self._worker = Worker(self._acts, lambda content: self.send(content), self._show_notice)
        super().__init__(**traits)
        self.on_msg(self._on_message)

    def open(self) -> None:
        """Open the way to the page, where messages go to the kernel's subshell that the page names.

        Since ipykernel 7.4 they go to the shell that was the last to send something to this widget: to that of cells,
        where what a reader does waits until the cell that runs has ended.
        """
        super().open()
        self.comm._reply_subshell_for = lambda _data, named: named

    def on_act(self, kind: str, function: Handler, then: Handler | None = None) -> None:
        """Call `function(**details)` when the reader does something of this kind.

        Acts that were done in quick succession arrive together; `then()` is called once after all of them, so what
        takes time belongs there. What either raises is told to the reader, and the act counts as not done.
        """
        self._acts.on(kind, function, then)
        self.live = True

    def check(self) -> None:
        """End the work on an act here if the reader has cancelled it, or done something that needs it done again.

        Call it a few times a second in all that takes long. It raises `CalledOff`: give back what the act has changed,
        unless that is `Overtaken`. Outside of an act nothing happens.
        """
        self._worker.check()

    def progress(self, words: str) -> None:
        """Tell the reader how far the work on an act has come, as in "layer 3 of 30"; and `check`."""
        self.check()
        self._worker.progress(words)

    def remark(self, words: str) -> None:
        """Tell the reader something about what was done."""
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
        """A few words for the head of a saved page; without any, the name of the class in words.

        >>> View.title.fget(type("LogitLensView", (), {})())
        'Logit lens'
        """
        first, *others = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", type(self).__name__.removesuffix("View"))
        return " ".join([first, *(word.lower() for word in others)])

    @property
    def alt(self) -> str:
        """What a person sees here, in words."""
        raise NotImplementedError

    def svg(self) -> str:
        """A static picture of the present state; the same state gives the same bytes."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.alt}>"

    def fallback_html(self) -> str:
        """The picture with its description, for places where no widget can live."""
        return picture_html(self.svg().encode(), self.alt, "svg")

    def still_html(self) -> str:
        """What a notebook carries beside the widget: the picture, and how to get the widget."""
        return self.fallback_html() + RUN_IT

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self.still_html()}, metadata

    def to_html(self) -> str:
        """A page that opens from disk, without a network and without Python."""
        state = {name: _as_json(getattr(self, name)) for name in self.shown}
        script = json.dumps({"esm": self._esm, "state": state}).replace("</", "<\\/")
        title = escape_xml(str(self.title))
        return STANDALONE.format(title=title, css=self._css, payload=script)

    def save(self, path: str | Path) -> Path:
        """Write the view as it is now to an `.html` (interactive) or `.svg` file; PNG is in the view's own menu.

        Raises `ValueError` for another ending.
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
const level = () => {{ // headings go on below the page's own, whatever they are in a notebook
  const all = [...view.querySelectorAll("h2, h3, h4, h5")], top = Math.min(...all.map((node) => node.tagName[1]));
  for (const node of all) node.ariaLevel = node.tagName[1] - top + 2;
}};
new MutationObserver(level).observe(view, {{ childList: true, subtree: true }});
widget.render({{ model, el: view }});
</script></body></html>
"""
