"""An arm's colour, line and marker: one table by name, so that an arm looks the same through the whole course."""

__all__ = ["INK", "PALE", "STYLES", "known", "styles"]

INK, PALE = "#222222", "#666666"
STYLES = {  # Okabe and Ito's colours, which colour-blind readers tell apart; line and marker do so in print
    "blue": ("#0072B2", "-", "o"),
    "vermilion": ("#D55E00", "--", "s"),
    "green": ("#009E73", "-.", "^"),
    "purple": ("#CC79A7", ":", "D"),
    "orange": ("#E69F00", (0, (5, 1, 1, 1, 1, 1)), "v"),
    "sky": ("#56B4E9", (0, (1, 1)), "P"),
    "black": ("#000000", (0, (7, 2)), "X"),
    "yellow": ("#C8B400", (0, (3, 1, 1, 1)), "*"),  # theirs, darker: it is drawn on white
    "grey": ("#7F7F7F", (0, (3, 3)), "d"),
}
# What has one mask, one order or one objective in common has one colour. Arms that meet in a figure differ.
NAMES = {
    "blue": """two-sided; bidirectional; bidirectional attention; both sides; BERT; tiny BERT; encoder; WordPiece;
        masked, two-sided; BERT, left to right; word pieces; dynamic; selected words; 80/10/10; 17%; 32; fine-tuned;
        fine-tuned, [CLS]; from BERT; fresh text; other document; words and pairs; words first; whole words;
        ever new mappings; SEGMENT-PAIR + NSP; T = 0.3; scaled; honest mask;
        MiniLM, bidirectional; what follows; pooler; 8 examples;
        honest mask, text in view; valid sentences; sentences; masked; masked, bidirectional""",
    "vermilion": """left-only; causal; causal attention; causal mask; left to right; GPT; tiny GPT; decoder;
        masked, left-only; GPT, left to right; one static mask; every word; 100/0/0; 63%; 80%; swapped;
        SENTENCE-PAIR + NSP; 200 rows, 160 times; both from the start; single pieces; one mapping; T = 1.3;
        not scaled; leaky mask;
        SmolLM2, causal; one pass; no examples;
        leaky mask, text in view; distinct sentences; whole stories; stories; 512, rate kept; from scratch;
        masked, causal""",
    "green": """Tiny Town; prefix mask; prefix; RoBERTa; tiny RoBERTa; convolutions; frozen, mean; same document;
        DOC-SENTENCES;
        80% [MASK], 20% kept; the same text twice; BERT, random order, 2 sweeps; ever new mappings, one layer; T = 1.0;
        honest mask, word by word; 128, rate times 4; whole sentence; MiniLM, causal mask; attention, first layer;
        2 examples; repeated, ten masks; causal, 15%""",
    "purple": """both; both in turn; causal, then lifted; LSTM, forget bias 1; from BERT, numbers mixed; [CLS] alone;
        any rate, left to right; leaky mask, word by word; 512, rate retuned; moved question;
        SmolLM2, bidirectional mask; 4 examples; causal first""",
    "orange": """encoder-decoder; every position; LSTM, forget bias 0; 80% [MASK], 20% replaced; 43%; 40%;
        ten masks; FULL-SENTENCES; words only; 200 rows, 320 times; any rate, random order;
        128, rate kept; attention, last layer; 8 examples, labels shuffled; causal, fresh""",
    "sky": """prefix mask, twice the layers; byte-level BPE; dilated convolutions; frozen; frozen, [CLS]; 7%;
        look-alike document; SEGMENT-PAIR, no NSP; twice as much fresh text; from BERT, read longer; T = 0.7;
        BERT, random order; 32, rate times 2;
        repeated, dynamic; masked, fresh""",
    "black": """world; causal, every word; LSTM, forget bias 2; untrained, mean; untrained, causal; best possible;
        512, rate times 4; 64 rows""",
    "yellow": """128, rate retuned; repeated, static""",
    "grey": """untrained; untrained, word by word; untrained, frozen; untrained, [CLS]; from random; random weights;
        untrained, whole sentence; MiniLM, untrained, bidirectional; fresh;
        64 rows, rate times 2""",
}  # fmt: skip
STYLE_OF = {" ".join(name.split()): style for style, names in NAMES.items() for name in names.split(";")}


def known(name):
    """Return the name of an arm's style, or None for a name that the table lacks; a learning rate changes nothing."""
    return STYLE_OF.get(str(name)) or STYLE_OF.get(str(name).split(", rate")[0])


def styles(names):
    """Return {name: (colour, line style, marker)} for the arms of one figure, all different for up to nine.

    A name that the table lacks, or whose style another arm of the figure has, gets the first that is free.
    """
    found, names = {}, list(dict.fromkeys(names))
    for name in names:
        if (style := known(name)) and style not in found.values():
            found[name] = style
    free = [style for style in STYLES if style not in found.values()] or list(STYLES)
    for index, name in enumerate(name for name in names if name not in found):
        found[name] = free[index % len(free)]
    return {name: STYLES[found[name]] for name in names}
