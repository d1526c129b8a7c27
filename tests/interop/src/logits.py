"""What transformers and PEFT make of model directories and adapter directories, in float32.

Reads [{model, adapter?, probe, data}, …] from stdin; prints [{logits, loss}, …]. One process for all of them: loading
the libraries takes longer than the models."""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def figures(asked):
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32)
    if asked.get("adapter"):
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
    return {"logits": logits.double().flatten().tolist(), "loss": total / count}


print(json.dumps([figures(asked) for asked in json.load(sys.stdin)]))
