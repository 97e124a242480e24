// A head of a long text that is not here whole: it is asked for, or those that are here are offered.

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
    const words = here.length ? "Whole are here: " : "None is here whole.";
    node.replaceChildren(
      `Only a thumbnail of this head is here: the text is long, and whole heads come from Python. ${words}`,
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
    /** What has come are other patterns, of which no head was asked for. */
    forget() {
      asked = "";
    },
  };
}
