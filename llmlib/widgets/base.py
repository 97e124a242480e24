"""What every widget shares: its files put together, a static fallback, exports, cleanup.

anywidget loads a widget's JavaScript from a Blob URL, where a relative `import` fails. So `shared.mjs` and
the widget's own `.mjs` are concatenated here, without the import line that Node's tests use.
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

from llmlib.downloads import atomic_write

FOLDER = Path(__file__).parent
FORBIDDEN_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@lru_cache
def javascript(*names: str) -> str:
    """One self-contained module: `shared.mjs`, then `{name}.mjs` for each name; the last one is the widget."""
    *parts, widget = (
        re.sub(r"^import [^;]* from \"\./\w+\.mjs\";\n", "", (FOLDER / f"{name}.mjs").read_text("utf-8"), flags=re.M)
        for name in ("shared", *names)
    )
    return "".join(re.sub(r"^export ", "", part, flags=re.M) for part in parts) + widget


@lru_cache
def stylesheet(name: str) -> str:
    """`shared.css`, then `{name}.css`."""
    return "".join((FOLDER / f"{part}.css").read_text(encoding="utf-8") for part in ("shared", name))


def escape_xml(text: str) -> str:
    """Any text as XML text; the characters that XML forbids become U+FFFD.

    >>> escape_xml("a < b\\x1f")
    'a &lt; b�'
    """
    return html.escape(FORBIDDEN_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))


class View(anywidget.AnyWidget):
    """A widget with a static fallback and exports. Subclasses give `assets`, `alt`, `svg` and `shown`."""

    assets: ClassVar[str]
    parts: ClassVar[tuple[str, ...]] = ()  # further .mjs files that the widget's own imports from
    shown: ClassVar[tuple[str, ...]] = ()  # traits that the standalone page needs

    def __init_subclass__(cls, **kwargs: Any):
        if "assets" in cls.__dict__:
            cls._esm = javascript(*cls.parts, cls.assets)
            cls._css = stylesheet(cls.assets)
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self.on_msg(self._on_message)

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
