"""Two more contenders of training_speed.py: a loop as a tutorial writes it, and the BERT of the d2l book.

    python -m tools.bench.contenders {plain,d2l} fp32 --steps 60

They get the same rows, batch size, optimiser and learning rate as the others; README.md says what differs.
"""

import ast
import importlib.util
import math
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["d2l", "d2l_model", "d2l_source", "plain"]


def plain(data, model, steps, batch_size, learning_rate, warm_up_share):
    """Train as a tutorial does: a DataLoader, masks by hand, the model's own loss over all positions.

    Returns (tokens per second, mean loss) after the warm-up.
    """
    from transformers import get_cosine_schedule_with_warmup

    tokenizer, rows = data
    device = next(model.parameters()).device
    special = torch.tensor(sorted(set(tokenizer.all_special_ids)))

    def masked(batch):
        ids = torch.stack(batch)
        labels, draw = ids.clone(), torch.rand(ids.shape)
        selected = (draw < 0.15) & ~torch.isin(ids, special)
        labels[~selected] = -100
        ids[selected & (draw < 0.12)] = tokenizer.mask_token_id
        swap = selected & (draw >= 0.12) & (draw < 0.135)
        ids[swap] = torch.randint(len(special), len(tokenizer), ids.shape)[swap]
        return {"input_ids": ids, "labels": labels}

    loader = torch.utils.data.DataLoader(rows, batch_size, shuffle=True, drop_last=True, collate_fn=masked)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    scheduler = get_cosine_schedule_with_warmup(optimizer, round(0.1 * steps), steps)
    model.train()

    def step(batch):
        loss = model(**{key: value.to(device) for key, value in batch.items()}).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        return loss.item()

    return _timed(step, loader, steps, batch_size * rows.shape[1], warm_up_share)


def d2l(data, net, steps, batch_size, learning_rate, warm_up_share):
    """Train the book's BERT by its recipe: masks drawn once beforehand, MLM loss at the listed positions, Adam.

    Its second loss, next sentence prediction, is left out, as for everybody. Returns (tokens per second, mean loss).
    """
    from course_lib.train.masking import Masking

    tokenizer, rows = data
    drawn = Masking.of(tokenizer)(rows, torch.Generator().manual_seed(0))  # the same number in each row
    places = torch.stack([row.nonzero()[:, 0] for row in drawn.selected])  # int64 [N, K]
    prepared = torch.utils.data.TensorDataset(drawn.input_ids, places, rows.gather(1, places))
    loader = torch.utils.data.DataLoader(prepared, batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate)
    device = next(net.parameters()).device

    def step(batch):
        ids, at, labels = (x.to(device) for x in batch)
        lengths = torch.full((len(ids),), ids.shape[1], device=device)
        _, logits, _ = net(ids, torch.zeros_like(ids), lengths, at)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return _timed(step, loader, steps, batch_size * rows.shape[1], warm_up_share)


def _timed(step, loader, steps, tokens, warm_up_share):
    """Take ``steps`` steps, round and round the data; time those after the warm-up."""
    first, done, losses, started = round(warm_up_share * steps), 0, [], 0.0
    while done < steps:
        for batch in loader:
            if done == first:
                started = time.perf_counter()
            losses.append(step(batch))
            done += 1
            if done == steps:
                break
    late = losses[first:]
    return (steps - first) * tokens / (time.perf_counter() - started), sum(late) / len(late)


def d2l_source():
    """Return the path of the installed d2l package's PyTorch file, or None: nothing is imported."""
    found = importlib.util.find_spec("d2l")
    path = Path(found.submodule_search_locations[0]) / "torch.py" if found else None
    return path if path and path.is_file() else None


def d2l_model(vocabulary, length, width=128, heads=4, layers=2):
    """Build the book's BERT without dropout: its classes as they stand in its file.

    The file itself imports torchvision, pandas and more, for other chapters; so only the definitions that BERTModel
    needs are run. ``d2l.Module``, a base class that adds plotting, is replaced by nn.Module: nothing here plots.
    """
    tree = ast.parse(d2l_source().read_text(encoding="utf-8"))
    needed = (
        "masked_softmax", "DotProductAttention", "MultiHeadAttention", "AddNorm", "PositionWiseFFN",
        "TransformerEncoderBlock", "BERTEncoder", "MaskLM", "NextSentencePred", "BERTModel",
    )  # fmt: skip
    book = SimpleNamespace(Module=nn.Module)
    names = {"torch": torch, "nn": nn, "F": F, "math": math, "d2l": book}
    for node in sorted(tree.body, key=lambda node: needed.index(node.name) if _named(node) in needed else -1):
        if _named(node) in needed:
            exec(compile(ast.Module([node], []), "d2l/torch.py", "exec"), names)
            setattr(book, node.name, names[node.name])
    net = names["BERTModel"](vocabulary, width, 4 * width, heads, layers, 0.0, max_len=length)
    net(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2, dtype=torch.long), None, torch.zeros(1, 1).long())
    return net  # its lazy layers have their shapes now


def _named(node):
    return getattr(node, "name", "")
