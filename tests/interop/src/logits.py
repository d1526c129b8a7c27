"""What transformers and PEFT make of a model directory and an adapter directory, in float32.

Reads {model, adapter?, probe, data} from stdin; prints {logits, loss}."""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

asked = json.load(sys.stdin)
model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32)
if asked.get("adapter"):
    from peft import PeftModel

    model = PeftModel.from_pretrained(model, asked["adapter"])
model.eval()

with torch.no_grad():
    logits = model(torch.tensor([asked["probe"]])).logits[0]
    total, count = 0.0, 0
    for line in open(asked["data"]):
        row = json.loads(line)
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
        predicted = model(ids).logits[0, :-1].double()
        total += torch.nn.functional.cross_entropy(predicted, labels[1:], ignore_index=-100, reduction="sum").item()
        count += int((labels[1:] != -100).sum())

print(json.dumps({"logits": logits.double().flatten().tolist(), "loss": total / count}))
