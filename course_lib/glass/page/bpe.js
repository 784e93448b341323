// Byte-level BPE (GPT-2), as the tokenizer of the English model cuts text: words and signs first, then inside each one the
// pair of pieces that was merged earliest in training, again and again. A space is written ␣.
const SPACE = "\\p{White_Space}";
const WORDS = new RegExp(
  `'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?![^${SPACE}])|${SPACE}+`,
  "gu",
);

// One visible character for each byte: itself where it can be seen, else one from 256 on (as GPT-2's bytes_to_unicode).
const LETTERS = [];
for (let byte = 0, other = 256; byte < 256; byte++) {
  const seen = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  LETTERS.push(byte === 32 ? "␣" : String.fromCharCode(seen ? byte : other));
  other += seen ? 0 : 1;
}

// ranks: "left right" -> when it was merged. Returns the pieces of a text.
export function cut(text, ranks) {
  return [...text.matchAll(WORDS)].flatMap(([word]) => {
    const found = [...new TextEncoder().encode(word)].map((byte) => LETTERS[byte]);
    for (;;) {
      let [first, at] = [Infinity, -1];
      for (let i = 0; i + 1 < found.length; i++) {
        const rank = ranks.get(`${found[i]} ${found[i + 1]}`) ?? Infinity;
        if (rank < first) [first, at] = [rank, i];
      }
      if (at < 0) return found;
      found.splice(at, 2, found[at] + found[at + 1]);
    }
  });
}
