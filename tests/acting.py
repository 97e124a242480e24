"""Do in Python what a reader does in the browser."""


def act(view, kind, **details):
    """One act; whether it was done."""
    return acts(view, (kind, details)) == []


def acts(view, *several):
    """Acts that arrive together, each a kind and its details; the numbers of those that were refused."""
    answers = []
    send, view.send = view.send, lambda content, buffers=None: answers.append(content)
    try:
        listed = [{"number": k, "kind": kind, "details": details} for k, (kind, details) in enumerate(several, 1)]
        view._handle_custom_msg({"acts": listed, "client": "test"}, [])
    finally:
        view.send = send
    assert answers[0] == {"client": "test", "begun": True}
    assert answers[-1]["done"] == len(several), "every act is answered"
    return answers[-1]["refused"]
