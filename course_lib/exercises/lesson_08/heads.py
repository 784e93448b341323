"""Exercises about what a head reads, and which parameters belong to it."""

import torch

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def first_piece_labels(word_ids, labels):
    found, before = [], None
    for word in word_ids:
        found.append(-100 if word is None or word == before else labels[word])
        before = word
    return found


def first_piece_labels_cases():
    yield [None, 0, 0, None], [7]
    yield [None, 0, 1, 2, None], [4, 0, 1]
    yield [None, 0, 0, 0, 1, 2, 2, None, None], [3, 0, 2]


def first_piece_labels_by_index(word_ids, labels):
    return [
        labels[word] if word is not None and word_ids.index(word) == at else -100 for at, word in enumerate(word_ids)
    ]


def first_piece_labels_by_set(word_ids, labels):
    seen, found = {None}, []
    for word in word_ids:
        found.append(-100 if word in seen else labels[word])
        seen.add(word)
    return found


def every_piece(word_ids, labels):
    return [-100 if word is None else labels[word] for word in word_ids]


def last_piece(word_ids, labels):
    return first_piece_labels(word_ids[::-1], labels)[::-1]


def specials_are_class_zero(word_ids, labels):
    found = first_piece_labels(word_ids, labels)
    return [0 if word is None else label for word, label in zip(word_ids, found, strict=True)]


def one_after_the_other(word_ids, labels):
    places = [word is not None for word in word_ids]
    rest = iter(labels)
    return [next(rest, -100) if place else -100 for place in places]


def mean_of_tokens(hidden, attention_mask):
    real = attention_mask[:, :, None].to(hidden.dtype)  # [B, T, 1]
    return (hidden * real).sum(dim=1) / real.sum(dim=1)


def mean_of_tokens_cases():
    for seed, lengths, T in ((0, [2], 3), (1, [4, 2, 1], 4), (2, [3, 6], 6)):
        mask = (torch.arange(T) < torch.tensor(lengths)[:, None]).long()
        yield torch.randn(len(lengths), T, 3, generator=torch.Generator().manual_seed(seed)), mask


def mean_of_tokens_by_row(hidden, attention_mask):
    return torch.stack([row[mask.bool()].mean(dim=0) for row, mask in zip(hidden, attention_mask, strict=True)])


def mean_of_tokens_by_product(hidden, attention_mask):
    shares = attention_mask / attention_mask.sum(dim=1, keepdim=True)
    return torch.einsum("bt,btd->bd", shares.to(hidden.dtype), hidden)


def padding_in_the_mean(hidden, attention_mask):
    return hidden.mean(dim=1)


def divided_by_row_length(hidden, attention_mask):
    return (hidden * attention_mask[:, :, None]).mean(dim=1)


def not_divided(hidden, attention_mask):
    return (hidden * attention_mask[:, :, None]).sum(dim=1)


def divided_by_the_batch(hidden, attention_mask):
    return (hidden * attention_mask[:, :, None]).sum(dim=1) * len(hidden) / attention_mask.sum()


def last_token(attention_mask):
    places = torch.arange(attention_mask.shape[1])
    return (attention_mask * places).argmax(dim=1)


def last_token_cases():
    yield (torch.tensor([[1, 1, 0, 0]]),)
    yield (torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),)
    yield (torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]]),)


def last_token_from_the_end(attention_mask):
    return attention_mask.shape[1] - 1 - attention_mask.flip(1).argmax(dim=1)


def last_token_by_loop(attention_mask):
    return torch.tensor([max(t for t, real in enumerate(row) if real) for row in attention_mask.tolist()])


def end_of_the_row(attention_mask):
    return torch.full((len(attention_mask),), attention_mask.shape[1] - 1)


def count_less_one(attention_mask):
    return attention_mask.sum(dim=1) - 1


def before_the_first_padding(attention_mask):
    return (attention_mask == 0).int().argmax(dim=1) - 1


def count_of_tokens(attention_mask):
    return attention_mask.sum(dim=1)


def head_parameters(names, loaded):
    return [name for name in names if name not in loaded]


BODY = (
    "bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.bias",
    "bert.encoder.layer.0.attention.self.query.weight", "bert.encoder.layer.0.output.dense.bias",
)  # fmt: skip
POOLED = ("bert.pooler.dense.weight", "bert.pooler.dense.bias")
HEAD = ("classifier.weight", "classifier.bias")


def head_parameters_cases():
    yield [*BODY[:1], *HEAD], {*BODY[:1]}
    yield [*BODY, *POOLED, *HEAD], {*BODY, "cls.predictions.bias"}
    yield [*BODY, *POOLED, *HEAD], {*BODY, *POOLED, "cls.seq_relationship.weight"}
    yield [*BODY, "qa_outputs.weight", "qa_outputs.bias"], {*BODY, *POOLED}


def head_parameters_by_difference(names, loaded):
    fresh = set(names) - set(loaded)
    return sorted(fresh, key=list(names).index)


def head_parameters_by_loop(names, loaded):
    found = []
    for name in names:
        if not any(name == other for other in loaded):
            found.append(name)
    return found


def outside_bert(names, loaded):
    return [name for name in names if not name.startswith("bert.")]


def called_classifier(names, loaded):
    return [name for name in names if name.startswith(("classifier", "bert.pooler"))]


def head_and_pooler(names, loaded):
    return [name for name in names if not name.startswith("bert.") or "pooler" in name]


def everything(names, loaded):
    return list(names)


def the_frozen_ones(names, loaded):
    return [name for name in names if name in loaded]


EXERCISES = (
    Exercise(
        name="first_piece_labels", lesson=8, minutes=5, difficulty=1,
        reference=first_piece_labels, cases=first_piece_labels_cases,
        mistakes=(
            Mistake("every piece", every_piece,
                    "each piece of a word gets its label, so long words count more often; the paper (section 5.3) "
                    "tags a word at its first piece."),
            Mistake("last piece", last_piece,
                    "the label stands at the last piece of each word; the paper puts it at the first."),
            Mistake("class zero", specials_are_class_zero,
                    "[CLS], [SEP] and padding are labelled as class 0, a class like any other: -100 means that "
                    "nothing is asked."),
            Mistake("out of step", one_after_the_other,
                    "the labels are dealt out piece by piece: after the first word of two pieces they stand at "
                    "wrong words."),
        ),
        hints=("`None` is a special token. When is a piece the first one of its word?",
               "A piece is not the first if the piece before it belongs to the same word."),
        alternatives=(first_piece_labels_by_index, first_piece_labels_by_set),
    ),
    Exercise(
        name="mean_of_tokens", lesson=8, minutes=5, difficulty=1,
        reference=mean_of_tokens, cases=mean_of_tokens_cases,
        mistakes=(
            Mistake("padding", padding_in_the_mean,
                    "the padding is averaged in: a model gives vectors there too, and they differ with the rest of the "
                    "batch."),
            Mistake("row length", divided_by_row_length,
                    "the padding is left out of the sum, but the sum is divided by the length of the row, padding "
                    "included: short texts get short vectors."),
            Mistake("sum", not_divided, "this is a sum: divide by the number of real tokens of each row."),
            Mistake("batch", divided_by_the_batch,
                    "all rows are divided by the average number of tokens of the batch: each row has its own."),
        ),
        hints=("Multiply by the mask, sum over positions, divide by ... what?",
               "`attention_mask[:, :, None]` has a shape that broadcasts against hidden [B, T, D]."),
        alternatives=(mean_of_tokens_by_row, mean_of_tokens_by_product),
    ),
    Exercise(
        name="last_token", lesson=8, minutes=6, difficulty=2,
        reference=last_token, cases=last_token_cases,
        mistakes=(
            Mistake("end of the row", end_of_the_row,
                    "the last place of the row is read even where it is padding (a published bug): a shorter text is "
                    "then judged from a padding token."),
            Mistake("count less one", count_less_one,
                    "right only when the padding stands on the right: decoders are often padded on the left."),
            Mistake("before the padding", before_the_first_padding,
                    "you look for the first padding: a row without any, or padded on the left, gives -1."),
            Mistake("count", count_of_tokens, "that is the number of tokens: positions begin at 0."),
        ),
        hints=("Which position is the largest among those whose mask is 1?",
               "Multiply the mask with `torch.arange(T)`: where is the maximum?"),
        alternatives=(last_token_from_the_end, last_token_by_loop),
    ),
    Exercise(
        name="head_parameters", lesson=8, minutes=5, difficulty=2,
        reference=head_parameters, cases=head_parameters_cases,
        mistakes=(
            Mistake("outside bert.", outside_bert,
                    "everything called `bert.` stays frozen, the pooler too: but no checkpoint brought it along, "
                    "so the classifier reads through a layer of random numbers for ever."),
            Mistake("called classifier", called_classifier,
                    "you go by the names that classifiers have: another task's head is called otherwise "
                    "(`qa_outputs`) and would never be trained."),
            Mistake("pooler always", head_and_pooler,
                    "the pooler is trained even where the checkpoint brought one (from NSP): only what is fresh "
                    "belongs to the head."),
            Mistake("everything", everything, "that is fine-tuning the whole model: the body should stay frozen."),
            Mistake("the frozen ones", the_frozen_ones, "these are to be frozen; asked for are the others."),
        ),
        hints=("The body is what came with the checkpoint. What is left?",
               "No list of names is needed: keep the names that are not in `loaded`, in their order."),
        alternatives=(head_parameters_by_difference, head_parameters_by_loop),
    ),
)  # fmt: skip
