// Where the user is and what they have chosen, as plain data. The trait `place` stores the part that is kept.

import { wholeView } from "./layout.mjs";

const CHOICES = { way: "from", heads: "each", sort: "layer", show: "a", drawn: "head", hidden: [] };

/**
 * Return the state: what `place` stores, and what is known only in this page. `drawn` is "head" for one head, or
 * "layer" for all heads of the layer, each in its own colour, except for those that are `hidden` in the legend.
 */
export function stateOf(place) {
  const { layer = null, head = null, token = null } = place;
  const choices = Object.fromEntries(Object.entries(CHOICES).map(([name, usual]) => [name, place[name] ?? usual]));
  return {
    ...choices,
    layer,
    head,
    token,
    press: "open",
    view: wholeView(1),
    cell: null,
    pointed: null,
    pointedWay: null,
    previewed: { layer: 0, head: 0 },
  };
}

/** Return the part of the state that is stored: the choices, and the open head and the pinned token, if any. */
export function placeOf(state) {
  const place = Object.fromEntries(Object.keys(CHOICES).map((name) => [name, state[name]]));
  if (state.layer !== null) Object.assign(place, { layer: state.layer, head: state.head });
  if (state.token !== null) place.token = state.token;
  if (state.drawn === CHOICES.drawn) delete place.drawn;
  if (!state.hidden.length) delete place.hidden;
  return place;
}

/** Go to the `place` that Python or another view of the same widget has set; return whether this changes the state. */
export function goTo(state, place) {
  const { layer = null, head = null, token = null } = place;
  const target = { layer, head, token };
  const unsaid = { ...state, drawn: CHOICES.drawn, hidden: CHOICES.hidden }; // `place` leaves these defaults out
  for (const name of Object.keys(CHOICES)) target[name] = place[name] ?? unsaid[name];
  const elsewhere = Object.entries(target).some(([name, value]) => String(state[name]) !== String(value));
  Object.assign(state, target);
  return elsewhere;
}

/** Return the side that the user sees: "a", "b", or "d" for the difference. If both texts are shown, return "a". */
export const sideOf = ({ show }) => (show === "difference" ? "d" : show === "both" ? "a" : show);

/** If the current texts do not allow a choice, replace it with one that they allow. */
export function settle(state, texts, comparable) {
  if (!texts.b || (state.show === "difference" && !comparable)) state.show = "a";
  if (state.sort === "difference" && !comparable) state.sort = "layer";
  const { layers, heads } = texts.a;
  const { n } = texts[state.show === "b" ? "b" : "a"];
  const single = (head) => typeof head === "number";
  if (state.layer !== null && (state.layer >= layers || (single(state.head) && state.head >= heads)))
    Object.assign(state, { layer: null, head: null });
  const last = state.previewed;
  if (last.layer >= layers || single(last.head) !== (state.heads === "each") || last.head >= heads)
    state.previewed = { layer: Math.min(last.layer, layers - 1), head: state.heads === "each" ? 0 : state.heads };
  if (texts.a.long || texts.b?.long) state.drawn = "head"; // the page gets a long text's full patterns one by one
  state.hidden = state.hidden.filter((head) => head < heads);
  if (state.token >= n) state.token = null;
  if (state.cell && Math.max(...state.cell) >= n) state.cell = null;
  if (state.pointed >= n) state.pointed = null;
}
