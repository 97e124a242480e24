"""Run axe-core, as bundled with the package axe-playwright-python, on a page or on parts of it."""

from axe_playwright_python.base import AXE_SCRIPT

IS_THERE = "() => Boolean(window.axe)"
LOAD = "(nodes, script) => { (0, eval)(script); }"
RUN = """async (nodes, [rules, left_out]) => {
  const options = { resultTypes: ["violations"], ...(rules && { runOnly: { type: "rule", values: rules } }) };
  options.rules = Object.fromEntries(left_out.map((rule) => [rule, { enabled: false }]));
  const { violations } = await window.axe.run({ include: nodes }, options);
  const where = (nodes) => nodes.map((one) => one.html.slice(0, 200)).join(" | ");
  return violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${where(nodes)}`);
}"""
# Rules about what must be unique on a page: a view must not break them if it is shown twice.
UNIQUE = ("landmark-unique", "duplicate-id", "duplicate-id-active", "duplicate-id-aria")
# Rules that depend on colours; all other rules give the same results in both themes.
OF_COLOURS = ("color-contrast", "link-in-text-block")


def violations(nodes):
    """Return what axe finds in a locator's nodes, one line per rule; for a whole page, use `page.locator(":root")`."""
    return _found(nodes, None, ())


def faults_of_colour(nodes):
    """Return violations of colour rules only, for nodes that axe has checked against all rules in another theme."""
    return _found(nodes, OF_COLOURS, ())


def faults_of_form(nodes):
    """Return violations of all rules except those about colours, which take by far the longest.

    This is for nodes whose colours another check covers.
    """
    return _found(nodes, None, OF_COLOURS)


def not_unique(nodes):
    """Return violations of only the rules about what must be unique, in a locator's nodes."""
    return _found(nodes, UNIQUE, ())


def _found(nodes, rules, left_out):
    if not nodes.evaluate_all(IS_THERE):  # the script is half a megabyte: send it only if it is missing
        nodes.evaluate_all(LOAD, AXE_SCRIPT)
    return nodes.evaluate_all(RUN, [rules, left_out])
