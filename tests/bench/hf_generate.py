"""transformers' tokens a second, for what libs/models/bench/generation.ts measures of ours.

    python tests/bench/hf_generate.py MODEL_DIR [--sequences 1] [--prompt-tokens 32] [--new-tokens 64] [--dtype float32] [--rounds 2] [--threads N]

Greedy, with the key-value cache, all sequences in one batch of equal lengths. The first round is not counted. Prints one
JSON object.
"""
import argparse, json, os, resource, statistics, time
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--sequences", type=int, default=1)
parser.add_argument("--prompt-tokens", type=int, default=32)
parser.add_argument("--new-tokens", type=int, default=64)
parser.add_argument("--dtype", default="float32")
parser.add_argument("--rounds", type=int, default=2)
parser.add_argument("--threads", type=int)
args = parser.parse_args()
if args.threads:
    torch.set_num_threads(args.threads)

model = AutoModelForCausalLM.from_pretrained(args.model, dtype=getattr(torch, args.dtype)).eval()
ids = torch.tensor(
    [[100 + 7919 * (row + 1) * (t + 1) % 20_000 for t in range(args.prompt_tokens)] for row in range(args.sequences)]
)


def seconds(new_tokens):
    """Wall time and processor time."""
    started, busy = time.perf_counter(), time.process_time()
    model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        min_new_tokens=new_tokens,
        max_new_tokens=new_tokens,
    )
    return time.perf_counter() - started, time.process_time() - busy


seconds(args.new_tokens)
firsts, wholes = [], []
for _ in range(args.rounds):
    firsts.append(seconds(1))
    wholes.append(seconds(args.new_tokens))
median = lambda rounds, which: statistics.median(each[which] for each in rounds)
first = median(firsts, 0)
rest = median(wholes, 0) - first
print(
    json.dumps(
        dict(
            sequences=args.sequences,
            secondsToFirst=first,
            tokensPerSecond=args.sequences * (args.new_tokens - 1) / rest,
            cpuSecondsPerStep=(median(wholes, 1) - median(firsts, 1)) / (args.new_tokens - 1),
            peakBytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
    )
)
