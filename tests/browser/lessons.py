"""Which cells of a lesson its views need: in a browser only these are shown and run, since nbval runs all of them, and
test_pages shows all."""

import dis
from types import CodeType

import nbformat

from llmlib import explore, widgets


def cells_of_views(path):
    """Numbers of the cells that show a view, and of those in which something that they need gets its name."""
    cells = [(n, cell.source) for n, cell in enumerate(nbformat.read(path, 4).cells) if cell.cell_type == "code"]
    views = {*explore.__all__, *widgets.__all__}
    found, needed = [], set()
    for number, source in reversed(cells):
        bound, used = names(compile(source, str(path), "exec"))
        if views & (used | bound) or needed & bound:
            found.append(number)
            needed = needed - bound | used
    return found[::-1]


def names(code):
    """What a cell binds, and what it uses that it has not bound before; the insides of functions count as used."""
    bound, used = set(), set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
            bound.add(instruction.argval)
        elif instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL") and instruction.argval not in bound:
            used.add(instruction.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            used |= names(inner)[1] - bound
    return bound, used
