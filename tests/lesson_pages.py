"""What the pages of lessons keep to, for the tests that read them and for those that look at them in a browser."""

import ast
import re
import symtable
import unicodedata

LONGEST_LINE = 104  # columns that fit into a cell of JupyterLab at 1280 pixels with the file browser open


def columns(line):
    """How many columns of a monospaced font a line takes: a Chinese character takes two, a combining mark none."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in line
    )


def roads(notebook):
    """The cells of a notebook, each with whether it is on a side path: folded up to the next heading as high."""
    level = None
    for cell in notebook.cells:
        heading = re.match(r"(#+) (.*)", cell.source) if cell.cell_type == "markdown" else None
        if heading and (level is None or len(heading[1]) <= level):
            level = len(heading[1]) if heading[2].startswith("Side path:") else None
        yield cell, level is not None


def variables_of_comprehensions_renamed(source):
    """The same source with other names for them: Python 3.12 and later count them among the names of the module."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            outside = {id(one) for one in ast.walk(node.generators[0].iter)}
            inside = [one for one in ast.walk(node) if isinstance(one, ast.Name) and id(one) not in outside]
            own = {one.id for part in node.generators for one in ast.walk(part.target) if isinstance(one, ast.Name)}
            for one in inside:
                one.id = f"inside_{one.id}" if one.id in own else one.id
    return ast.unparse(tree)


def names_of(source):
    """The names of the module that a cell sets, and those that it or a function in it reads."""
    whole = symtable.symtable(variables_of_comprehensions_renamed(source), "cell", "exec")
    sets = {one.get_name() for one in whole.get_symbols() if one.is_assigned() or one.is_imported()}
    reads = {one.get_name() for one in whole.get_symbols() if one.is_referenced()}
    inside = list(whole.get_children())
    while inside:
        table = inside.pop()
        reads |= {one.get_name() for one in table.get_symbols() if one.is_global() and one.is_referenced()}
        inside += table.get_children()
    return sets, reads


def borrowed_from_side_paths(notebook):
    """Names that the main road reads although, on the way to there, only a side path has set them."""
    main, aside, found = set(), set(), set()
    for cell, is_aside in roads(notebook):
        if cell.cell_type != "code":
            continue
        sets, reads = names_of(cell.source)
        if is_aside:
            aside |= sets
        else:
            found |= (reads & aside) - main - sets
            main |= sets
    return found


def ways_to_set(source, names):
    """The statements of a cell, as text, that give a value to one of these names; imports give the same each time."""
    statements = [node for node in ast.parse(source).body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return {(name, ast.unparse(node)) for node in statements for name in names_of(ast.unparse(node))[0] & names}


def changed_behind_side_paths(notebook):
    """Names that a side path reads from the main road, and that the main road sets to something else further down.

    Who opens the side path in the end, after the rest of the lesson, would see other results.
    """
    cells = [(cell, aside) for cell, aside in roads(notebook) if cell.cell_type == "code"]
    found = set()
    for i, (cell, aside) in enumerate(cells):
        if not aside:
            continue
        start = max((j for j in range(i) if not cells[j][1]), default=-1)  # the last cell before the side path
        own = set().union(*(names_of(one.source)[0] for one, _ in cells[start + 1 : i + 1]))
        reads = names_of(cell.source)[1] - own
        before = set().union(*(ways_to_set(one.source, reads) for one, side in cells[: start + 1] if not side))
        known = {name for name, _ in before}
        later = set().union(*(ways_to_set(one.source, known) for one, side in cells[i + 1 :] if not side))
        found |= {name for name, _ in later - before}
    return found


def taken_and_defined_again(notebook):
    """Return the names that a cell takes from `mine` and a later exercise defines again.

    Until it is solved, such an exercise would break what uses the name and was right before.
    """
    taken, found = set(), set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if re.search(r"\bmine\([^)]*\w", cell.source):
                taken |= names_of(cell.source)[0]
            elif re.search(r"^check\(", cell.source, re.M):
                found |= taken & names_of(cell.source)[0]
    return found


def the_way(notebook):
    """The tables at the head of a lesson: minutes of the parts of its main road, and of its side paths."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    roads = {"main": {}, "side": {}}
    for table in re.findall(r"(?m)^\| (?:main road|side path)(?:.*\n?\|)+.*", text):
        head, _, *rows = ([cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines())
        for row in rows:
            for title, cell in zip(head, row):
                if title[:4] in roads:
                    of, part = roads[title[:4]], cell
                elif minutes := re.match(r"\d+", cell):
                    of[part] = of.get(part, 0) + int(minutes[0])
    return roads["main"], roads["side"]
