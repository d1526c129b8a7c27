"""Adapters as PEFT itself makes them, with random factors.

Reads [{model, out, settings}, …] from stdin; settings are LoraConfig's."""

import json
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

torch.manual_seed(1)
for asked in json.load(sys.stdin):
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **asked["settings"]))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(asked["out"])
