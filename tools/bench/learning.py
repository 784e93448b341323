"""How long until a model fills in hidden words at 97% of what any reader could reach?

    python -m tools.bench.learning {course,trainer} {fp32,bf16} --steps 2048 --seed 0

The recorded experiments' setting: Tiny Town, batches of 32 rows, peak learning rate 2e-3. The clock stands still
while the held-out words are asked.
"""

import argparse
import json
import time

from course_lib import experiments, runtime
from course_lib.model import bodies
from course_lib.train import evaluation, loop, masking, objectives
from tools.bench import contenders

__all__ = ["SHARE", "course", "trainer"]

SHARE, BATCH, RATE, MOMENTS = 0.97, 32, 2e-3, 20


def course(data, fill, steps, bf16, seed):
    """Train with course_lib; returns lists: seconds, accuracy and nats at each moment."""
    runtime.seed_all(seed)
    goal = objectives.MaskedLM(masking.Masking.of(data.tokenizer))
    model = bodies.tiny_bert(data.tokenizer)
    history = loop.train(
        model, data.rows, goal, steps, batch_size=BATCH, learning_rate=RATE, seed=seed, evaluate=fill,
        evaluations=MOMENTS,
    )  # fmt: skip
    at = dict(zip(history.tokens, history.seconds, strict=True))
    near = [min(at, key=lambda tokens: abs(tokens - seen)) for seen in history.eval_tokens]
    return [at[tokens] for tokens in near], *(history.evals[f"held-out {what}"] for what in ("accuracy", "loss"))


def trainer(data, fill, steps, bf16, seed):
    """Train with transformers.Trainer; returns lists: seconds, accuracy and nats at each moment."""
    from transformers import TrainerCallback

    runtime.seed_all(seed)
    model = bodies.tiny_bert(data.tokenizer, attn_implementation="sdpa")
    moments = {round(steps * (i + 1) / MOMENTS) for i in range(MOMENTS)}
    seconds, accuracy, nats = [], [], []

    class Clock(TrainerCallback):
        def on_train_begin(self, *_, **__):
            self.spent, self.since = 0.0, time.perf_counter()

        def on_step_end(self, args, state, control, **_):
            if state.global_step in moments:
                contenders._finish(model.device)
                self.spent += time.perf_counter() - self.since
                seconds.append(self.spent)
                score = fill(model)
                accuracy.append(score["held-out accuracy"])
                nats.append(score["held-out loss"])
                model.train()
                self.since = time.perf_counter()

    run = contenders.make_trainer(data.tokenizer, data.rows, model, steps, BATCH, RATE, bf16, Clock(), seed)
    run.train()
    return seconds, accuracy, nats


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("contender", choices=["course", "trainer"])
    parser.add_argument("precision", choices=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    runtime.setup()
    data = experiments.material()
    fill = data.fill()
    top = evaluation.ceiling(data.oracle, data.tokenizer, fill)
    learn = globals()[options.contender]
    seconds, accuracy, nats = learn(data, fill, options.steps, options.precision == "bf16", options.seed)
    reached = [s for s, a in zip(seconds, accuracy, strict=True) if a >= SHARE * top.accuracy]
    print(json.dumps({
        "ceiling": top.accuracy, "seconds": seconds, "accuracy": accuracy, "nats": nats,
        "least": top.loss, "reached": min(reached, default=None),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
