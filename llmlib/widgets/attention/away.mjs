// Handles an opened head of which the page has only a thumbnail, because the text is long: asks Python for the whole
// head, or offers the heads that the page has in full.

import { element } from "../shared/shared.mjs";
import { headName } from "./words.mjs";

export function awayPanel(ctx, hub) {
  const node = element("div", { class: "llm-away llm-note", role: "status" });
  let asked = "";

  function ask(layer, head) {
    node.replaceChildren("Fetching this head …");
    const wanted = `${layer} ${head}`;
    if (asked !== wanted) hub.act("open", { layer, head }, { latest: "open" });
    asked = wanted;
  }

  function offer() {
    const here = ctx.wholeOnes();
    const go = (one) => () => ctx.go({ ...one, token: null });
    const words = here.length
      ? "This page includes these heads in full: "
      : "This page includes none of the heads in full.";
    node.replaceChildren(
      "The text is long, so this page has only a thumbnail of this head. ",
      `To see the whole head, you need Python. ${words}`,
      ...here.map((one) => element("button", { type: "button", onclick: go(one) }, headName(one.layer, one.head))),
    );
  }
  return {
    node,
    draw() {
      const { layer, head } = ctx.state;
      if (layer === null || ctx.whole()) asked = "";
      else if (hub.live && !hub.gone) ask(layer, head);
      else offer();
    },
    /** Forget which head was asked for, because new patterns have arrived. */
    forget() {
      asked = "";
    },
  };
}
