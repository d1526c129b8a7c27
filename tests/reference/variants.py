"""Tiny random models of configurations that the golden fixtures do not have, as transformers saves them, with logits.

    python variants.py DIRECTORY      writes DIRECTORY/<case>/ and in it reference.json {ids, logits}

Computed in float64, except where transformers itself takes float32 (rotary tables, norms): compare to 1e-5.
"""
import json
import sys

import torch
from transformers import (AutoModelForCausalLM, Gemma3TextConfig, GPT2Config, LlamaConfig, MistralConfig, Phi3Config,
                          Qwen2Config, Qwen3Config)

SIZES = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=32, bos_token_id=1, eos_token_id=2, pad_token_id=0)


def rope(kind, **more):
    return dict(rope_type=kind, rope_theta=1e4, **more)


LONGROPE = rope("longrope", partial_rotary_factor=0.75, short_factor=[1.0, 1.2, 1.5], long_factor=[2.0, 3.0, 5.0])
GEMMA_ROPES = dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
                   sliding_attention=dict(rope_type="default", rope_theta=1e4))
# Configuration and the length of the sequence.
CASES = {
    "llama-dynamic": (LlamaConfig(**SIZES, rope_parameters=rope("dynamic", factor=2.0)), 50),
    "llama-linear": (LlamaConfig(**SIZES, rope_parameters=rope("linear", factor=2.0)), 30),
    "llama-llama3": (LlamaConfig(**SIZES, rope_parameters=rope(
        "llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)), 30),
    "qwen2-window": (Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=5, max_window_layers=1), 30),
    "qwen3-yarn": (Qwen3Config(**SIZES, head_dim=12, rope_parameters=rope(
        "yarn", factor=4.0, original_max_position_embeddings=16)), 30),
    "mistral-no-window": (MistralConfig(**SIZES, sliding_window=None, head_dim=6), 30),
    "mistral-window": (MistralConfig(**SIZES, sliding_window=4), 30),
    "phi3-plain": (Phi3Config(**SIZES), 30),
    "phi3-long": (Phi3Config(**{**SIZES, "max_position_embeddings": 64}, original_max_position_embeddings=16,
                             rope_parameters=LONGROPE), 30),
    "gemma3-pattern": (Gemma3TextConfig(**{**SIZES, "num_hidden_layers": 4}, head_dim=10, sliding_window=6,
                                        sliding_window_pattern=2, query_pre_attn_scalar=24), 30),
    "gemma3-scaled": (Gemma3TextConfig(**{**SIZES, "num_hidden_layers": 7}, head_dim=8, sliding_window=6,
                                       query_pre_attn_scalar=24, rope_parameters=GEMMA_ROPES), 30),
    "gpt2": (GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=32), 30),
}


@torch.no_grad()
def make(out, config, length):
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for p in model.parameters():                     # logits that depend on every part
        p.add_(0.2 * torch.randn_like(p)) if p.dim() == 1 else p.mul_(6)
    model.save_pretrained(out)
    ids = torch.randint(3, 96, (1, length))
    logits = model.double()(ids, use_cache=False).logits[0]
    with open(f"{out}/reference.json", "w") as f:
        json.dump(dict(ids=ids[0].tolist(), logits=logits.flatten().tolist()), f)


if __name__ == "__main__":
    torch.manual_seed(0)
    for name, (config, length) in CASES.items():
        make(f"{sys.argv[1]}/{name}", config, length)
