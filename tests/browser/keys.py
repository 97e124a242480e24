"""Keyboard use in tests: Tab moves between controls, and other keys operate them. The body must never get the focus."""

from playwright.sync_api import expect

MOST = 100  # presses of a key before a test gives up

# The controls of a view where Tab has to stop; in a group of radio buttons, only the chosen one.
TABBABLE = """(view) => [...view.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
  .filter((node) => node.tabIndex >= 0 && !node.disabled && !(node.type === "radio" && !node.checked) &&
    node.checkVisibility({ visibilityProperty: true }))"""
NAME = "(node) => node.ariaLabel || node.textContent.trim().slice(0, 40) || node.tagName"
FOCUS_FIRST = f"(view) => {{ window.llmTabStops = []; ({TABBABLE})(view)[0].focus(); }}"
NEXT_STOP = f"""(view) => {{
  const now = document.activeElement;
  if (!view.contains(now)) return null;
  window.llmTabStops.push(now);
  return ({NAME})(now);
}}"""
MISSED = f"(view) => ({TABBABLE})(view).filter((node) => !window.llmTabStops.includes(node)).map({NAME})"
STOPS_AT = f"(view, node) => ({TABBABLE})(view).includes(node)"
HOLDS_FOCUS = "(view) => view.contains(document.activeElement)"
HAS_FOCUS = "(node) => document.activeElement === node"


def tab_through(view):
    """Press Tab from a view's first control until the focus leaves; return the controls reached, and those missed."""
    view.evaluate(FOCUS_FIRST)
    stops = []
    while len(stops) < MOST and (now := view.evaluate(NEXT_STOP)) is not None:
        stops.append(now)
        view.page.keyboard.press("Tab")
        view.page.wait_for_timeout(10)
    return stops, view.evaluate(MISSED)


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement !== document.body"), f"after {key}, nothing has the focus"


def go(view, target):
    """Focus a control where Tab stops. `tab_through` has shown that Tab gets there, so this does not press Tab.

    A control may be hidden while the kernel still computes: wait for it, as a person would.
    """
    expect(target).to_be_visible()
    expect(target).to_be_enabled()
    for _ in range(20):  # a view that draws its controls anew may do so between the two steps
        if view.evaluate(STOPS_AT, target.element_handle()):
            break
        view.page.wait_for_timeout(100)
    else:
        raise AssertionError(f"Tab does not reach {target}")
    target.focus()


def use(view, target, *keys):
    """Go to a control and press the given keys there (Enter if none are given)."""
    go(view, target)
    press(view.page, *(keys or ["Enter"]))


def button(view, name):
    return view.get_by_role("button", name=name)


def reachable(view, role):
    """Return the element of a group that Tab reaches; arrow keys move from there to the others."""
    return view.locator(f"[role={role}][tabindex='0']")


def until(view, key, target):
    """Press a key until it has moved the focus to `target`."""
    for _ in range(MOST):
        if target.evaluate(HAS_FOCUS):
            return
        press(view.page, key)
    raise AssertionError(f"{key} does not reach {target}")


def write(view, target, text):
    """Replace the text of a box by typing."""
    use(view, target, "Control+A", "Delete")
    view.page.keyboard.type(text)


def choose(view, group, words):
    """Choose one of several radio buttons with the arrow keys."""
    radios = view.get_by_role("radiogroup", name=group, exact=True)
    go(view, radios.locator("input:checked"))
    for _ in range(MOST):
        if radios.get_by_role("radio", name=words).is_checked():
            return
        press(view.page, "ArrowRight")
    raise AssertionError(f"{words!r} cannot be chosen")


def pick(view, label, value):
    """Choose a value from a drop-down list with the arrow keys."""
    chosen = view.get_by_label(label, exact=True)
    use(view, chosen, "Home")
    for _ in range(MOST):
        if chosen.input_value() == value:
            return
        press(view.page, "ArrowDown")
    raise AssertionError(f"{value!r} cannot be chosen")
