// Where the user is and what they have chosen, as plain data. The trait `place` stores the lasting part.

import { wholeView } from "./layout.mjs";

const CHOICES = { way: "from", heads: "each", sort: "layer", show: "a", drawn: "head", hidden: [] };

/**
 *  Return everything in `place`, and what only this page knows. `drawn`: one "head", or all heads of its "layer" by
 * colour, except the heads that are `hidden` in the legend.
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

/** Return the part of the state that is stored: the choices, and any open head and pinned token. */
export function placeOf(state) {
  const place = Object.fromEntries(Object.keys(CHOICES).map((name) => [name, state[name]]));
  if (state.layer !== null) Object.assign(place, { layer: state.layer, head: state.head });
  if (state.token !== null) place.token = state.token;
  if (state.drawn === CHOICES.drawn) delete place.drawn;
  if (!state.hidden.length) delete place.hidden;
  return place;
}

/** Follow another view of the same widget, or Python, to `place`; return whether this changes the state. */
export function goTo(state, place) {
  const { layer = null, head = null, token = null } = place;
  const target = { layer, head, token };
  const unsaid = { ...state, drawn: CHOICES.drawn, hidden: CHOICES.hidden }; // `place` leaves out defaults
  for (const name of Object.keys(CHOICES)) target[name] = place[name] ?? unsaid[name];
  const elsewhere = Object.entries(target).some(([name, value]) => String(state[name]) !== String(value));
  Object.assign(state, target);
  return elsewhere;
}

/** Return the side that the user sees: a text, or the difference ("d"); for two texts side by side, return the
 * first. */
export const sideOf = ({ show }) => (show === "difference" ? "d" : show === "both" ? "a" : show);

/** Replace choices that the current texts do not allow with choices that they allow. */
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
  if (texts.a.long || texts.b?.long) state.drawn = "head"; // the page gets whole heads of a long text one at a time
  state.hidden = state.hidden.filter((head) => head < heads);
  if (state.token >= n) state.token = null;
  if (state.cell && Math.max(...state.cell) >= n) state.cell = null;
  if (state.pointed >= n) state.pointed = null;
}
