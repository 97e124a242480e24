// Positions and sizes of thumbnails, labels, and the visible part of a heat map. These are pure functions, tested in
// Node.

/**
 * Choose which of the sorted labels fit, at least `gap` apart; the labels in `priority` come first.
 */
export function thinLabels(centres, gap, priority = []) {
  const kept = [];
  const free = (i) => kept.every((other) => Math.abs(centres[other] - centres[i]) >= gap);
  for (const i of priority) if (i >= 0 && i < centres.length && free(i)) kept.push(i);
  if (centres.length < 2) return centres.map((_, i) => i);
  const step = Math.max(1, Math.ceil(gap / Math.abs(centres[1] - centres[0]) - 1e-9));
  for (let i = 0; i < centres.length; i += step) if (!kept.includes(i) && free(i)) kept.push(i);
  return kept.sort((a, b) => a - b);
}

// A view is the square of tokens that a heat map shows: keys from x, queries from y, `span` of each.

export const wholeView = (n) => ({ x: 0, y: 0, span: n });

/** Zoom around a point, given as fractions of the square; this point stays under the pointer. */
export function zoomView(view, factor, fx, fy, n) {
  const span = Math.min(n, Math.max(Math.min(4, n), view.span / factor));
  return panView({ x: view.x + fx * (view.span - span), y: view.y + fy * (view.span - span), span }, 0, 0, n);
}

/** Move the view by a number of tokens, but not past the edges. */
export function panView(view, dx, dy, n) {
  const inside = (v) => Math.max(0, Math.min(n - view.span, v));
  return { x: inside(view.x + dx), y: inside(view.y + dy), span: view.span };
}

/** Move the view only as far as is needed to show the cell. */
export function revealCell(view, i, j, n) {
  const shift = (from, t) => Math.min(0, t - from) + Math.max(0, t + 1 - (from + view.span));
  return panView(view, shift(view.x, j), shift(view.y, i), n);
}

/** Return the cell [query, key] under a point of a heat map of `size` pixels, or null. */
export function cellAt(view, px, py, size, n) {
  if (px < 0 || py < 0 || px >= size || py >= size) return null;
  const j = Math.floor(view.x + (px * view.span) / size);
  const i = Math.floor(view.y + (py * view.span) / size);
  return i >= 0 && j >= 0 && i < n && j < n ? [i, j] : null;
}

/** Return the row at y in a column of `n` tokens that is `height` pixels high, or null. */
export function rowAt(y, n, height) {
  return y < 0 || y >= height ? null : Math.min(n - 1, Math.floor((y * n) / height));
}

const CAPTION = 18;
const SMALLEST = 12;
const LARGEST = 112; // pixels: the height of a caption, and the side of the smallest and the largest thumbnail

/**
 * Make a grid of thumbnails in `rows`; each row, { y, thumb, pitch, from, to }, holds the thumbnails from … to - 1.
 */
function gridOf(rows, left, width, height, more) {
  const rowOf = (k) => rows.find(({ to }) => k < to);
  const place = (k) => {
    const { y, thumb, pitch, from } = rowOf(k);
    return { x: left + (k - from) * pitch, y, thumb };
  };
  return { rows, left, width, height, place, rowOf, ...more };
}

/** Lay out a table with a row for each layer; its thumbnails are as large as fits, but never too small to click. */
export function tableLayout(layers, heads, width, height) {
  const left = 36;
  const top = 20;
  const room = Math.min((width - left) / heads, (height - top) / layers);
  const gap = room < 30 ? 2 : 4;
  const thumb = Math.floor(Math.max(SMALLEST, Math.min(LARGEST, room - gap)));
  const pitch = thumb + gap;
  const row = (l) => ({ y: top + l * pitch, thumb, pitch, from: l * heads, to: (l + 1) * heads });
  const rows = Array.from({ length: layers }, (_, l) => row(l));
  return gridOf(rows, left, left + heads * pitch - gap, top + layers * pitch - gap, { top, large: 0 });
}

/**
 * Lay out thumbnails sorted by a score. The first `large` thumbnails have space for a caption below them. If not all
 * thumbnails fit like this, the remaining ones follow as small thumbnails below a line of words at `others`.
 */
export function rankLayout(total, width, height) {
  const gap = 4;
  const columns = Math.max(1, Math.min(total, Math.floor((width + gap) / 80)));
  const thumb = Math.min(LARGEST, Math.floor((width + gap) / columns - gap));
  const tall = thumb + CAPTION + gap;
  const all = Math.ceil(total / columns);
  const fitting = Math.floor((height + gap) / tall);
  const rows = [];
  const add = (count, size, step, down) => {
    const from = rows.at(-1)?.to ?? 0;
    const y = rows.length ? rows.at(-1).y + rows.at(-1).down : 0;
    rows.push({ y, thumb: size, pitch: step, down, from, to: Math.min(total, from + count) });
  };
  const large = all <= Math.max(2, fitting) ? all : 2;
  for (let r = 0; r < large; r++) add(columns, thumb, thumb + gap, tall);
  const shown = rows.at(-1).to;
  const rest = total - shown;
  const others = large * tall;
  if (rest) {
    const fits = (step) => Math.ceil(rest / Math.floor((width + 2) / step)) * step <= height - others - CAPTION;
    let step = 44;
    while (step > SMALLEST + 2 && !fits(step)) step -= 1;
    rows.at(-1).down += CAPTION + 2;
    while (rows.at(-1).to < total) add(Math.floor((width + 2) / step), step - 2, step, step);
  }
  const last = rows.at(-1);
  const end = last.y + last.thumb + (rest ? 0 : CAPTION);
  return gridOf(rows, 0, width, end, { top: 0, large: shown, others: rest ? others : null });
}

/** Return the thumbnail to go to from thumbnail k when a key is pressed (Down: the nearest one in the next row), or
 * null. */
export function stepInGrid({ rows, rowOf, place }, k, key) {
  const last = rows.at(-1).to - 1;
  const next = { ArrowLeft: k - 1, ArrowRight: k + 1, Home: 0, End: last }[key];
  if (next !== undefined) return next >= 0 && next <= last ? next : null;
  const row = rows[rows.indexOf(rowOf(k)) + ({ ArrowUp: -1, ArrowDown: 1 }[key] ?? NaN)];
  if (!row) return null;
  const { x, thumb } = place(k);
  const column = Math.round((x + thumb / 2 - place(row.from).x - row.thumb / 2) / row.pitch);
  return Math.max(row.from, Math.min(row.to - 1, row.from + column));
}

const within = (low, value, high) => Math.max(low, Math.min(high, Math.floor(value)));

/** The largest height of the grid at which the whole grid and the texts above it fit on a screen in a notebook. */
export const gridHeight = (screen) => within(400, screen - 315, 900);

/** The width of a view: as wide as its cell, but not too wide to see at a glance. */
export const viewWidth = (cell) => Math.min(cell - 8, 1500);

const PANEL = 300;
const GAP = 24;
const BOARD = { width: 344, height: 340 }; // pixels: the least width of a panel beside the grid, the gap, the board

/** Return how wide each of `maps` grids may be: beside the panels, or over the whole width if there is no space beside
 * them. */
export function gridRoom(width, maps, ranked) {
  const panels = width >= 1200 ? PANEL + GAP + BOARD.width : ranked && width >= 740 ? PANEL + 108 : PANEL;
  const beside = width - GAP - panels;
  const each = Math.floor((beside - 12 * (maps - 1)) / maps);
  return each >= 130 ? each : Math.floor((width - 12 * (maps - 1)) / maps);
}

/**
 * Return whether the board goes under the grid. It goes there only if the view would be taller with the board in its
 * other place: beside the grid, below the enlarged head. `looking`: whether there is an enlarged head.
 */
export function boardUnder(grid, width, looking = true) {
  const aside = width - Math.max(grid.width, BOARD.width) - GAP;
  if (aside < PANEL || aside >= 220 + GAP + BOARD.width) return false; // one column, or space for both beside the grid
  const look = looking ? (lookSize(aside) === 220 && aside < 500 ? 460 : 300) : 60;
  return Math.max(grid.height + BOARD.height, look) < Math.max(grid.height, look + BOARD.height);
}

/** The width of the enlarged head in a panel of this width; the head's scores go below or to the right. */
export const lookSize = (panel) => (panel >= 400 && panel < 560 ? 168 : 220);

/**
 * Return the sizes, in pixels, of `maps` heat maps side by side. `width` is that of the view, `screen` the screen's
 * height, and `left` the space for labels. In the result, `lines` is the width of the line panel, which appears only
 * beside a single heat map (0: no panel), and `side` says whether the board is beside the maps.
 */
export function headLayout(width, screen, { maps = 1, board = false, left = 74 }) {
  const tall = within(240, screen - 455, 620);
  const across = (room) => Math.floor((room - 12 * (maps - 1)) / maps) - 74;
  const main = width - GAP - BOARD.width;
  const side = board && width >= 720 && (maps === 1 || across(main) >= 180);
  const room = side ? main : width;
  if (maps > 1) return { side, room, heat: within(140, Math.min(across(room), tall), 330), lines: 0, tall };
  if (width < 720) return { side, room, heat: within(160, width - left - 12, 440), lines: 0, tall: 400 };
  const rest = room - left - 12;
  const paired = rest >= 580;
  const heat = Math.min(tall, paired ? rest - 280 : rest);
  return { side, room, heat, lines: paired ? within(280, rest - heat, 420) : 0, tall };
}

/** Return the [first, last] token in a part of a heat map; a token counts if at least half of it is visible. */
export const seenTokens = (start, span) => [Math.round(start), Math.floor(start + span - 0.5)];
