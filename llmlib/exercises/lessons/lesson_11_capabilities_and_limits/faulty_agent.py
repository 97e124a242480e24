"""Wrong solutions to the exercise on the agent loop.

`faulty_agent` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

from collections.abc import Callable
from typing import Any, Literal

Sees = Literal[
    "all",
    "without the task",
    "the last",
    "the task",
    "results",
    "no name",
    "flat",
    "newest first",
    "lists",
    "texts",
    "no result",
    "arguments",
]


Raising = Literal[
    "told",
    "raises",
    "only ValueError",
    "only KeyError",
    "only ZeroDivisionError",
    "ends",
    "ends with the error",
    "empty",
    "silent",
]


def faulty_agent(
    model: Any,
    tools: Any,
    task: Any,
    max_calls: Any,
    calls: Literal["allowed", "not heard", "one too many", "without end", "one less", "one"] = "allowed",
    raising: Raising = "told",
    missing: Literal["told", "raises", "ends", "ends with the error", "empty", "silent", "as raised"] = "told",
    key_error: Literal["told", "no tool"] = "told",
    words: Literal["text", "repr", "type", "type and text", "no prefix", "exception", "capital", "no colon"] = "text",
    no_tool: Literal["named", "capital", "quoted", "no name", "no prefix"] = "named",
    sees: Sees = "all",
    result_as: Literal["it is", "text"] = "it is",
    empty: Literal["kept", "left out", "none"] = "kept",
    counts: Literal["every call", "those without errors", "tools that exist"] = "every call",
    at_limit: Literal["none", "last result", "transcript", "error", "argument", "empty", "raises"] = "none",
    give: Literal["argument", "pair", "transcript", "last result", "truthy"] = "argument",
) -> Any:
    made: list[tuple[Any, Any, Any]] = []
    most = {
        "allowed": max_calls,
        "not heard": max_calls,
        "one too many": max_calls + 1,
        "without end": 10**9,
        "one less": max_calls - 1,
        "one": 1,
    }[calls]
    counted = 0
    name: str | None = "answer"
    argument = None
    while True:
        if calls == "not heard" and counted >= most:
            break  # the last result is never shown to the model
        name, argument = model(_seen(sees, task, made))
        if name == "answer" and not (give == "truthy" and not argument):
            break
        if counted >= most:
            name = None
            break
        result, failed = _result(tools, name, argument, raising, missing, key_error, words, no_tool)
        if failed == "end":
            return result
        if failed == "skip":  # so the model reads the same transcript again
            continue
        counted += {"every call": True, "those without errors": not failed, "tools that exist": name in tools}[counts]
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
        case "newest first":
            return [task, *made[::-1]]
        case "lists":
            return [task, *map(list, made)]
        case "texts":
            return [task, *(f"{name} {argument} {result}" for name, argument, result in made)]


def _result(
    tools: Any, name: Any, argument: Any, raising: str, missing: str, key_error: str, words: str, no_tool: str
) -> tuple[Any, str]:
    """Return a call's result and what happens next: "" (the loop continues), "error", "skip" or "end"."""
    if name not in tools:
        text = {
            "named": f"error: no tool {name}",
            "capital": f"Error: no tool {name}",
            "quoted": f"error: no tool '{name}'",
            "no name": "error: no tool",
            "no prefix": f"no tool {name}",
        }[no_tool]
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
            case _:  # "empty" or "silent"
                return None, "error" if missing == "empty" else "skip"
    call: Callable[[Any], Any] = tools[name]
    if raising == "raises":
        return call(argument), ""
    try:
        return call(argument), ""
    except Exception as error:
        if isinstance(error, KeyError) and key_error == "no tool":
            return f"error: no tool {name}", "error"
        if raising.startswith("only ") and type(error).__name__ not in raising:
            raise
        match raising:
            case "told" | "only ValueError" | "only KeyError" | "only ZeroDivisionError":
                return _words(error, words), "error"
            case "ends":
                return None, "end"
            case "ends with the error":
                return _words(error, words), "end"
            case _:  # "empty" or "silent"
                return None, "error" if raising == "empty" else "skip"


def _words(error: Exception, words: str) -> Any:
    return {
        "text": f"error: {error}",
        "repr": f"error: {error!r}",
        "type": f"error: {type(error).__name__}",
        "type and text": f"error: {type(error).__name__}: {error}",
        "no prefix": str(error),
        "exception": error,
        "capital": f"Error: {error}",
        "no colon": f"error {error}",
    }[words]
