"""The tests that read the notebooks and those that open them in a browser share these rules for lesson pages."""

import ast
import re
import symtable
import unicodedata

LONGEST_LINE = 104  # columns that fit into a cell of JupyterLab at 1280 pixels with the file browser open


def columns(line):
    """Return how many columns a line takes in a monospaced font: 2 for a Chinese character, 0 for a combining mark."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in line
    )


def cells_on_roads(notebook):
    """Yield each cell, and whether it is on a side path.

    A side path ends at the next heading of the same or a higher level.
    """
    level = None
    for cell in notebook.cells:
        heading = re.match(r"(#+) (.*)", cell.source) if cell.cell_type == "markdown" else None
        if heading and (level is None or len(heading[1]) <= level):
            level = len(heading[1]) if heading[2].startswith("Side path:") else None
        yield cell, level is not None


def rename_variables_of_comprehensions(source):
    """Rename the variables of comprehensions: since Python 3.12, `symtable` counts them as module names."""
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
    """Return the module-level names that a cell sets, and those that the cell or a function in it reads."""
    whole = symtable.symtable(rename_variables_of_comprehensions(source), "cell", "exec")
    sets = {one.get_name() for one in whole.get_symbols() if one.is_assigned() or one.is_imported()}
    reads = {one.get_name() for one in whole.get_symbols() if one.is_referenced()}
    inside = list(whole.get_children())
    while inside:
        table = inside.pop()
        reads |= {one.get_name() for one in table.get_symbols() if one.is_global() and one.is_referenced()}
        inside += table.get_children()
    return sets, reads


def borrowed_from_side_paths(notebook):
    """Return the names that the main road reads although only a side path has set them so far."""
    main, aside, found = set(), set(), set()
    for cell, is_aside in cells_on_roads(notebook):
        if cell.cell_type != "code":
            continue
        sets, reads = names_of(cell.source)
        if is_aside:
            aside |= sets
        else:
            found |= (reads & aside) - main - sets
            main |= sets
    return found


def statements_that_set(source, names):
    """Return each statement of a cell that sets one of these names, as a pair of the name and the statement's text.

    Imports do not count, because they set a name to the same value each time.
    """
    statements = [node for node in ast.parse(source).body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return {(name, ast.unparse(node)) for node in statements for name in names_of(ast.unparse(node))[0] & names}


def changed_after_side_paths(notebook):
    """Return the names that a side path reads from the main road, and that the main road later sets to something else.

    If you opened such a side path after the rest of the lesson, you would see different results.
    """
    cells = [(cell, aside) for cell, aside in cells_on_roads(notebook) if cell.cell_type == "code"]
    found = set()
    for i, (cell, aside) in enumerate(cells):
        if not aside:
            continue
        start = max((j for j in range(i) if not cells[j][1]), default=-1)  # the last cell before the side path
        own = set().union(*(names_of(one.source)[0] for one, _ in cells[start + 1 : i + 1]))
        reads = names_of(cell.source)[1] - own
        before = set().union(*(statements_that_set(one.source, reads) for one, side in cells[: start + 1] if not side))
        set_before = {name for name, _ in before}
        later = set().union(*(statements_that_set(one.source, set_before) for one, side in cells[i + 1 :] if not side))
        found |= {name for name, _ in later - before}
    return found


def taken_from_mine_and_redefined(notebook):
    """Return the names that a cell takes from `mine` and that a later exercise defines again.

    Until it is solved, such an exercise breaks code that uses the name and worked before.
    """
    taken, found = set(), set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if re.search(r"\bmine\([^)]*\w", cell.source):
                taken |= names_of(cell.source)[0]
            elif re.search(r"^check\(", cell.source, re.M):
                found |= taken & names_of(cell.source)[0]
    return found


def minutes_of_roads(notebook):
    """Return the minutes of each part of the main road, and of each side path, from the tables in a lesson."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    roads = {"main": {}, "side": {}}
    for table in re.findall(r"(?m)^\| (?:main road|side path)(?:.*\n?\|)+.*", text):
        head, _, *rows = ([cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines())
        for row in rows:
            for title, cell in zip(head, row):
                if title[:4] in roads:
                    minutes_of, part = roads[title[:4]], cell
                elif minutes := re.match(r"\d+", cell):
                    minutes_of[part] = minutes_of.get(part, 0) + int(minutes[0])
    return roads["main"], roads["side"]
