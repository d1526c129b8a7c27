"""Write tests/fixtures/rope/rope.json: inverse frequencies of every rope scaling, in float64.   python make_rope.py"""
import json, os
import torch
import transformers
from transformers import LlamaConfig, Phi3Config
from rope_ref import compare, inverse_frequencies

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
LONG = dict(short_factor=[1.0, 1.02, 1.05, 1.1, 1.2, 1.3], long_factor=[1.1, 1.6, 2.5, 4.2, 9.0, 14.5])
CASES = [  # name, rope parameters, head size, max_position_embeddings, sequence length (dynamic and longrope look at it)
    ("default", dict(rope_type="default"), 16, 64, None),
    ("default, partial", dict(rope_type="default", partial_rotary_factor=0.5), 16, 64, None),
    ("linear", dict(rope_type="linear", factor=4.0), 16, 64, None),
    ("dynamic, within", dict(rope_type="dynamic", factor=2.0), 16, 64, 40),
    ("dynamic, beyond", dict(rope_type="dynamic", factor=2.0), 16, 64, 150),
    ("llama3", dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192), 64, 131072, None),
    ("llama3, all three bands in a small head", dict(rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64), 16, 256, None),
    ("yarn", dict(rope_type="yarn", rope_theta=1000000.0, factor=4.0, original_max_position_embeddings=32768), 64, 131072, None),
    ("yarn, betas and attention factor given", dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=256, beta_fast=16.0, beta_slow=2.0, attention_factor=1.3), 32, 2048, None),
    ("yarn, mscale", dict(rope_type="yarn", factor=40.0, original_max_position_embeddings=4096, mscale=0.707, mscale_all_dim=1.0), 64, 163840, None),
    ("yarn, range not truncated", dict(rope_type="yarn", rope_theta=150000.0, factor=32.0, original_max_position_embeddings=4096, truncate=False), 64, 131072, None),
    ("longrope, short", dict(rope_type="longrope", original_max_position_embeddings=64, **LONG), 12, 256, 64),
    ("longrope, long", dict(rope_type="longrope", original_max_position_embeddings=64, **LONG), 12, 256, 65),
    ("longrope, partial", dict(rope_type="longrope", original_max_position_embeddings=64, partial_rotary_factor=0.75, **LONG), 16, 256, 65),
    ("longrope, factor and attention factor given", dict(rope_type="longrope", original_max_position_embeddings=64, factor=2.0, attention_factor=1.19, **LONG), 12, 256, 30),
]


def config_of(params, head_dim, positions):
    kind = Phi3Config if "partial_rotary_factor" in params else LlamaConfig
    more = dict(pad_token_id=0, original_max_position_embeddings=64) if kind is Phi3Config else {}
    return kind(hidden_size=4 * head_dim, num_attention_heads=4, num_hidden_layers=1, max_position_embeddings=positions, rope_parameters=dict(params), **more)


def entry(name, params, head_dim, positions, seq_len):
    params = {"rope_theta": 10000.0, **params}
    inv, scale = inverse_frequencies(params, head_dim, positions, seq_len)
    if params["rope_type"] != "default":
        worst = compare(config_of(params, head_dim, positions), seq_len)
        assert worst < 2e-6, (name, worst)
    angles = torch.tensor([0, 1, 7, 63], dtype=torch.float64)[:, None] * inv
    return dict(name=name, rope_parameters=params, head_dim=head_dim, max_position_embeddings=positions, sequence_length=seq_len,
                inverse_frequencies=inv.tolist(), attention_factor=scale, positions=[0, 1, 7, 63],
                cos=(angles.cos() * scale).tolist(), sin=(angles.sin() * scale).tolist())


README = f"""# rope: rotary embeddings of every scaling

Made by `tests/reference/make_rope.py` (float64, transformers {transformers.__version__} agrees to its float32). `rope.json`: a list of cases, each with `rope_parameters` as transformers 5 writes
them, the head size, `max_position_embeddings`, the sequence length (`dynamic` and `longrope` look at it; null: none), and what comes out: `inverse_frequencies` (rotary size / 2; the rotary size is
`head_dim · partial_rotary_factor`), `attention_factor` on cos and sin, and the tables `cos`, `sin` (that factor included) at four `positions`.
"""

if __name__ == "__main__":
    out = os.path.join(ROOT, "fixtures/rope")
    os.makedirs(out, exist_ok=True)
    with open(f"{out}/rope.json", "w") as f:
        f.write("[\n " + ",\n ".join(json.dumps(entry(*c)) for c in CASES) + "\n]\n")
    open(f"{out}/README.md", "w").write(README)
