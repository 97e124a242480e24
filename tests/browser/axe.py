"""axe-core (the one that the package axe-playwright-python brings along) on a page, or on parts of it."""

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
# What a view must not have twice on a page, so that it can be shown twice itself.
UNIQUE = ("landmark-unique", "duplicate-id", "duplicate-id-active", "duplicate-id-aria")
# What depends on colours: in a second theme all else is as it was in the first.
OF_COLOURS = ("color-contrast", "link-in-text-block")


def violations(nodes):
    """What axe finds in a locator's nodes, one line per rule; for a whole page, use `page.locator(":root")`."""
    return _found(nodes, None, ())


def faults_of_colour(nodes):
    """The same for colours alone, for what axe has seen in another theme and at another width."""
    return _found(nodes, OF_COLOURS, ())


def faults_of_form(nodes):
    """The same for all but colours, which take by far the longest, for what axe has seen at another width."""
    return _found(nodes, None, OF_COLOURS)


def not_unique(nodes):
    """What axe finds twice in a locator's nodes."""
    return _found(nodes, UNIQUE, ())


def _found(nodes, rules, left_out):
    if not nodes.evaluate_all(IS_THERE):  # half a megabyte, which is not sent for nothing
        nodes.evaluate_all(LOAD, AXE_SCRIPT)
    return nodes.evaluate_all(RUN, [rules, left_out])
