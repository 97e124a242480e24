"""Send views, from Python, the actions that a reader takes in the browser."""


def act(view, kind, **details):
    """Send one action to a view, and return whether the view accepted it."""
    return acts(view, (kind, details)) == []


def acts(view, *several):
    """Send several actions as pairs (kind, details) in one message; return the numbers of those that are refused."""
    answers = []
    send, view.send = view.send, lambda content, buffers=None: answers.append(content)
    try:
        listed = [{"number": k, "kind": kind, "details": details} for k, (kind, details) in enumerate(several, 1)]
        view._handle_custom_msg({"acts": listed, "client": "test"}, [])
    finally:
        view.send = send
    assert answers[0] == {"client": "test", "begun": True}
    assert answers[-1]["done"] == len(several), "the view did not answer every action"
    return answers[-1]["refused"]
