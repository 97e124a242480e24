"""Find out from the source which modules of llmlib import which, including lazy imports and imports for types.

python tests/import_graph.py        # print the numbers of modules, imports and cycles, and then each cycle
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(root: Path = ROOT, package: str = "llmlib") -> dict[str, set[str]]:
    """Return, for each module, the modules that it imports anywhere in its file."""
    files = {module_name(path, root): path for path in (root / package).rglob("*.py")}
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}
    return {name: _imports(trees[name], files.keys()) - {name} for name in files}


def _imports(tree: ast.Module, modules) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & set(modules) or {node.module}
    return found


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other (strongly connected components; Tarjan, 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module):
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for module in sorted(graph):
        if module not in number:
            visit(module)
    return found


if __name__ == "__main__":
    graph = import_graph(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    print(f"{len(graph)} modules, {sum(map(len, graph.values()))} imports, {len(cycles(graph))} cycles")
    for cycle in cycles(graph):
        print("  cycle:", ", ".join(cycle))
