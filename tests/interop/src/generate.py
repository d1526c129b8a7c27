"""Greedy continuations by transformers, in float32, one prompt after the other.

Reads {model, prompts, maxNewTokens} from stdin; prints {ids: [[…], …], seconds}."""

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

asked = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(asked["model"])
model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32).eval()
ids = []
started = time.perf_counter()
for prompt in asked["prompts"]:
    inputs = tokenizer(prompt, return_tensors="pt")
    made = model.generate(
        input_ids=inputs.input_ids,
        attention_mask=inputs.attention_mask,
        do_sample=False,
        max_new_tokens=asked["maxNewTokens"],
    )
    ids.append(made[0, inputs.input_ids.shape[1] :].tolist())
print(json.dumps({"ids": ids, "seconds": time.perf_counter() - started}))
