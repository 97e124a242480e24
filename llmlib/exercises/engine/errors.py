"""Find the line of a learner's code that raised an exception, and say what usually causes such an error."""

import dis
import linecache
import re
import traceback
from collections.abc import Callable, Iterator
from types import CodeType, TracebackType
from typing import Any

FITS = "In a product with `@`, the last axis on the left and the second-to-last on the right must have the same size."
# Patterns for "ErrorType: message", each with the usual cause of such an error; the first match counts.
CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"TypeError: .* (takes|missing) .*argument",
        "The call does not match the arguments that the function declares. Compare the function's first line with "
        "the task.",
    ),
    (
        r"(list|tuple) indices must be integers or slices, not str",
        "You are using a key to index a list, but only a dictionary has keys. Did you expect a dictionary here?",
    ),
    (
        r"'(float|int)' object has no attribute '(backward|requires_grad|grad|grad_fn)'",
        "A plain number does not remember how it was computed, so no gradient flows through it. Call `.item()` only "
        "after you have the gradients.",
    ),
    (
        r"JSONDecodeError: Extra data",
        "The string that you pass continues after the end of the JSON. Where does the JSON end?",
    ),
    (
        r"JSONDecodeError:",
        "The string that you pass does not begin where the JSON begins, or does not end where the JSON ends.",
    ),
    (
        r"TypeError: attribute .* is not an instance of torch.Tensor",
        "A name in your dictionary belongs to a layer, not to its weight. `module.state_dict()` shows the right names.",
    ),
    (
        r"TypeError: cannot assign .* as parameter",
        "Only an `nn.Parameter` can replace an `nn.Parameter`. `functional_call(module, weights, inputs)` runs the "
        "module with other tensors, and does not change the module's own weights.",
    ),
    (
        r"TypeError: .*unexpected keyword",
        "The function that you call does not have this argument. Is its name misspelt, or does it come from another "
        "library (`dim` in torch is `axis` in numpy)?",
    ),
    (
        r"TypeError: .*(0-d|scalar) tensor",
        "This tensor has no axes: it is a single number. `shape`, `...` and broadcasting work for any number of axes, "
        "but `len` and `for` need at least one axis.",
    ),
    (
        r"'NoneType' object",
        "A value is None. Is a `return` missing, or was an optional argument left out? Check for None first.",
    ),
    (r"TypeError: .*not subscriptable", "The square brackets follow something that is not a list, tuple or tensor."),
    (
        r"TypeError: .*not callable",
        "The round brackets follow something that is not a function. Are you using one name for two things?",
    ),
    (r"TypeError: .*not iterable", "You are looping over a single value, or trying to unpack it."),
    (
        r"does not require grad and does not have a grad_fn",
        "The loss does not depend on any tensor that requires gradients. `requires_grad` was never set, or got lost: "
        "after `detach()`, under `no_grad()`, or because the name now refers to a newly computed tensor.",
    ),
    (
        r"a (view of a )?leaf Variable that requires grad",
        "You are changing a tensor in place although it requires gradients and autograd is recording. Autograd should "
        "not record the update, so write it under `with torch.no_grad():`.",
    ),
    (
        r"backward through the graph a second time",
        "The first `backward()` frees the values that a second `backward()` would need. Compute the loss again on each "
        "pass, and call `detach()` on what you carry over to the next pass.",
    ),
    (
        r"index -100 is out of bounds",
        "−100 is not an id: it marks positions that do not count, and it cannot be an index. Leave these positions "
        "out first, or set them to any id (`clamp(min=0)`) and leave them out afterwards.",
    ),
    (
        r"Boolean value of Tensor with more than one value|truth value of an array",
        "`if`, `and`, `or`, `not`, `min(…)` and `max(…)` need a single True or False, but this tensor contains several "
        "values. `torch.where`, `&`, `|`, `~` and `torch.maximum` work element by element.",
    ),
    (r"TypeError: unhashable type", "The keys of a dictionary and the items of a set cannot be lists. Use `tuple(…)`."),
    (r"TypeError: .*NoneType", "A value is None. Is a `return` missing, or was an optional argument left out?"),
    (
        r"TypeError: can't convert .* tensor to numpy|TypeError: .*ndarray",
        "You are mixing torch and numpy in one operation.",
    ),
    (
        r"TypeError: string indices must be integers",
        "You are using a key to index a string, but only a dictionary has keys. `json.loads` turns JSON into a "
        "dictionary. A loop over a dictionary goes through its keys, and keys are often strings.",
    ),
    (
        r"TypeError: .*(str|bytes).*",
        "You are mixing strings with bytes or numbers: `text.encode()` returns bytes, whose items are numbers.",
    ),
    (
        r"AttributeError: '(str|bytes)' object has no attribute 'read'",
        "`json.load` reads an open file, but you are passing it the JSON itself. `json.loads` reads strings and bytes.",
    ),
    (
        r"AttributeError: 'dict' object has no attribute",
        'Read an entry of a dictionary with square brackets: `d["name"]`.',
    ),
    (
        r"FileNotFoundError:|OSError: .*File name too long",
        "`open` takes the name of a file. Are you passing a name, or the content of the file?",
    ),
    (
        r"ValueError: invalid literal for int\(\) .*(b'|\\x0)",
        "These bytes are a number in binary, not its decimal digits. `int.from_bytes` turns them into a number.",
    ),
    (
        r"loading state_dict",
        "The names or the shapes of your weights differ from the module's. `module.state_dict()` shows both.",
    ),
    (
        r"AttributeError: 'str' object has no attribute",
        "This value is a string, but you expect another type. A loop over a dictionary goes through keys, not values.",
    ),
    (
        r"AttributeError:",
        "The value does not have this attribute. Perhaps its type is not what you expect: print the type.",
    ),
    (
        r"UnboundLocalError:",
        "You are reading a variable before the line that sets it has run. Perhaps that line is inside "
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
        "An index is too large for its axis: indices count from 0, so the last of n indices is n − 1. Is "
        "this index meant for this axis? Is the axis as long as you think?",
    ),
    (
        r"IndexError: The shape of the mask",
        "A mask in square brackets needs the same axes as the tensor. `masked_fill` broadcasts the mask; "
        "`x[..., mask]` applies it to the last axes.",
    ),
    (
        r"TypeError: .*must be Tensor, not (int|float)",
        "This function needs a tensor. For a plain number, use plain Python: `n ** 0.5` is a square root.",
    ),
    (
        r"IndexError: shape mismatch: indexing tensors",
        "`x[a, b]` pairs the entries of the two index tensors, so their shapes must match. Perhaps there is one more "
        "axis than you expect. `scatter` and `F.one_hot` work along the last axis, however many axes come before.",
    ),
    (
        r"IndexError: tensors used as indices",
        "A tensor of this dtype cannot be an index: indices are whole numbers (`long`) or booleans.",
    ),
    (
        r"IndexError: .*pop from empty",
        "You are taking an item from an empty list. Should the list be empty here? If so, check for that first.",
    ),
    (
        r"IndexError: Dimension|IndexError: too many|IndexError: Dimension out of range",
        "The tensor does not have this axis. Axes count from 0; counted from the end, -1 is the last axis.",
    ),
    (
        r"IndexError:",
        "You are reading a position that does not exist. Perhaps a list is empty in this case, or your loop looks "
        "for the right neighbour of the last entry.",
    ),
    (
        r"KeyError:",
        "This key is not in the dictionary. Is it spelt differently there, or is this a special case? "
        "For a key that may be missing, use `d.get(key, default)`.",
    ),
    (r"ZeroDivisionError:", "A count or a sum is zero in this case."),
    (
        r"UnicodeDecodeError:",
        "These bytes are not complete UTF-8: a character may be cut in the middle. "
        "A parameter of `decode` says what to do in that case.",
    ),
    (r"ValueError: .*range\(0, 256\)", "`bytes([...])` takes numbers from 0 to 255. Ids of merged tokens are larger."),
    (
        r"RuntimeError: selected index k",
        "You are asking `topk(k)` for more values than there are. With `min(k, len(...))`, you never ask for too many.",
    ),
    (
        r"(stack|cat\(\):?) expect\w* a non-empty",
        "The list is empty: your function collected no tensors in this case. What should it return then?",
    ),
    (
        r"TypeError: stack\(\)|RuntimeError: stack expects",
        "`torch.stack` needs a list (or tuple) of one or more tensors, all of the same shape. `torch.cat` "
        "joins tensors along an axis that they already have.",
    ),
    (
        r"TypeError: cat\(\)|RuntimeError: (Sizes of tensors must match|Tensors must have same number)",
        "`torch.cat` needs a list (or tuple) of tensors whose sizes differ only along the axis that you join.",
    ),
    (
        r"RuntimeError: expand\(|RuntimeError: The expanded size",
        "`expand` only stretches axes of length 1. To repeat existing entries, use `repeat_interleave`, "
        "or add an axis, expand it, and join it afterwards.",
    ),
    (
        r"RuntimeError: outer:|RuntimeError: 1D tensors expected|RuntimeError: .*1-D|RuntimeError: .*1D",
        "This operation takes tensors with a single axis, but yours have more. Broadcasting (`x[..., "
        "None] * y`) works for any number of axes.",
    ),
    (
        r"RuntimeError: .*(in-place|inplace)|RuntimeError: unsupported operation: more than one element",
        "You are writing into a tensor that shares its memory with another tensor, or whose old values autograd "
        "still needs. Work on a copy: `x.clone()`.",
    ),
    (
        r"ValueError: .*(empty|arg is an empty)",
        "You are looking for the largest or smallest item, but there are no items. If that can happen, check first.",
    ),
    (r"ValueError: .*unpack", "The number of values differs from the number of names on the left of `=`."),
    (r"EinopsError|einops", "The einops pattern does not fit the tensor: count the axes and compare the sizes."),
    (
        r"RuntimeError: .*einsum",
        "The letters of an einsum must fit the tensors: one letter for each axis, and the "
        "same size wherever the same letter appears.",
    ),
    (r"RuntimeError: .*batch[12]", f"{FITS} `transpose(-2, -1)` swaps two axes."),
    (
        r"RuntimeError: mat1 and mat2|RuntimeError: size mismatch|must match.*bmm",
        f"{FITS} Write down both shapes, with the names of their axes. Is an axis in the wrong position, or is its "
        "size not what you expect?",
    ),
    (
        r"RuntimeError: .*view size is not compatible",
        "`view` needs values that lie in memory in the order of the axes. "
        "After a transposition, they do not. `reshape` copies the values if necessary.",
    ),
    (r"RuntimeError: shape .* is invalid", "The new shape must have exactly as many values as the old one."),
    (
        r"RuntimeError: (Size does not match at dimension|Index tensor must have the same number)",
        "`gather` picks single numbers, and its index needs as many axes as the tensor. `x[ids]` takes whole rows.",
    ),
    (
        r"RuntimeError: The size of tensor|RuntimeError: .*broadcast|RuntimeError: .*must match",
        "Two sizes should be equal (or one of them 1), but are not. Write down the shapes of both sides, axis by axis.",
    ),
    (
        r"RuntimeError: .*(dtype|scalar type)",
        "You are combining two dtypes that do not mix. Create new tensors with `dtype=x.dtype`, and masks as `bool`. "
        "A module's own weights are float32.",
    ),
    (r"RuntimeError: .*requires grad", "`numpy()` needs a tensor without gradients: `x.detach().numpy()`."),
    (r"RecursionError:", "The function never stops calling itself. Which case should stop it?"),
    (r"MemoryError|out of memory|RuntimeError: .*allocate", "A list or tensor grows far beyond what the task needs."),
    (
        r"TypeError: .*(tuple of ints|float' object cannot)",
        "A size is a float. `/` returns a float even for whole numbers; `//` does not.",
    ),
    (r"TypeError:", "An operation does not work on values of this type. Print `type(...)` of the values."),
    (r"AssertionError:", "One of your `assert`s fails in this case."),
    (r"KeyboardInterrupt", "The run was interrupted."),
)


NO_GRADIENT = (
    "`{0}.grad` is None. `backward()` only stores gradients in tensors that you made with `requires_grad`, not in "
    "computed tensors: after `{0} = {0} - …`, the name `{0}` means a new tensor. Change the old tensor in place, "
    "under `torch.no_grad()`, or make the new one a starting point again: `{0} = (…).detach().requires_grad_()`."
)
TRANSPOSED = f"{FITS} Here, the last axis of both has size {{0}}. Should you transpose the second matrix (`.T`)?"
AXES = "There are {1} names on the left of `=`, but the tensor has {0} axes. Which axes does it have in the task?"
PIECES = (
    "There are {1} names on the left of `=`, but `{2}` returns a different number of pieces: {0}. Does "
    "it cut along the axis that you mean? Is that axis long enough?"
)
IDS_MULTIPLIED = (
    "You are multiplying the ids. An id is the name of a row, not a quantity: id 4 is not twice id 2. `table[ids]` "
    "takes the rows."
)
ONE_HOT = (
    f"{FITS} `F.one_hot` makes columns only up to the largest id, unless its second argument, `num_classes`, "
    "says how many columns there should be."
)


def name_of(error: BaseException) -> str:
    """Write an error as "ValueError: message", on one line and without addresses, which differ from run to run."""
    try:
        message = str(error)
    except Exception:
        message = ""
    message = re.sub(r"0x[0-9a-fA-F]+", "0x…", message.strip().split("\n")[0])[:200]
    return f"{type(error).__name__}: {message}".removesuffix(": ")


TAKEN_OUT = "You are removing a key that is not in this dictionary. `d.pop(key, None)` works even if it is missing."
OWN_RAISE = "This error comes from your own `raise`. What does the task want the function to return in this case?"
ANOTHER_CALL = (
    "You are calling `{0}` with too few arguments, or with some that it does not take. Compare the call with the first "
    "line of `{0}`, or with its documentation."
)


def usual_cause(error: BaseException, line: str = "", inside: bool = False) -> str:
    """Say what usually causes this kind of error in this line; return an empty string if we do not know.

    `inside` means that the learner's function had started, so the wrong call must be a call to another function.

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
    # If the line contains `.T`, these messages probably mean that the tensor has more than two axes.
    turned = re.search(r"\.T\b", line) and re.search(r"The size of tensor|batch[12]", name)
    return f"{cause} `.T` reverses the order of all axes; `transpose(-2, -1)` swaps the last two." if turned else cause


def code_of(function: Callable[..., Any]) -> CodeType | None:
    """Return the code of a learner's function or of their module's `forward`, or None if it has no code."""
    return getattr(function, "__code__", None) or getattr(function, "code", None)


def all_code(code: CodeType) -> Iterator[CodeType]:
    """Yield the code object, and then the code objects of the functions inside it."""
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
    """Find the last line that the learner's code ran before an error: its number (in its cell or file) and its text."""
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
    """Find the line that reads the unbound variable; after a few runs, Python 3.11 names the line before it instead."""
    # By then, Python uses a single instruction to store one variable and load another.
    for read in [i for i in dis.get_instructions(step.tb_frame.f_code) if i.offset >= step.tb_lasti][:2]:
        if f"'{read.argval}'" in str(error) and read.opname.startswith("LOAD") and read.positions:
            return read.positions.lineno or step.tb_lineno
    return step.tb_lineno
