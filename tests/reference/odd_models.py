"""A random model of each architecture in sizes that the golden fixtures do not have, as transformers saves it: odd numbers of heads, one key-value head,
heads that are not hidden / heads, vocabularies that are a multiple of nothing, other layouts of layers, f16 and bf16 in shards.

    python odd_models.py DIRECTORY      writes DIRECTORY/<case>/, with calib.json, probe.json and train.json as the fixtures have
"""
import json, os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GPT2Config, LlamaConfig, MistralConfig, MixtralConfig, Phi3Config, Qwen2Config, Qwen3Config, Qwen3MoeConfig
from make_golden import sequences, training_data
from open_model import randomize

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
IDS = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)
COMMON = dict(IDS, max_position_embeddings=160)
rope = lambda kind="default", theta=1e4, **more: dict(rope_type=kind, rope_theta=theta, **more)
F16, BF16, F32 = torch.float16, torch.bfloat16, torch.float32

# dtype, bytes of a shard, configuration
CASES = {
    "llama-one-kv-head": (F16, "60KB", LlamaConfig(
        hidden_size=96, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=1, head_dim=20, intermediate_size=200, vocab_size=1003, tie_word_embeddings=False,
        attention_bias=True, mlp_bias=True, rope_parameters=rope("llama3", 5e5, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32), **COMMON)),
    "llama-five-heads": (BF16, "5GB", LlamaConfig(
        hidden_size=80, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=5, intermediate_size=133, vocab_size=509, tie_word_embeddings=True, rope_parameters=rope(), **COMMON)),
    "mistral-one-kv-head": (F16, "50KB", MistralConfig(
        hidden_size=120, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=1, head_dim=32, intermediate_size=150, vocab_size=517, sliding_window=7, tie_word_embeddings=True,
        rope_parameters=rope(theta=1e6), **COMMON)),
    "qwen2-seven-heads": (F16, "80KB", Qwen2Config(
        hidden_size=112, num_hidden_layers=4, num_attention_heads=7, num_key_value_heads=1, intermediate_size=91, vocab_size=777, use_sliding_window=True, sliding_window=6, max_window_layers=2,
        tie_word_embeddings=True, rope_parameters=rope("yarn", 1e6, factor=4.0, original_max_position_embeddings=40), **COMMON)),
    "qwen3-three-heads": (F16, "5GB", Qwen3Config(
        hidden_size=72, num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=3, head_dim=32, intermediate_size=101, vocab_size=1001, attention_bias=True, tie_word_embeddings=False,
        rope_parameters=rope(theta=1e6), **COMMON)),
    "gemma3-five-heads": (BF16, "70KB", Gemma3TextConfig(
        hidden_size=85, num_hidden_layers=7, num_attention_heads=5, num_key_value_heads=1, head_dim=24, intermediate_size=97, vocab_size=1001, sliding_window=9, query_pre_attn_scalar=33,
        tie_word_embeddings=True, rope_parameters=dict(full_attention=rope("linear", 1e6, factor=8.0), sliding_attention=rope()), **COMMON)),
    "phi3-three-kv-heads": (F16, "90KB", Phi3Config(
        hidden_size=96, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=3, intermediate_size=77, vocab_size=997, sliding_window=8, tie_word_embeddings=True,
        original_max_position_embeddings=160, rope_parameters=rope(partial_rotary_factor=0.5), **COMMON)),
    "gpt2-three-heads": (F16, "5GB", GPT2Config(
        n_embd=60, n_layer=3, n_head=3, n_positions=160, vocab_size=1009, **IDS)),
    "qwen3-moe-every-layer": (F16, "60KB", Qwen3MoeConfig(
        hidden_size=55, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=1, head_dim=16, intermediate_size=70, moe_intermediate_size=27, num_experts=6, num_experts_per_tok=3,
        norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[], vocab_size=601, tie_word_embeddings=True, rope_parameters=rope(theta=1e6), **COMMON)),
    "qwen3-moe-every-second-layer": (BF16, "5GB", Qwen3MoeConfig(
        hidden_size=48, num_hidden_layers=4, num_attention_heads=3, num_key_value_heads=1, head_dim=16, intermediate_size=70, moe_intermediate_size=30, num_experts=5, num_experts_per_tok=1,
        norm_topk_prob=True, decoder_sparse_step=2, vocab_size=601, tie_word_embeddings=False, rope_parameters=rope(theta=1e6), **COMMON)),
    "mixtral-one-kv-head": (F16, "60KB", MixtralConfig(
        hidden_size=84, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=1, head_dim=12, intermediate_size=50, num_local_experts=5, num_experts_per_tok=2, vocab_size=613,
        tie_word_embeddings=True, sliding_window=None, rope_parameters=rope(theta=1e6), **COMMON)),
}


def make(out, seed, dtype, shard, config):
    model = randomize(AutoModelForCausalLM.from_config(config).eval(), seed)
    model.to(dtype).save_pretrained(out, max_shard_size=shard)
    rng = np.random.default_rng(seed)
    put = lambda name, value: json.dump(value, open(f"{out}/{name}", "w"))
    put("calib.json", dict(sequences=sequences(config.vocab_size, [60, 41, 75, 33, 58, 47], rng)))
    put("probe.json", dict(ids=sequences(config.vocab_size, [29], rng)[0]))
    put("train.json", dict(batches=training_data(config.vocab_size, rng)))


if __name__ == "__main__":
    for i, (name, case) in enumerate(CASES.items()):
        make(f"{sys.argv[1]}/{name}", 100 + i, *case)
    print(json.dumps(list(CASES)))
