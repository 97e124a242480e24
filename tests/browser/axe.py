"""axe-core (the one that the package axe-playwright-python brings along) on a page, or on a part of it."""

from axe_playwright_python.base import AXE_SCRIPT

RUN = """async (node, [script, parts]) => {
  if (!window.axe) (0, eval)(script);
  const asked = parts ? { include: [...node.querySelectorAll(parts)] } : node;
  const { violations } = await window.axe.run(asked, { resultTypes: ["violations"] });
  const where = (nodes) => nodes.map((one) => one.html.slice(0, 200)).join(" | ");
  return violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${where(nodes)}`);
}"""


def violations(node, parts=""):
    """What axe finds in a locator's node, one line a rule; of a whole page, ask for `page.locator(":root")`.

    `parts` is a selector; of the node, only what it selects is then asked about.
    """
    return node.evaluate(RUN, [AXE_SCRIPT, parts])
