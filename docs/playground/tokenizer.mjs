// The course's tokenizer in JavaScript, as in lesson 01: a pattern splits a text into pieces, each piece becomes bytes,
// and then, again and again, the pair that was learned first is merged.

// GPT-2's pattern. `\p{White_Space}` is what Python and Rust mean by `\s`; JavaScript's own `\s` differs in two
// characters.
const SPACE = "\\p{White_Space}";
const PATTERN = new RegExp(
  `'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?!\\P{White_Space})|${SPACE}`,
  "gu",
);

/**
 * Return the visible character that tokenizer files use for each byte: a printable byte stays the same, and the other
 * bytes use the characters from U+0100 on.
 */
export function lettersOfBytes() {
  const shows = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(shows(byte) ? byte : next++));
}

export class Tokenizer {
  /** `file` is tokenizer.json, parsed. */
  constructor(file) {
    const byteOf = new Map(lettersOfBytes().map((letter, byte) => [letter, byte]));
    this.letters = lettersOfBytes();
    this.idOf = new Map(Object.entries(file.model.vocab));
    this.special = new Map(file.added_tokens.map(({ content, id }) => [content, id]));
    this.rank = new Map(file.model.merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
    this.bytesOf = [];
    for (const [token, id] of this.idOf)
      this.bytesOf[id] = this.special.has(token)
        ? new TextEncoder().encode(token)
        : Uint8Array.from(token, (letter) => byteOf.get(letter));
    this.known = new Map(); // the ids of the pieces encoded so far, since words are often repeated
  }

  /** Return the ids of a text. The names of special tokens in the text are treated as ordinary text. */
  encode(text) {
    return (text.match(PATTERN) ?? []).flatMap((piece) => {
      if (!this.known.has(piece)) this.known.set(piece, this.encodePiece(piece));
      return this.known.get(piece);
    });
  }

  encodePiece(piece) {
    const parts = Array.from(new TextEncoder().encode(piece), (byte) => this.letters[byte]);
    for (;;) {
      let [best, at] = [Infinity, -1];
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.rank.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) return parts.map((part) => this.idOf.get(part));
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
  }

  /** Return the text that the ids stand for; bytes that are not valid UTF-8 become U+FFFD. */
  decode(ids) {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
      Uint8Array.from(ids.flatMap((id) => [...this.bytesOf[id]])),
    );
  }

  /** Return the ids of a question in the format of the tuned model, up to where the answer begins (lesson 08). */
  encodeQuestion(words) {
    return [this.special.get("<|user|>"), ...this.encode(words), this.special.get("<|assistant|>")];
  }
}
