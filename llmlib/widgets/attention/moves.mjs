// Handles the mouse and the keyboard: changes the state, and passes on what a screen reader should read aloud.

import { shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { inWords, weightAt } from "./data.mjs";
import { placeOf } from "./state.mjs";

const short = (token) => shorten(visibleToken(token), 24);

/** Describe the cell under the pointer: "·sat (5) looks at ·cat (2): 43%". */
export function readout(patterns, state, write = short) {
  if (!state.cell) return "";
  const [i, j] = state.cell;
  const of = (side) => patterns.pattern(side, state.layer, state.head);
  const { a, b } = patterns.texts();
  const { tokens } = patterns.shownText();
  const two = state.show === "both" || state.show === "difference";
  if (i >= tokens.length || j >= tokens.length) return "";
  const value = (side) => (i < of(side).n && j < of(side).n ? inWords(weightAt(of(side), i, j), side === "d") : "–");
  const change = () => (patterns.comparable() ? ` (${value("d")})` : "");
  const weights = two ? `${a.title} ${value("a")}, ${b.title} ${value("b")}${change()}` : value(patterns.sideShown());
  return `${write(tokens[i])} (${i}) looks at ${write(tokens[j])} (${j}): ${weights}`;
}

/** Make the functions that change the state. `draw()` shows everything; `point()` shows what is under the pointer,
 * at most once per frame. */
export function movesOf(state, patterns, hub, { draw, point, speak }) {
  const spokenOf = (token) => spokenToken(patterns.shownText().tokens[token]);
  const moves = {
    /** Return the pinned token, or else the token under the pointer. */
    focus: () => state.token ?? state.pointed,
    wayShown: () => (state.token === null ? state.pointedWay : null) ?? state.way,
    previewHead(head) {
      state.previewed = head;
      point();
    },
    previewToken(token, way = null, aloud = false) {
      if (state.pointed === token && state.pointedWay === way && !state.cell) return;
      Object.assign(state, { pointed: token, pointedWay: way, cell: null });
      if (aloud && token !== null) speak(spokenOf(token));
      point();
    },
    previewCell(cell, aloud = false) {
      if (String(cell) === String(state.cell)) return;
      Object.assign(state, { cell, pointed: cell ? cell[state.way === "from" ? 0 : 1] : null, pointedWay: null });
      if (aloud) speak(readout(patterns, state, spokenToken));
      point();
    },
    lock(token, way = state.way) {
      const same = state.token === token && state.way === way;
      moves.go({ token: same ? null : token, way });
      speak(same ? "No token is pinned" : `Pinned ${spokenOf(token)}`);
    },
    go(changes) {
      Object.assign(state, changes);
      hub.look({ place: placeOf(state) });
      draw();
    },
  };
  return moves;
}
