"""What every widget shares: its files put together, a static fallback, exports, cleanup.

anywidget loads a widget's JavaScript from a Blob URL, where a relative `import` fails. So a widget's `view.mjs` and
all that it imports are concatenated here, without the import lines that Node's tests use.
"""

import base64
import html
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from llmlib.files.downloads import atomic_write
from llmlib.widgets.shared.acts import Acts, Handler

SHARED = Path(__file__).parent
IMPORT = re.compile(r"^import [^;]* from \"(\.[^\"]+)\";\n", re.M)
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
def stylesheet(widget: Path) -> str:
    """`shared.css`, then the widget's own."""
    return "".join(path.read_text(encoding="utf-8") for path in (SHARED / "shared.css", widget))


def escape_xml(text: str) -> str:
    """Any text as XML text; the characters that XML forbids become U+FFFD.

    >>> escape_xml("a < b\\x1f")
    'a &lt; b�'
    """
    return html.escape(FORBIDDEN_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))


class View(anywidget.AnyWidget):
    """A widget with a static fallback and exports. Subclasses give `folder`, `alt`, `svg` and `shown`."""

    folder: ClassVar[Path]  # holds view.mjs and view.css
    shown: ClassVar[tuple[str, ...]] = ()  # traits that the standalone page needs

    live = traitlets.Bool(False).tag(sync=True)  # whether somebody answers what the reader does
    notice = traitlets.Unicode("").tag(sync=True)  # why the reader's last act could not be done

    def __init_subclass__(cls, **kwargs: Any):
        if "folder" in cls.__dict__:
            cls._esm = javascript(cls.folder / "view.mjs")
            cls._css = stylesheet(cls.folder / "view.css")
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits: Any):
        self._acts, self._client = Acts(), ""
        super().__init__(**traits)
        self.on_msg(self._on_message)

    def on_act(self, kind: str, function: Handler, then: Handler | None = None) -> None:
        """Call `function(**details)` when the reader does something of this kind.

        Acts that were done in quick succession arrive together; `then()` is called once after all of them, so what takes
        time belongs there. What either raises is told to the reader, and the act counts as not done.
        """
        self._acts.on(kind, function, then)
        self.live = True

    def progress(self, words: str) -> None:
        """Tell the reader how far the work on an act has come: "layer 3 of 30"."""
        self.send({"client": self._client, "progress": words})

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
        encoded = base64.b64encode(self.svg().encode()).decode()
        return f'<img alt="{html.escape(self.alt, quote=True)}" src="data:image/svg+xml;base64,{encoded}"/>'

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self.fallback_html()}, metadata

    def to_html(self) -> str:
        """A page that opens from disk, without a network and without Python."""
        state = {name: _as_json(getattr(self, name)) for name in self.shown}
        script = json.dumps({"esm": self._esm, "state": state}).replace("</", "<\\/")
        return STANDALONE.format(title=html.escape(self.alt), css=self._css, payload=script)

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
        elif acts := content.get("acts"):
            self._client = content["client"]
            self.send({"client": self._client, "begun": True})
            self.notice = ""  # now, so that the same notice, if it comes again, is read aloud again
            refused: Any = [act["number"] for act in acts]
            try:
                refused, notice = self._acts.apply(acts)
                if notice:  # else a thread may have said something meanwhile
                    self.notice = notice
            finally:  # whatever happens: an act without an answer would look like a dead kernel
                self.send({"client": self._client, "done": acts[-1]["number"], "refused": refused})


def _as_json(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


STANDALONE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{css}</style></head>
<body class="llm-standalone"><main id="view"></main>
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
widget.render({{ model, el: document.getElementById("view") }});
</script></body></html>
"""
