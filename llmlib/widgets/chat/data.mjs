// A conversation as data: its turns, its speakers, and the tokens of its answers. This code does not touch the page, so
// it can be tested in Node.

const LETTERS = "ABCDEFGH";
const SHOWN = 5;
const RECORD = 8 * (1 + SHOWN);
const NOTHING = 0xffffffff; // the same constants as in readings.py

/**
 * Return the text for a box that gets a message back: the message, and then what the user has typed meanwhile.
 */
export function withReturned(returned, typed) {
  return [returned, typed].filter(Boolean).join("\n");
}

/** Group the numbers of messages into turns, `{ question, answers }`, with the answers from left to right. */
export function turnsOf(messages, notes = []) {
  const turns = [];
  messages.forEach(({ role }, k) => {
    if (role === "user") turns.push({ question: k, answers: [] });
    else if (turns.length) turns.at(-1).answers.push(k);
    else turns.push({ question: null, answers: [k] });
  });
  for (const { question, answers } of turns) {
    const order = notes[question]?.order ?? [];
    const place = (k) => (order.includes(messages[k].speaker) ? order.indexOf(messages[k].speaker) : k);
    answers.sort((a, b) => place(a) - place(b));
  }
  return turns;
}

/** Return whether a question was asked blind and has no vote yet. */
export const hidden = (note) => Boolean(note?.order) && note.vote == null;

/** Return a speaker's name, or, before the vote, the letter of the speaker's side. */
export function nameOf(speaker, names, note) {
  if (speaker === undefined) return names.length === 1 ? names[0] : "All";
  return hidden(note) ? LETTERS[note.order.indexOf(speaker)] : names[speaker];
}

/** List what the user can vote for: `[choice, words]`. */
export function choicesOf(order) {
  return [
    ...order.map((_, side) => [side, `${LETTERS[side]} is better`]),
    ["tie", "Tie"],
    ["bad", order.length === 2 ? "Both bad" : "All bad"],
  ];
}

/** Write the result of a vote in words. */
export function voteInWords({ order, vote }, names) {
  if (vote === "none") return "Not all models have answered, so there is nothing to compare.";
  const who = order.map((speaker, side) => `${LETTERS[side]} was ${names[speaker]}`).join(", ");
  const chosen =
    vote === "tie"
      ? "a tie"
      : vote === "bad"
        ? order.length === 2
          ? "both bad"
          : "all bad"
        : LETTERS[order.indexOf(vote)];
  return `You chose ${chosen}: ${who}.`;
}

/** Write the votes in words: "Votes: base 1 · tuned 3 · tie 0 · both bad 1". Without votes, return "". */
export function tallyInWords({ wins = [], tie = 0, bad = 0 }, names) {
  if (!wins.some(Boolean) && !tie && !bad) return "";
  const counts = names.map((name, k) => `${name} ${wins[k]}`);
  return `Votes: ${[...counts, `tie ${tie}`, `${names.length === 2 ? "both" : "all"} bad ${bad}`].join(" · ")}`;
}

/**
 * Return each message's tokens, `[{ word, logProb, likeliest: [{ word, logProb }] }]`, or null; `tokens` in the
 * message's note says how many there are.
 */
export function unpackReadings(packed, notes) {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  const one = () => {
    const u4 = (k) => view.getUint32(at + 4 * k, true);
    const f4 = (k) => view.getFloat32(at + 4 * k, true);
    const likeliest = Array.from({ length: SHOWN }, (_, k) => ({ word: u4(2 + k), logProb: f4(2 + SHOWN + k) }));
    const token = { word: u4(0), logProb: f4(1), likeliest: likeliest.filter(({ word }) => word !== NOTHING) };
    at += RECORD;
    return token;
  };
  return notes.map(({ tokens = 0 }) =>
    tokens && at + tokens * RECORD <= view.byteLength ? Array.from({ length: tokens }, one) : null,
  );
}

/**
 * Write the conversations in dataset format: one line of JSON per speaker, without messages that the speaker did not
 * answer.
 */
export function asJsonLines(messages, names, system) {
  const plain = ({ role, content }) => ({ role, content });
  return names
    .map((name, speaker) => {
      const heard = turnsOf(messages).flatMap(({ question, answers }) => {
        const said = answers
          .map((k) => messages[k])
          .filter((one) => (one.speaker ?? speaker) === speaker && one.content);
        return said.length && question !== null ? [messages[question], ...said] : said;
      });
      const first = system.trim() ? [{ role: "system", content: system }] : [];
      return `${JSON.stringify({ name, messages: [...first, ...heard].map(plain) })}\n`;
    })
    .join("");
}
