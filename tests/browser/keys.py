"""The keyboard alone: from control to control by Tab, and on from there; the focus never falls to the page's body."""

from playwright.sync_api import expect

MOST = 100  # presses of a key before it is said that it leads nowhere

# Where Tab has to halt in a view; of a group of radio buttons, at the one that is chosen.
TABBABLE = """(view) => [...view.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
  .filter((node) => node.tabIndex >= 0 && !node.disabled && !(node.type === "radio" && !node.checked) &&
    node.checkVisibility({ visibilityProperty: true }))"""
NAME = "(node) => node.ariaLabel || node.textContent.trim().slice(0, 40) || node.tagName"
FOCUS_FIRST = f"(view) => {{ window.llmHalts = []; ({TABBABLE})(view)[0].focus(); }}"
HALT = f"""(view) => {{
  const now = document.activeElement;
  if (!view.contains(now)) return null;
  window.llmHalts.push(now);
  return ({NAME})(now);
}}"""
MISSED = f"(view) => ({TABBABLE})(view).filter((node) => !window.llmHalts.includes(node)).map({NAME})"
HALTS_AT = f"(view, node) => ({TABBABLE})(view).includes(node)"
HOLDS_FOCUS = "(view) => view.contains(document.activeElement)"
HAS_FOCUS = "(node) => document.activeElement === node"


def tab_through(view):
    """Where Tab halts in a view, from its first control on, and the controls at which it does not."""
    view.evaluate(FOCUS_FIRST)
    stops = []
    while len(stops) < MOST and (now := view.evaluate(HALT)) is not None:
        stops.append(now)
        view.page.keyboard.press("Tab")
        view.page.wait_for_timeout(10)
    return stops, view.evaluate(MISSED)


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement !== document.body"), f"after {key} the keyboard is nowhere"


def go(view, target):
    """Go to a control where Tab stops. `tab_through` has shown that Tab gets there, so we jump.

    What the kernel still computes may be hidden until it is there: we wait for it, as a person would.
    """
    expect(target).to_be_visible()
    expect(target).to_be_enabled()
    assert view.evaluate(HALTS_AT, target.element_handle()), f"Tab does not lead to {target}"
    target.focus()


def use(view, target, *keys):
    """Go to a control, and press keys there: Enter, if none are given."""
    go(view, target)
    press(view.page, *(keys or ["Enter"]))


def button(view, name):
    return view.get_by_role("button", name=name)


def reachable(view, role):
    """Of parts that the arrow keys lead through, the one that Tab leads to."""
    return view.locator(f"[role={role}][tabindex='0']")


def until(view, key, target):
    """Press a key until a part that it leads through has the focus."""
    for _ in range(MOST):
        if target.evaluate(HAS_FOCUS):
            return
        press(view.page, key)
    raise AssertionError(f"{key} does not lead to {target}")


def write(view, target, text):
    """Type a text in the place of the one that is there."""
    use(view, target, "Control+A", "Delete")
    view.page.keyboard.type(text)


def choose(view, group, words):
    """One of several radio buttons, with the arrow keys."""
    radios = view.get_by_role("radiogroup", name=group, exact=True)
    go(view, radios.locator("input:checked"))
    for _ in range(MOST):
        if radios.get_by_role("radio", name=words).is_checked():
            return
        press(view.page, "ArrowRight")
    raise AssertionError(f"{words!r} is not to be had")


def pick(view, label, value):
    """One of the values of a list that opens."""
    chosen = view.get_by_label(label, exact=True)
    use(view, chosen, "Home")
    for _ in range(MOST):
        if chosen.input_value() == value:
            return
        press(view.page, "ArrowDown")
    raise AssertionError(f"{value!r} is not to be had")
