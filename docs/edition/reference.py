"""Write the reference from the docstrings of all public modules, functions and classes, with their examples.

We read the source and do not import it, so signatures stay as written, with the names of axes, as in
`Float[Tensor, "batch seq"]`.
"""

import ast
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "llmlib"
LEFT_OUT = ("llmlib.exercises.lessons", "llmlib.exercises.my_llm.template", "llmlib.__main__")
Function = ast.FunctionDef | ast.AsyncFunctionDef
CODE = re.compile(r"(`[^`\n]+`)")
FENCE, OUTER = "`" * 3, "`" * 6

INDEX = """# Reference

The reference says what every public function and class of `llmlib` does, with its shapes, its errors and its source.
All examples run as tests. The names of axes are the same everywhere: `batch seq d_model head d_head query key layer
vocab`.

{rows}

```{{toctree}}
:hidden:

{tree}
```
"""


@dataclass(frozen=True)
class Module:
    """A module of the library: its name, and its source as a syntax tree."""

    name: str
    tree: ast.Module
    public: list[ast.ClassDef | Function]

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @cached_property
    def homes(self) -> dict[str, str]:
        """Collect the full names of everything that the module defines or imports from the library."""
        imported = {
            name.asname or name.name: f"{node.module}.{name.name}"
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llmlib.")
            for name in node.names
        }
        own = [node.name for node in self.tree.body if isinstance(node, ast.ClassDef | Function)]
        targets = [target for node in self.tree.body if isinstance(node, ast.Assign) for target in node.targets]
        own += [target.id for target in targets if isinstance(target, ast.Name)]
        return imported | {name: f"{self.name}.{name}" for name in own}

    @property
    def is_face(self) -> bool:
        """Check whether the module is a package that offers names from its modules."""
        names = [
            ast.unparse(target) for node in self.tree.body if isinstance(node, ast.Assign) for target in node.targets
        ]
        return any("__all__" in name for name in names)

    @property
    def wing(self) -> str:
        return ".".join(self.name.split(".")[:2])


def modules(*patterns: str) -> list[Module]:
    """Read the modules with public names or a docstring, sorted by path; by default, read the whole library."""
    found = []
    for path in sorted(path for pattern in patterns or ("**/*.py",) for path in LIBRARY.glob(pattern)):
        parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if any(part.startswith("_") for part in name.split(".")) or name.startswith(LEFT_OUT):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        public = [
            node
            for node in tree.body
            if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_") and ast.get_docstring(node)
        ]
        if public or ast.get_docstring(tree):
            found.append(Module(name, tree, public))
    follow_imports(found)
    return found


def follow_imports(all_modules: list[Module]) -> None:
    """Note in each module where its imported names are defined, even if they come through another module.

    Names that the reference does not describe are left out, unless they could be mistaken for names that it describes.
    """
    described = {f"{module.name}.{node.name}" for module in all_modules for node in module.public}
    short = {name.rpartition(".")[2] for name in described}
    seen_from = {f"{module.name}.{name}": home for module in all_modules for name, home in module.homes.items()}
    for module in all_modules:
        for name, home in [*module.homes.items()]:
            while (further := seen_from.get(home, home)) != home:
                home = further
            if home in described or name in short:
                module.homes[name] = home
            else:
                del module.homes[name]


def write(folder: Path) -> dict[str, str]:
    """Write a page for each part of the library, and an index; return their descriptions for search engines."""
    folder.mkdir(parents=True)
    all_modules = modules()
    faces = faces_of(all_modules)
    wings: dict[str, list[Module]] = {}
    for module in all_modules:
        wings.setdefault(module.wing, []).append(module)
    descriptions = {"reference/index": "Every public function and class of llmlib, with examples that run as tests."}
    for wing, members in wings.items():
        pages = [page_of(module, faces, depth=2 if module.name != wing else 1) for module in members]
        if members[0].name != wing:  # a package without a docstring
            pages.insert(0, f"# {wing}\n")
        (folder / f"{wing}.md").write_text("\n".join(pages), encoding="utf-8")
        first = members[0].docstring.partition("\n\n")[0]
        descriptions[f"reference/{wing}"] = f"{wing}: {' '.join(first.replace('`', '').split())}"
    (folder / "index.md").write_text(index_of(wings), encoding="utf-8")
    return descriptions


def faces_of(all_modules: list[Module]) -> dict[str, str]:
    """Map the names that packages offer to their full names: llmlib.train is llmlib.training.loop.train."""
    offered = {
        f"{module.name}.{name}": home for module in all_modules if module.is_face for name, home in module.homes.items()
    }
    defined = {f"{module.name}.{node.name}" for module in all_modules for node in module.public}
    return {name: home for name, home in offered.items() if home in defined}


def index_of(wings: dict[str, list[Module]]) -> str:
    """Write the first page of the reference: a list of the library's parts, each with its first sentence."""
    rows = []
    for wing, (first, *_) in wings.items():
        sentence = first.docstring.partition("\n\n")[0] if first.name == wing else ""
        rows.append(f"- [`{wing}`]({wing}.md): {prose(sentence, {}, '')}" if sentence else f"- [`{wing}`]({wing}.md)")
    return INDEX.format(rows="\n".join(rows), tree="\n".join(wings))


def page_of(module: Module, faces: dict[str, str], depth: int) -> str:
    """Write the part of a page that describes a module."""
    lines = [f"{'#' * depth} {module.name}\n", f"{FENCE}{{py:module}} {module.name}\n{FENCE}\n"]
    lines.append(prose(module.docstring, faces, module.name))
    offered = [
        f"{{py:obj}}`{name.rpartition('.')[2]} <{home}>`"
        for name, home in faces.items()
        if name.rpartition(".")[0] == module.name and home != name
    ]
    if offered:
        lines.append(f"\nIt offers {', '.join(sorted(offered, key=str.lower))}.\n")
    for node in module.public:
        described = class_of if isinstance(node, ast.ClassDef) else function_of
        lines.append(described(node, module, faces))
    return "\n".join(lines)


def function_of(node: Function, module: Module, faces: dict[str, str], kind: str = "function") -> str:
    """Describe a function or a method: its signature as written, and its docstring."""
    decorators = {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}
    options = []
    if kind == "method":
        if decorators & {"property", "cached_property"}:
            typed = f"\n:type: {type_of(node.returns, module)}" if node.returns else ""
            return directive("property", node.name + typed, prose(ast.get_docstring(node) or "", faces, module.name), 4)
        options += [f":{one}:" for one in ("classmethod", "staticmethod", "abstractmethod") if one in decorators]
    if isinstance(node, ast.AsyncFunctionDef):
        options.append(":async:")
    arguments = arguments_of(node, module, skip_first=kind == "method" and "staticmethod" not in decorators)
    returns = f" -> {type_of(node.returns, module)}" if node.returns else ""
    head = "\n".join([f"{node.name}({arguments}){returns}", *options])
    return directive(kind, head, prose(ast.get_docstring(node) or "", faces, module.name), 4 if kind == "method" else 6)


def arguments_of(node: Function, module: Module, skip_first: bool) -> str:
    """Write the arguments on one line, without `self`."""
    arguments = deepcopy(node.args)
    if skip_first:
        (arguments.posonlyargs or arguments.args or [None]).pop(0)
    for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if one is not None and one.annotation:
            one.annotation = Types(module).visit(one.annotation)
    return ast.unparse(arguments)


def type_of(annotation: ast.expr, module: Module) -> str:
    return ast.unparse(Types(module).visit(deepcopy(annotation)))


class Types(ast.NodeTransformer):
    """Give the library's types their full names (several modules have a `Report`), and drop `typer`'s annotations.

    Sphinx shows only the last part of a name, as a link to the right type.
    """

    def __init__(self, module: Module):
        self.homes = module.homes

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.parse(self.homes.get(node.id, node.id), mode="eval").body

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Read a type in quotes, such as "Part | None"; names of axes are also in quotes, and stay as they are."""
        try:
            inside = ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node
        except SyntaxError:
            return node
        names = {one.id for one in ast.walk(inside) if isinstance(one, ast.Name)}
        return self.visit(inside) if names & self.homes.keys() else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated" and isinstance(node.slice, ast.Tuple):
            return self.visit(node.slice.elts[0])
        return self.generic_visit(node)


def class_of(node: ast.ClassDef, module: Module, faces: dict[str, str]) -> str:
    """Describe a class: its constructor, its docstring, and its public methods that have a docstring."""
    methods = {one.name: one for one in node.body if isinstance(one, Function)}
    bases = [ast.unparse(base) for base in node.bases]
    is_error = any(base.endswith(("Error", "Exception", "Warning")) for base in bases)
    if "__init__" in methods:
        made = f"({arguments_of(methods['__init__'], module, skip_first=True)})"
    elif any("dataclass" in ast.unparse(one) for one in node.decorator_list) or "NamedTuple" in bases:
        made = f"({', '.join(fields_of(node, module))})"
    else:
        made = ""
    body = [prose(ast.get_docstring(node) or "", faces, module.name)]
    body += [
        function_of(one, module, faces, "method")
        for one in methods.values()
        if not one.name.startswith("_") and ast.get_docstring(one) and not _is_setter(one)
    ]
    return directive("exception" if is_error else "class", node.name + made, "\n".join(body), 6)


def _is_setter(node: Function) -> bool:
    return any(ast.unparse(one).endswith((".setter", ".deleter", "overload")) for one in node.decorator_list)


def fields_of(node: ast.ClassDef, module: Module) -> Iterator[str]:
    """Write the fields of a dataclass as arguments."""
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and not ast.unparse(one.annotation).startswith(("ClassVar", "KW_ONLY")):
            value = ast.unparse(one.value) if one.value else ""
            if "init=False" in value:
                continue
            default = f" = {'...' if value.startswith('field(') else value}" if value else ""
            yield f"{ast.unparse(one.target)}: {type_of(one.annotation, module)}{default}"


def directive(kind: str, head: str, body: str, ticks: int) -> str:
    fence = "`" * ticks
    return f"{fence}{{py:{kind}}} {head}\n\n{body}\n{fence}\n"


def prose(docstring: str, faces: dict[str, str], module: str) -> str:
    """Write a docstring as Markdown: examples as code, and names from the library as links."""
    blocks = []
    for block in _blocks(docstring):
        if block.lstrip().startswith(">>>"):
            if blocks and blocks[-1].endswith(f"\n{FENCE}") and blocks[-1].startswith(f"{FENCE}pycon"):
                blocks[-1] = f"{blocks[-1].removesuffix(FENCE)}\n{block.strip()}\n{FENCE}"
            else:
                blocks.append(f"{FENCE}pycon\n{block.strip()}\n{FENCE}")
        elif block.startswith("    "):
            blocks.append(f"{FENCE}text\n{block.strip()}\n{FENCE}")
        else:
            blocks.append("".join(_part(part, faces, module) for part in CODE.split(block)))
    return "\n\n".join(blocks)


def _blocks(docstring: str) -> Iterator[str]:
    """Split a docstring into paragraphs; an example right after a sentence becomes a separate paragraph."""
    for block in re.split(r"\n\s*\n", docstring):
        words, example, rest = block.partition(">>>")
        if words.strip() and example:
            yield words.rstrip()
            yield example + rest
        else:
            yield block


def _part(text: str, faces: dict[str, str], module: str) -> str:
    """Escape prose so that Markdown does not take it for markup; write code as a link if it names a public object."""
    if not CODE.fullmatch(text):
        text = re.sub(r"([\\*<$\[\]{}|])", r"\\\1", text)
        return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    name = text.strip("`")
    home = faces.get(f"{module}.{name}") or faces.get(f"llmlib.{name}")
    return f"{{py:obj}}`{name} <{home}>`" if home else text
