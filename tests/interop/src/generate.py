"""Greedy continuations by transformers, in float32, all prompts in one batch.

Reads {model, prompts, maxNewTokens} from stdin; prints {ids: [[…], …]}, an end-of-text token included."""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(1)
asked = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(asked["model"], padding_side="left")
model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32).eval()
inputs = tokenizer(asked["prompts"], return_tensors="pt", padding=True)
made = model.generate(
    input_ids=inputs.input_ids,
    attention_mask=inputs.attention_mask,
    do_sample=False,
    max_new_tokens=asked["maxNewTokens"],
)
ids = []
for row in made[:, inputs.input_ids.shape[1] :].tolist():
    end = row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row)
    ids.append(row[:end])
print(json.dumps({"ids": ids}))
