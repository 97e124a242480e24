"""An exception in a learner's code: which of their lines raised it, and what usually causes such an error."""

import dis
import linecache
import re
import traceback
from collections.abc import Callable, Iterator
from types import CodeType, TracebackType
from typing import Any

FITS = "In a product with `@`, the last axis on the left and the second-to-last on the right must have the same size."
# First match wins: a pattern for "ErrorType: message", and its usual cause.
CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"TypeError: .* (takes|missing) .*argument",
        "The call does not match the arguments that the function declares. Compare the function's first line with "
        "the task.",
    ),
    (
        r"(list|tuple) indices must be integers or slices, not str",
        "You look up a name in a list, and only a dictionary has names. Is this a list where you expect a dictionary?",
    ),
    (
        r"'(float|int)' object has no attribute '(backward|requires_grad|grad|grad_fn)'",
        "A plain number does not remember how it was computed, so no gradient flows through it. Leave `.item()` out "
        "until you have the gradients.",
    ),
    (
        r"JSONDecodeError: Extra data",
        "The text that you pass in goes on after the end of the JSON. Where does the JSON end?",
    ),
    (
        r"JSONDecodeError:",
        "The text that you pass in does not begin, or does not end, where the JSON does.",
    ),
    (
        r"TypeError: attribute .* is not an instance of torch.Tensor",
        "A name in your dictionary belongs to a layer, not to its weight. `module.state_dict()` shows all the names.",
    ),
    (
        r"TypeError: cannot assign .* as parameter",
        "You can only replace an `nn.Parameter` with another one. `functional_call(module, weights, inputs)` runs the "
        "module with other tensors, and leaves the module's own alone.",
    ),
    (
        r"TypeError: .*unexpected keyword",
        "The function that you call does not know this keyword. Is the keyword misspelt, or is it another library's "
        "name (`dim` in torch is `axis` in numpy)?",
    ),
    (
        r"TypeError: .*(0-d|scalar) tensor",
        "This tensor has no axis at all: it is a single number. `shape`, `...` and broadcasting work for any number of "
        "axes, but `len` and `for` need at least one.",
    ),
    (
        r"'NoneType' object",
        "Something is None: a missing `return`, or an optional argument that was left out. Handle `None` first.",
    ),
    (r"TypeError: .*not subscriptable", "You use square brackets after something that is not a list, tuple or tensor."),
    (
        r"TypeError: .*not callable",
        "You use round brackets after something that is not a function. Or do you use one name for two things?",
    ),
    (r"TypeError: .*not iterable", "You loop over a single value, or unpack one."),
    (
        r"does not require grad and does not have a grad_fn",
        "Nothing that the loss depends on requires gradients. `requires_grad` was never set, or it got lost: after "
        "`detach()`, under `no_grad()`, or because the name now means a newly computed tensor.",
    ),
    (
        r"a (view of a )?leaf Variable that requires grad",
        "You change a tensor that requires gradients in place, while autograd records every step. Autograd should not "
        "record an update: do it under `with torch.no_grad():`.",
    ),
    (
        r"backward through the graph a second time",
        "The first `backward()` frees what a second one would need. You reuse something that was computed before it: "
        "compute the loss again on each pass, and `detach()` what you carry over.",
    ),
    (
        r"index -100 is out of bounds",
        "−100 is not an id: it marks positions that do not count. You cannot look anything up with it, so leave "
        "these positions out first, or give them any id (`clamp(min=0)`) and leave them out afterwards.",
    ),
    (
        r"Boolean value of Tensor with more than one value|truth value of an array",
        "`if`, `and`, `or`, `not`, `min(…)` and `max(…)` ask for one True or False, and this tensor holds many. "
        "`torch.where`, `&`, `|`, `~` and `torch.maximum` work number by number.",
    ),
    (r"TypeError: unhashable type", "The keys of a dictionary and the items of a set cannot be lists; use `tuple(…)`."),
    (r"TypeError: .*NoneType", "Something is None: a missing `return`, or an optional argument that was left out."),
    (r"TypeError: can't convert .* tensor to numpy|TypeError: .*ndarray", "You mix torch and numpy in one step."),
    (
        r"TypeError: string indices must be integers",
        "You look up a name in a string, and only a dictionary has names. `json.loads` turns JSON into a dictionary; a "
        "loop over a dictionary gives its keys, and those are strings, too.",
    ),
    (
        r"TypeError: .*(str|bytes).*",
        "You mix text with bytes (or numbers): `text.encode()` gives bytes, and the items of bytes are numbers.",
    ),
    (
        r"AttributeError: '(str|bytes)' object has no attribute 'read'",
        "`json.load` reads an open file, but here it gets the text itself; `json.loads` reads text.",
    ),
    (
        r"AttributeError: 'dict' object has no attribute",
        'You read an entry of a dictionary with square brackets: `d["name"]`.',
    ),
    (
        r"FileNotFoundError:|OSError: .*File name too long",
        "`open` takes the name of a file. Do you pass it a name, or what is in the file?",
    ),
    (
        r"ValueError: invalid literal for int\(\) .*(b'|\\x0)",
        "These bytes are a number in binary, not its digits: `int.from_bytes` turns them into a number.",
    ),
    (
        r"loading state_dict",
        "The names or the shapes of your weights differ from the module's. `module.state_dict()` shows both.",
    ),
    (
        r"AttributeError: 'str' object has no attribute",
        "This is a string where you expect something else. A loop over a dictionary gives its keys, not its values.",
    ),
    (
        r"AttributeError:",
        "The value has no such attribute; often it has a different type from what you think. Print its type.",
    ),
    (
        r"UnboundLocalError:",
        "You read a name before the line that sets it has run; perhaps that line is inside "
        "an `if` or a loop that was skipped.",
    ),
    (
        r"NameError: name '(true|false|null)'",
        "`true`, `false` and `null` are JSON, not Python: `json.loads` reads them.",
    ),
    (
        r"NameError:",
        "Python does not know this name: it is misspelt, or you have not run the cell that defines or imports it.",
    ),
    (
        r"IndexError: index .*out of (bounds|range)|IndexError: index out of range",
        "An index is too large for its axis: indices count from 0, so the last of n is n − 1. Is "
        "it meant for this axis, and is the axis as long as you think?",
    ),
    (
        r"IndexError: The shape of the mask",
        "A mask in square brackets needs the same axes as the tensor it picks from. `masked_fill` stretches it; "
        "`x[..., mask]` picks along the last axes.",
    ),
    (
        r"TypeError: .*must be Tensor, not (int|float)",
        "This function wants a tensor. For a plain number, use Python alone: `n ** 0.5` is a square root.",
    ),
    (
        r"IndexError: shape mismatch: indexing tensors",
        "The two index tensors in `x[a, b]` are read side by side, so their shapes must fit. They do not if there is "
        "one more axis than you expect. `scatter` and `F.one_hot` work along the last axis, however many come before.",
    ),
    (
        r"IndexError: tensors used as indices",
        "A tensor of this kind cannot be an index: indices are whole numbers (`long`) or booleans.",
    ),
    (
        r"IndexError: .*pop from empty",
        "There is nothing left to take. Should this case come up? If so, check for it first.",
    ),
    (
        r"IndexError: Dimension|IndexError: too many|IndexError: Dimension out of range",
        "The tensor does not have this axis. Axes count from 0; from the end, -1 is the last.",
    ),
    (
        r"IndexError:",
        "You read a position that does not exist. A list that is empty in this case has no first entry; "
        "and in a loop over neighbours, the last one has no right neighbour.",
    ),
    (
        r"KeyError:",
        "This key is not in the dictionary. Is it spelt differently there, or is this a special case? "
        "`d.get(key, default)` is for a key that may be missing.",
    ),
    (r"ZeroDivisionError:", "A count or a sum is zero in this case."),
    (
        r"UnicodeDecodeError:",
        "These bytes are not a complete UTF-8 text: a character may be cut in the middle. "
        "`decode` has a parameter for what to do then.",
    ),
    (r"ValueError: .*range\(0, 256\)", "`bytes([...])` takes numbers from 0 to 255; ids of merged tokens are larger."),
    (
        r"RuntimeError: selected index k",
        "You ask `topk(k)` for more values than there are. `min(k, len(...))` is never too many.",
    ),
    (
        r"(stack|cat\(\):?) expect\w* a non-empty",
        "The list is empty: in this case nothing was collected. What should the function return then?",
    ),
    (
        r"TypeError: stack\(\)|RuntimeError: stack expects",
        "`torch.stack` wants a list (or tuple) of one or more tensors, all of the same shape; `torch.cat` "
        "joins along an axis that is already there.",
    ),
    (
        r"TypeError: cat\(\)|RuntimeError: (Sizes of tensors must match|Tensors must have same number)",
        "`torch.cat` wants a list (or tuple) of tensors whose sizes differ only along the axis that you join.",
    ),
    (
        r"RuntimeError: expand\(|RuntimeError: The expanded size",
        "`expand` only stretches axes of length 1. To repeat what is there, use `repeat_interleave`, "
        "or add an axis first and join it afterwards.",
    ),
    (
        r"RuntimeError: outer:|RuntimeError: 1D tensors expected|RuntimeError: .*1-D|RuntimeError: .*1D",
        "This operation takes tensors with a single axis; here there are more. Broadcasting (`x[..., "
        "None] * y`) works for any.",
    ),
    (
        r"RuntimeError: .*(in-place|inplace)|RuntimeError: unsupported operation: more than one element",
        "You write into a tensor that shares its memory with another, or whose old values are still needed. "
        "Work on a copy: `x.clone()`.",
    ),
    (
        r"ValueError: .*(empty|arg is an empty)",
        "You take the largest or smallest of no items at all. Should this case come up? If so, check for it first.",
    ),
    (r"ValueError: .*unpack", "There are more, or fewer, values than names on the left of `=`."),
    (r"EinopsError|einops", "The einops pattern does not fit the tensor: count the axes and compare the sizes."),
    (
        r"RuntimeError: .*einsum",
        "The letters of an einsum must fit the tensors: one letter for each axis, and the "
        "same size wherever a letter appears again.",
    ),
    (
        r"RuntimeError: .*batch[12]",
        f"{FITS} `transpose(-2, -1)` swaps two axes.",
    ),
    (
        r"RuntimeError: mat1 and mat2|RuntimeError: size mismatch|must match.*bmm",
        f"{FITS} Write both shapes down, with the names of their axes: is one in the wrong position, or is its size "
        "not what you thought?",
    ),
    (
        r"RuntimeError: .*view size is not compatible",
        "`view` needs values that are in memory in the order of the "
        "axes, and the values of a transposed tensor are not. `reshape` copies where it must.",
    ),
    (r"RuntimeError: shape .* is invalid", "The new shape does not hold as many values as the old one."),
    (
        r"RuntimeError: (Size does not match at dimension|Index tensor must have the same number)",
        "`gather` picks single numbers, and its index needs as many axes as the tensor. `x[ids]` takes whole rows.",
    ),
    (
        r"RuntimeError: The size of tensor|RuntimeError: .*broadcast|RuntimeError: .*must match",
        "Two sizes should be the same (or 1) but are not. Write down the shapes of both sides, axis by axis.",
    ),
    (
        r"RuntimeError: .*(dtype|scalar type)",
        "You combine two dtypes that do not mix. Make new tensors with `dtype=x.dtype`, and masks with `bool`. "
        "A module's own weights are float32.",
    ),
    (r"RuntimeError: .*requires grad", "`numpy()` needs a tensor without gradients: `x.detach().numpy()`."),
    (r"RecursionError:", "The function calls itself forever; which case should stop it?"),
    (r"MemoryError|out of memory|RuntimeError: .*allocate", "A list or tensor grows far beyond what the task needs."),
    (
        r"TypeError: .*(tuple of ints|float' object cannot)",
        "A size is a float. `/` gives a float even for whole numbers; `//` does not.",
    ),
    (r"TypeError:", "An operation got a type of value that it does not work on. Print `type(...)` of what goes in."),
    (r"AssertionError:", "One of your `assert`s fails in this case."),
    (r"KeyboardInterrupt", "You, or somebody, stopped the run."),
)


NO_GRADIENT = (
    "`{0}.grad` is None. `backward()` only stores gradients in tensors that you made with `requires_grad`, not in "
    "computed ones: after `{0} = {0} - …` the name `{0}` means a new tensor. Change the old one in place, "
    "under `torch.no_grad()`, or make the new one a starting point again: `{0} = (…).detach().requires_grad_()`."
)
TRANSPOSED = f"{FITS} Here the last axes of both have {{0}}. Should the second matrix be transposed (`.T`)?"
AXES = "There are {1} names on the left of `=`, and the tensor has {0} axes. Which axes does the task give it?"
PIECES = (
    "There are {1} names on the left of `=`, but `{2}` gives a different number of pieces: {0}. Does "
    "it cut along the axis that you mean, and is that axis long enough?"
)
IDS_MULTIPLIED = (
    "You multiply the ids. An id is the name of a row, not an amount: id 4 is not twice id 2. `table[ids]` takes the "
    "rows."
)
ONE_HOT = (
    f"{FITS} `F.one_hot` makes one column more than the largest id, unless its second argument, `num_classes`, "
    "says how many there should be."
)


def name_of(error: BaseException) -> str:
    """Write an error as "ValueError: message", in one line and without addresses, which differ from run to run."""
    try:
        message = str(error)
    except Exception:
        message = ""
    message = re.sub(r"0x[0-9a-fA-F]+", "0x…", message.strip().split("\n")[0])[:200]
    return f"{type(error).__name__}: {message}".removesuffix(": ")


TAKEN_OUT = "You remove a key that is not in this dictionary. `d.pop(key, None)` also works if the key is missing."
OWN_RAISE = "This `raise` is your own. What should the function return in this case? The task says."
ANOTHER_CALL = (
    "You call `{0}` with arguments that it does not take. Compare the call with the first line of `{0}`, or with its "
    "documentation."
)


def usual_cause(error: BaseException, line: str = "", inside: bool = False) -> str:
    """Say what usually causes this kind of error in such a line; or return an empty string.

    `inside` says that the function itself had started, so the wrong call was to another one.

    >>> usual_cause(ZeroDivisionError("division by zero"))
    'A count or a sum is zero in this case.'
    """
    name = name_of(error)
    if line.startswith("raise "):
        return OWN_RAISE
    called = re.match(r"TypeError: ([\w.<>]+)\(\) (?:takes|missing) .*argument", name)
    if inside and called:
        return ANOTHER_CALL.format(called[1].split(".")[-1])
    if name.startswith("KeyError") and re.search(r"\.pop\(|^del ", line):
        return TAKEN_OUT
    if "NoneType" in name and (owner := re.search(r"([A-Za-z_]\w*)\.grad\b", line)):
        return NO_GRADIENT.format(owner[1])
    unpacked = re.search(r"values to unpack \(expected (\d+)(?:, got (\d+))?\)", name)
    if unpacked and (cut := re.search(r"\.(chunk|split|unbind|shape)\b", line)):
        return (AXES if cut[1] == "shape" else PIECES).format(unpacked[2] or "more", unpacked[1], cut[1])
    if "shapes cannot be multiplied" in name and re.search(r"one_hot\([^(),]*\)", line):
        return ONE_HOT
    if "shapes cannot be multiplied" in name and re.search(r"\bids(\.\w+\([^()]*\))?\s*@", line):
        return IDS_MULTIPLIED
    shapes = re.search(r"mat1 and mat2 .* \((\d+)x(\d+) and (\d+)x(\d+)\)", name)
    if shapes and shapes[2] == shapes[4]:
        return TRANSPOSED.format(shapes[2])
    cause = next((cause for pattern, cause in CAUSES if re.search(pattern, name)), "")
    turned = re.search(r"\.T\b", line) and re.search(r"The size of tensor|batch[12]", name)  # more than two axes
    return f"{cause} `.T` reverses the order of all axes; `transpose(-2, -1)` swaps the last two." if turned else cause


def code_of(function: Callable[..., Any]) -> CodeType | None:
    """Return the code of a learner's function, or of their module's `forward`; None if it has no code."""
    return getattr(function, "__code__", None) or getattr(function, "code", None)


def all_code(code: CodeType) -> Iterator[CodeType]:
    """Return the code, and the code of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


def has_loop(function: Callable[..., Any]) -> bool:
    """Return whether a function, or one inside it, jumps back to an earlier line; True if there is no code to look at.

    >>> has_loop(lambda n: n + 1), has_loop(lambda n: [i for i in range(n)])
    (False, True)
    """
    code = code_of(function)
    if not isinstance(code, CodeType):
        return True
    return any("JUMP_BACKWARD" in step.opname for part in all_code(code) for step in dis.get_instructions(part))


def came_from_inside(error: BaseException, function: Callable[..., Any]) -> bool:
    """Return whether the function had started when the error was raised; if not, it did not accept its arguments."""
    code = code_of(function)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


def their_line(error: BaseException, function: Callable[..., Any]) -> tuple[int, str] | None:
    """Find the last line of the learner's code that was running: its number (within its cell or file) and its text."""
    home = getattr(code_of(function), "co_filename", None)
    steps, step = [], error.__traceback__
    while step:
        steps += [step] * (step.tb_frame.f_code.co_filename == home)
        step = step.tb_next
    if not steps or home is None:
        return None
    number = _line_that_reads(error, steps[-1]) if isinstance(error, UnboundLocalError) else steps[-1].tb_lineno
    text = linecache.getline(home, number).strip()
    return (number, text) if text else None


def _line_that_reads(error: UnboundLocalError, step: TracebackType) -> int:
    """Find the line with the unbound variable: after a few runs, Python 3.11 names the line before it.

    By then, a single instruction stores one variable and loads the next.
    """
    for read in [i for i in dis.get_instructions(step.tb_frame.f_code) if i.offset >= step.tb_lasti][:2]:
        if f"'{read.argval}'" in str(error) and read.opname.startswith("LOAD") and read.positions:
            return read.positions.lineno or step.tb_lineno
    return step.tb_lineno
