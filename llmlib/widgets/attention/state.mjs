// Where the reader is and how they look: plain data. The trait `place` keeps what is worth keeping.

import { wholeView } from "./layout.mjs";

const CHOICES = { way: "from", heads: "each", sort: "layer", show: "a", drawn: "head", hidden: [] };

/**
 *  Everything in `place`, and what only this page knows. `drawn`: one head, or all heads of its "layer" by colour,
 *  except those `hidden` in the legend.
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

/** The part that is kept: the choices, and the head and token, if any. */
export function placeOf(state) {
  const place = Object.fromEntries(Object.keys(CHOICES).map((name) => [name, state[name]]));
  if (state.layer !== null) Object.assign(place, { layer: state.layer, head: state.head });
  if (state.token !== null) place.token = state.token;
  if (state.drawn === CHOICES.drawn) delete place.drawn;
  if (!state.hidden.length) delete place.hidden;
  return place;
}

/** Go where another view of the same widget, or Python, has gone; say whether that is a change. */
export function goTo(state, place) {
  const { layer = null, head = null, token = null } = place;
  const target = { layer, head, token };
  const unsaid = { ...state, drawn: CHOICES.drawn, hidden: CHOICES.hidden }; // these are kept only where they differ
  for (const name of Object.keys(CHOICES)) target[name] = place[name] ?? unsaid[name];
  const elsewhere = Object.entries(target).some(([name, value]) => String(state[name]) !== String(value));
  Object.assign(state, target);
  return elsewhere;
}

/** Which side is looked at: a text, or their difference ("d"); side by side the first one leads. */
export const sideOf = ({ show }) => (show === "difference" ? "d" : show === "both" ? "a" : show);

/** Choices that the current texts do not allow fall back to ones that they do. */
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
  if (texts.a.long || texts.b?.long) state.drawn = "head"; // whole heads of a long text come one by one
  state.hidden = state.hidden.filter((head) => head < heads);
  if (state.token >= n) state.token = null;
  if (state.cell && Math.max(...state.cell) >= n) state.cell = null;
  if (state.pointed >= n) state.pointed = null;
}
