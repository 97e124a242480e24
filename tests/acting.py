"""Do in Python what a reader does in the browser."""


def act(view, kind, **details):
    """Send one act to a view, and return whether the view accepted it."""
    return acts(view, (kind, details)) == []


def acts(view, *several):
    """Send several acts in one message, each as its kind and details. Return the numbers of the refused acts."""
    answers = []
    send, view.send = view.send, lambda content, buffers=None: answers.append(content)
    try:
        listed = [{"number": k, "kind": kind, "details": details} for k, (kind, details) in enumerate(several, 1)]
        view._handle_custom_msg({"acts": listed, "client": "test"}, [])
    finally:
        view.send = send
    assert answers[0] == {"client": "test", "begun": True}
    assert answers[-1]["done"] == len(several), "the view did not answer every act"
    return answers[-1]["refused"]
