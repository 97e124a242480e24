"""Find the cells that a lesson's views need.

Browser tests show and run only these cells, since nbval runs all cells, and test_pages shows all of them.
"""

import dis
from types import CodeType

import nbformat

from llmlib import explore, widgets


def cells_of_views(path):
    """Return the numbers of the cells that show a view, and of the cells that define names these need."""
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
    """Return the names that a cell binds, and those that it uses (even inside functions) without having bound them."""
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
