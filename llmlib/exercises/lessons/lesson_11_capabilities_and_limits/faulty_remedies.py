"""The wrong ways through the exercises of `remedies`: each reference once more, with keywords for its faults."""

import math
from collections.abc import Callable
from typing import Any, Literal

Rarity = Literal[
    "never negative", "negative", "plain", "plain and 1", "1 outside", "upside down", "none", "share",
    "occurrences", "base 2", "base 10", "no logarithm", "without the word", "document",
]  # fmt: skip
Slowed = Literal[
    "by length", "not at all", "upside down", "b exchanged", "plain length", "brackets missing", "k1 at the 1",
    "different words", "sum of lengths", "without k1", "by the longest", "median",
]  # fmt: skip


def faulty_bm25(
    query: Any,
    documents: Any,
    k1: Any,
    b: Any,
    rarity: Rarity = "never negative",
    times: Literal["counted", "there or not", "parts of words", "share", "in all documents"] = "counted",
    curve: Literal["saturates", "linear", "no k1 above", "no times above", "k1 above", "no curve at all"] = "saturates",
    slowed: Slowed = "by length",
    repeated: Literal["counts", "once", "squared"] = "counts",
    total: Literal["sum", "mean", "largest", "product"] = "sum",
    give: Literal["scores", "best", "order", "one number", "pairs"] = "scores",
) -> Any:
    n, lengths = len(documents), [len(document) for document in documents]
    mean = sum(lengths) / n
    words = list(dict.fromkeys(query)) if repeated == "once" else list(query)
    found = []
    for document in documents:
        parts = []
        for word in words:
            having = sum(word in other for other in documents)
            tf = _times(times, word, document, documents)
            slow = _slowed(slowed, document, k1, b, mean, lengths)
            match curve:
                case "saturates":
                    gain = tf * (k1 + 1) / (tf + slow)
                case "linear":
                    gain = tf * (k1 + 1) / slow
                case "no curve at all":
                    gain = tf
                case "no k1 above":
                    gain = tf / (tf + slow)
                case "no times above":
                    gain = (k1 + 1) / (tf + slow) if tf else 0.0
                case "k1 above":
                    gain = tf * k1 / (tf + slow)
            weight = _rarity(rarity, word, document, documents, n, having)
            parts.append(weight * gain * (query.count(word) if repeated == "squared" else 1))
        match total:
            case "sum":
                found.append(sum(parts, 0.0))
            case "mean":
                found.append(sum(parts) / len(parts) if parts else 0.0)
            case "largest":
                found.append(max(parts, default=0.0))
            case "product":
                found.append(math.prod(parts))
    order = sorted(range(n), key=lambda i: -found[i])
    match give:
        case "scores":
            return found
        case "best":
            return order[0]
        case "order":
            return order
        case "one number":
            return sum(found)
        case "pairs":
            return list(zip(found, range(n)))


def _times(times: str, word: str, document: list[str], documents: list[list[str]]) -> float:
    match times:
        case "counted":
            return document.count(word)
        case "there or not":
            return word in document
        case "parts of words":
            return " ".join(document).count(word)
        case "share":
            return document.count(word) / len(document)
        case _:  # in all documents
            return sum(other.count(word) for other in documents) if word in document else 0


def _rarity(how: Rarity, word: str, document: list[str], documents: list[list[str]], n: int, having: int) -> float:
    odds = (n - having + 0.5) / (having + 0.5)
    match how:
        case "never negative":
            return math.log(1 + odds)
        case "negative":
            return math.log(odds)
        case "plain":
            return math.log(n / having) if having else 0.0
        case "plain and 1":
            return math.log(n / (1 + having))
        case "1 outside":
            return 1 + math.log(odds)
        case "upside down":
            return math.log(1 + 1 / odds)
        case "none":
            return 1.0
        case "share":
            return having / n
        case "occurrences":
            all_of_them = sum(other.count(word) for other in documents)
            inside = 1 + (n - all_of_them + 0.5) / (all_of_them + 0.5)
            if inside <= 0:
                raise ValueError("math domain error")
            return math.log(inside)
        case "base 2":
            return math.log2(1 + odds)
        case "base 10":
            return math.log10(1 + odds)
        case "no logarithm":
            return 1 + odds
        case "without the word":
            return math.log(1 + (n + 0.5) / (having + 0.5))
        case "document":  # as if the word had to be rare in this document
            inside = 1 + (n - document.count(word) + 0.5) / (document.count(word) + 0.5)
            return math.log(max(inside, 1e-9))


def _slowed(how: Slowed, document: list[str], k1: float, b: float, mean: float, lengths: list[int]) -> float:
    length = len(document)
    match how:
        case "by length":
            return k1 * (1 - b + b * length / mean)
        case "not at all":
            return k1
        case "upside down":
            return k1 * (1 - b + b * mean / length)
        case "b exchanged":
            return k1 * (b + (1 - b) * length / mean)
        case "plain length":
            return k1 * (1 - b + b * length)
        case "brackets missing":
            return k1 * 1 - b + b * length / mean
        case "k1 at the 1":
            return k1 * (1 - b) + b * length / mean
        case "different words":
            return k1 * (1 - b + b * len(set(document)) / mean)
        case "sum of lengths":
            return k1 * (1 - b + b * length / sum(lengths))
        case "without k1":
            return 1 - b + b * length / mean
        case "by the longest":
            return k1 * (1 - b + b * length / max(lengths))
        case "median":
            return k1 * (1 - b + b * length / sorted(lengths)[len(lengths) // 2])


Exponent = Literal[
    "d / (d − 2)", "1", "(d − 2) / d", "d / (d − 1)", "−i / d", "d", "d − 2", "d / 2", "2 / d", "−2 / d", "2 / (d − 2)",
    "d / 2 − 1", "1 / (d − 2)", "1 / d", "d / (d + 2)", "d / (d − 4)", "rounded",
]  # fmt: skip


def faulty_longer_theta(
    theta: Any,
    d_head: Any,
    factor: Any,
    exponent: Exponent = "d / (d − 2)",
    side: Literal["times", "divided"] = "times",
    raised: Literal["factor", "both", "theta", "nothing", "product"] = "factor",
    give: Literal["theta", "divisor", "slowest", "old slowest", "unchanged", "whole", "frequencies"] = "theta",
) -> Any:
    d = d_head
    power = {
        "d / (d − 2)": d / (d - 2), "1": 1, "(d − 2) / d": (d - 2) / d, "d / (d − 1)": d / (d - 1),
        "−i / d": 2 * d / (d - 2), "d": d, "d − 2": d - 2, "d / 2": d / 2, "2 / d": 2 / d, "−2 / d": -2 / d,
        "2 / (d − 2)": 2 / (d - 2), "d / 2 − 1": d / 2 - 1, "1 / (d − 2)": 1 / (d - 2), "rounded": d // (d - 2),
        "1 / d": 1 / d, "d / (d + 2)": d / (d + 2), "d / (d − 4)": d / (d - 4) if d != 4 else 1.0,
    }[exponent]  # fmt: skip
    match raised:
        case "factor":
            by = factor**power
        case "both":  # (theta · factor) to this power
            by = (theta * factor) ** power / theta
        case "theta":
            by = theta**power * factor / theta
        case "product":
            by = factor * power
        case "nothing":
            by = theta ** (factor - 1)
    new = theta * by if side == "times" else theta / by
    match give:
        case "theta":
            return new
        case "divisor":
            return by
        case "slowest":
            return new ** (-(d - 2) / d)
        case "old slowest":
            return theta ** (-(d - 2) / d)
        case "unchanged":
            return theta
        case "whole":
            return int(new)
        case "frequencies":
            return [new ** (-2 * i / d) for i in range(d // 2)]


Sees = Literal[
    "all", "without the task", "the last", "the task", "results", "no name", "flat", "one text", "newest first", "lists",
    "texts", "no result", "arguments",
]  # fmt: skip


def faulty_agent(
    model: Any,
    tools: Any,
    task: Any,
    max_calls: Any,
    calls: Literal["allowed", "not heard", "one too many", "without end", "one less", "one"] = "allowed",
    raising: Literal["told", "raises", "ends", "ends with the error", "empty"] = "told",
    missing: Literal["told", "raises", "ends", "ends with the error", "empty", "as raised"] = "told",
    key_error: Literal["told", "no tool"] = "told",
    words: Literal["text", "repr", "type", "type and text", "no prefix", "exception", "capital", "no colon"] = "text",
    no_tool: Literal["named", "quoted", "no name", "no prefix"] = "named",
    sees: Sees = "all",
    result_as: Literal["it is", "text"] = "it is",
    empty: Literal["kept", "left out", "none"] = "kept",
    counts: Literal["every call", "those without errors", "tools that exist"] = "every call",
    at_limit: Literal["none", "last result", "transcript", "error", "argument", "empty", "raises"] = "none",
    give: Literal["argument", "pair", "transcript", "last result", "truthy"] = "argument",
) -> Any:
    made: list[tuple[Any, Any, Any]] = []
    most = {
        "allowed": max_calls, "not heard": max_calls, "one too many": max_calls + 1, "without end": 10**9,
        "one less": max_calls - 1, "one": 1,
    }[calls]  # fmt: skip
    counted = turns = 0
    name, argument = "answer", None
    while True:
        if calls == "not heard" and counted >= most:
            break  # the last result is never shown to the model
        turns += 1
        if turns > 300:
            raise TimeoutError("without end")
        name, argument = model(_seen(sees, task, made))
        if name == "answer" and not (give == "truthy" and not argument):
            break
        if counted >= most:
            name = None
            break
        result, failed = _result(tools, name, argument, raising, missing, key_error, words, no_tool)
        if failed == "end":
            return result
        counted += {
            "every call": True, "those without errors": not failed, "tools that exist": name in tools,
        }[counts]  # fmt: skip
        if result_as == "text":
            result = str(result)
        if not result and empty != "kept":
            if empty == "left out":
                continue
            result = None
        made.append((name, argument, result))
    if name == "answer":
        match give:
            case "argument" | "truthy":
                return argument
            case "pair":
                return name, argument
            case "transcript":
                return [task, *made]
            case "last result":
                return made[-1][-1] if made else None
    match at_limit:
        case "none":
            return None
        case "last result":
            return made[-1][-1] if made else None
        case "transcript":
            return [task, *made]
        case "error":
            return "error: too many calls"
        case "argument":
            return argument
        case "empty":
            return ""
        case "raises":
            raise RuntimeError("too many calls")


def _seen(sees: Sees, task: Any, made: list[tuple[Any, Any, Any]]) -> Any:
    match sees:
        case "all":
            return [task, *made]
        case "without the task":
            return list(made)
        case "the last":
            return [task, *made[-1:]]
        case "the task":
            return [task]
        case "results":
            return [task, *(result for _, _, result in made)]
        case "no name":
            return [task, *((argument, result) for _, argument, result in made)]
        case "arguments":
            return [task, *((name, argument) for name, argument, _ in made)]
        case "no result":
            return [task, *((name, result) for name, _, result in made)]
        case "flat":
            return [task, *(part for call in made for part in call)]
        case "one text":
            return "\n".join([task, *(str(call) for call in made)])
        case "newest first":
            return [task, *made[::-1]]
        case "lists":
            return [task, *map(list, made)]
        case "texts":
            return [task, *(f"{name} {argument} {result}" for name, argument, result in made)]


def _result(
    tools: Any, name: Any, argument: Any, raising: str, missing: str, key_error: str, words: str, no_tool: str
) -> tuple[Any, str]:
    """What a call came to, and what happens then: "" (it goes on), "error" or "end"."""
    if name not in tools:
        text = {
            "named": f"error: no tool {name}", "quoted": f"error: no tool '{name}'", "no name": "error: no tool",
            "no prefix": f"no tool {name}",
        }[no_tool]  # fmt: skip
        match missing:
            case "told":
                return text, "error"
            case "raises":
                return tools[name], ""
            case "as raised":
                return _words(KeyError(name), words), "error"
            case "ends":
                return None, "end"
            case "ends with the error":
                return text, "end"
            case _:  # empty
                return None, "error"
    call: Callable[[Any], Any] = tools[name]
    if raising == "raises":
        return call(argument), ""
    try:
        return call(argument), ""
    except Exception as error:
        if isinstance(error, KeyError) and key_error == "no tool":
            return f"error: no tool {name}", "error"
        match raising:
            case "told":
                return _words(error, words), "error"
            case "ends":
                return None, "end"
            case "ends with the error":
                return _words(error, words), "end"
            case _:  # empty
                return None, "error"


def _words(error: Exception, words: str) -> Any:
    return {
        "text": f"error: {error}", "repr": f"error: {error!r}", "type": f"error: {type(error).__name__}",
        "type and text": f"error: {type(error).__name__}: {error}", "no prefix": str(error), "exception": error,
        "capital": f"Error: {error}", "no colon": f"error {error}",
    }[words]  # fmt: skip
