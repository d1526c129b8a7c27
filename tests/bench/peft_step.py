"""PEFT's time and memory for the training step that the mesh is measured against.

    python tests/bench/peft_step.py MODEL_DIR --data tests/data/debian-sections/train.jsonl [--emulator DIR] [--checkpointing] [--steps 5]

The setting: batch 8 in micro-batches of 2 near in length, LoRA r 8 alpha 8 on q k v o gate up, AdamW, completion-only loss.
With --emulator the linears hold the factors of an emulator directory as the mesh writes it. Prints one JSON object:
seconds a step (median, minimum), tokens a step, peak memory (VmHWM), loss of the last step.
"""
import argparse, json, os, re, statistics, time
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer
from peft import LoraConfig, get_peft_model

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj"]


class Factored(torch.nn.Linear):
    """u (v x) + b, as a Linear so that PEFT takes it as a base layer."""

    def __init__(self, u, v, bias):
        torch.nn.Module.__init__(self)
        self.out_features, self.in_features = u.shape[0], v.shape[1]
        self.u, self.v = torch.nn.Parameter(u, requires_grad=False), torch.nn.Parameter(v, requires_grad=False)
        self.b = bias

    weight = property(lambda self: self.u)
    bias = property(lambda self: self.b)

    def forward(self, x):
        return torch.nn.functional.linear(torch.nn.functional.linear(x, self.v), self.u, self.b)


def factor(model, directory):
    names = [f for f in os.listdir(directory) if f.endswith(".safetensors")]
    for file in names:
        with safe_open(os.path.join(directory, file), "pt") as f:
            for key in f.keys():
                if key.endswith(".u"):
                    name = key[:-2]
                    parent, _, leaf = name.rpartition(".")
                    old = model.get_submodule(name)
                    new = Factored(f.get_tensor(key), f.get_tensor(name + ".v"), old.bias)
                    setattr(model.get_submodule(parent), leaf, new)


def rows_of(path, tokenizer, count):
    rows = []
    for line in open(path):
        messages = json.loads(line)["messages"]
        prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, tokenize=False)
        ids = tokenizer(prompt, add_special_tokens=False).input_ids
        answer = tokenizer(messages[-1]["content"], add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
        rows.append((ids + answer, [-100] * len(ids) + answer))
        if len(rows) == count:
            return rows
    return rows


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--data", required=True)
    p.add_argument("--emulator")
    p.add_argument("--checkpointing", action="store_true")
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    p.add_argument("--threads", type=int, default=os.cpu_count())
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype))
    if a.emulator:
        factor(model, a.emulator)
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=8, target_modules=TARGETS, task_type="CAUSAL_LM"))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if a.checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    model.train()
    parameters = [x for x in model.parameters() if x.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
    rows = rows_of(a.data, tokenizer, 8 * (a.steps + 1))
    seconds, tokens, loss = [], [], 0.0
    for step in range(a.steps + 1):
        batch = sorted(rows[8 * step : 8 * step + 8], key=lambda r: len(r[0]))
        total = sum(sum(y != -100 for y in labels[1:]) for _, labels in batch)
        started, loss = time.perf_counter(), 0.0
        for micro in (batch[i : i + 2] for i in range(0, 8, 2)):
            width = max(len(ids) for ids, _ in micro)
            ids = torch.tensor([r[0] + [0] * (width - len(r[0])) for r in micro])
            mask = torch.tensor([[1] * len(r[0]) + [0] * (width - len(r[0])) for r in micro])
            labels = torch.tensor([r[1] + [-100] * (width - len(r[1])) for r in micro])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.dtype == "bfloat16"):
                logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            part = torch.nn.functional.cross_entropy(
                logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum"
            ) / total
            part.backward()
            loss += part.item()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step:  # the first one warms up
            seconds.append(time.perf_counter() - started)
            tokens.append(sum(len(ids) for ids, _ in batch))
    peak = re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())
    print(json.dumps(dict(
        secondsPerStep=statistics.median(seconds), fastestSeconds=min(seconds), tokensPerStep=statistics.mean(tokens),
        peakRssBytes=int(peak.group(1)) * 1024, loss=loss, torch=torch.__version__, threads=a.threads,
    )))


if __name__ == "__main__":
    main()
