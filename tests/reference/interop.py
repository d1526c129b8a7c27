"""What transformers and PEFT make of our directories, in float32.

Reads [{base, ids, adapter?, merged, prompt}, …] from stdin; prints [{base, merged, adapter?, scale?, generated}, …]: logits of each on the ids, and the
tokens that the merged model goes on with after the prompt. One process for all of them: loading the libraries takes longer than the models.
"""
import json, os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers, peft
from transformers import AutoModelForCausalLM

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)


@torch.no_grad()
def logits(model, ids):
    return model.eval()(torch.tensor([ids]), use_cache=False).logits[0].double().flatten().tolist()


@torch.no_grad()
def greedy(model, prompt, tokens=12):
    """Without a cache and without generate(), whose settings are the model's: the most likely token each time."""
    ids = list(prompt)
    for _ in range(tokens):
        ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt):]


def load(directory):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    model.set_experts_implementation("eager")        # the other takes widths that are a multiple of 16 bytes
    return model


def figures(asked):
    merged = load(asked["merged"])
    found = dict(base=logits(load(asked["base"]), asked["ids"]), merged=logits(merged, asked["ids"]), generated=greedy(merged, asked["prompt"]))
    if asked.get("adapter"):
        model = peft.PeftModel.from_pretrained(load(asked["base"]), asked["adapter"])
        scale = {m.scaling["default"] for m in model.modules() if hasattr(m, "lora_A") and m.scaling}
        found.update(adapter=logits(model, asked["ids"]), scale=sorted(scale))
    return found


print(json.dumps([figures(asked) for asked in json.load(sys.stdin)]))
