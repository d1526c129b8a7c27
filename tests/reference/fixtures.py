"""The golden fixtures: a tiny random model each. Every entry says what is odd about its model; make_golden.py does the rest."""
from transformers import Gemma3TextConfig, GPT2Config, LlamaConfig, MistralConfig, MixtralConfig, Phi3Config, Qwen2Config, Qwen3Config, Qwen3MoeConfig

ATT, L = r"self_attn\.[qkvo]_proj", r"model\.layers\.\d+\."
ALL6 = ["gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
ALL7 = ALL6 + ["down_proj"]
COMMON = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0, max_position_embeddings=256)
SMALL = dict(COMMON, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48, vocab_size=128)
THETA = lambda theta, **more: {"rope_type": "default", "rope_theta": theta, **more}


def both_spellings(c):
    c["rope_theta"] = c["rope_parameters"]["rope_theta"]     # transformers 4's, as nearly all published models have it


def gemma_legacy(c):
    """As Google published Gemma 3: no layer_types, no rope_parameters."""
    rope = c.pop("rope_parameters")
    del c["layer_types"]
    c.update(rope_theta=rope["full_attention"]["rope_theta"], rope_local_base_freq=rope["sliding_attention"]["rope_theta"], rope_scaling=None, sliding_window_pattern=2)


def phi_legacy(c):
    """As Microsoft published Phi-3 and Phi-4-mini: rope_scaling with `type`."""
    rope = c.pop("rope_parameters")
    c.update(rope_theta=rope["rope_theta"], partial_rotary_factor=rope["partial_rotary_factor"],
             rope_scaling={"type": "longrope", "short_factor": rope["short_factor"], "long_factor": rope["long_factor"]})


# seed, LoRA (r, alpha, targets), lengths of the calibration sequences, compress {pattern: ratio}, config.
# Optional: stored (dtype of the checkpoint), shard (bytes a shard), spell (what is done to config.json), starve (layer, expert).
FIX = {
    "tiny-llama": dict(
        seed=11, r=4, alpha=4, targets=ALL6, calib=[24, 31, 40, 17, 52, 36, 45, 28], compress={L + ".*": 0.5}, spell=both_spellings,
        config=LlamaConfig(hidden_size=64, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, intermediate_size=160, vocab_size=256,
                           tie_word_embeddings=True, rope_parameters=THETA(10000.0), rms_norm_eps=1e-5, **COMMON)),
    "tiny-qwen2": dict(
        seed=22, r=4, alpha=16, targets=ALL7, dense_uncorrected=True, calib=[33, 20, 41, 26, 18, 37, 29, 48], spell=both_spellings,
        compress={r"model\.layers\.(?!1\.self_attn\.o_proj)\d+\." + ATT: 0.6, L + r"mlp\.(gate|up)_proj": 0.4, L + r"mlp\.down_proj": 0.75},
        config=Qwen2Config(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, intermediate_size=128, vocab_size=288,
                           tie_word_embeddings=False, use_sliding_window=False, rope_parameters=THETA(1000000.0), rms_norm_eps=1e-6, **COMMON)),
    "tiny-mistral": dict(                            # window smaller than most sequences; bf16 in shards
        seed=33, r=4, alpha=8, targets=ALL7, calib=[30, 22, 41, 7, 37, 52, 26, 45], compress={L + ".*": 0.5}, stored="bfloat16", shard="30KB",
        config=MistralConfig(tie_word_embeddings=False, sliding_window=9, rope_parameters=THETA(10000.0), rms_norm_eps=1e-5, **SMALL)),
    "tiny-qwen3": dict(                              # q and k norms, heads larger than hidden / heads
        seed=44, r=4, alpha=8, targets=ALL7, calib=[33, 20, 41, 26, 18, 37, 29, 48], compress={L + r"self_attn\..*": 0.6, L + r"mlp\..*": 0.5},
        config=Qwen3Config(head_dim=12, tie_word_embeddings=True, rope_parameters=THETA(1000000.0), rms_norm_eps=1e-6, **SMALL)),
    "tiny-gemma3": dict(                             # sliding, full, sliding; a scale of its own for the scores
        seed=55, r=4, alpha=4, targets=ALL7, calib=[33, 20, 41, 26, 18, 37, 29, 48], compress={L + ".*": 0.5}, spell=gemma_legacy,
        config=Gemma3TextConfig(head_dim=12, tie_word_embeddings=True, sliding_window=8, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                                query_pre_attn_scalar=20, rms_norm_eps=1e-6,
                                rope_parameters={"full_attention": THETA(1000000.0), "sliding_attention": THETA(10000.0)}, **dict(SMALL, num_hidden_layers=3, intermediate_size=40))),
    "tiny-phi3": dict(                               # fused projections, three quarters of a head rotated, longrope (short factors: no sequence is past 64)
        seed=66, r=4, alpha=8, targets=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"], calib=[33, 20, 41, 26, 18, 37, 29, 48], compress={L + ".*": 0.5}, spell=phi_legacy,
        config=Phi3Config(tie_word_embeddings=False, rms_norm_eps=1e-5, sliding_window=None, original_max_position_embeddings=64,
                          rope_parameters=THETA(10000.0, partial_rotary_factor=0.75, short_factor=[1.0, 1.1, 1.3], long_factor=[1.2, 3.0, 9.0]) | {"rope_type": "longrope"}, **SMALL)),
    "tiny-gpt2": dict(                               # weights stored d_in x d_out, learned positions, biases
        seed=77, r=4, alpha=8, targets=["c_attn", "c_proj", "c_fc"], calib=[33, 20, 41, 26, 18, 37, 29, 48], compress={r"transformer\.h\.\d+\..*": 0.5},
        config=GPT2Config(n_embd=32, n_layer=2, n_head=4, n_inner=64, n_positions=64, vocab_size=128, bos_token_id=1, eos_token_id=2, pad_token_id=0)),
    "tiny-qwen3-moe": dict(                          # layer 0 dense; the last expert of layer 2 is reached by fewer tokens than its rank
        seed=88, r=2, alpha=4, targets=ALL7, calib=[33, 40, 41, 36, 38, 47, 39, 48], compress={L + ".*": 0.5}, starve=(2, 3),
        config=Qwen3MoeConfig(head_dim=8, tie_word_embeddings=False, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24, norm_topk_prob=True,
                              decoder_sparse_step=1, mlp_only_layers=[0], rope_parameters=THETA(1000000.0), rms_norm_eps=1e-6, **dict(SMALL, num_hidden_layers=3))),
    "tiny-mixtral": dict(                            # w1, w3, w2 and block_sparse_moe in the checkpoint; a window
        seed=99, r=2, alpha=4, targets=["q_proj", "v_proj", "w1", "w2", "w3"], calib=[33, 40, 41, 36, 38, 47, 39, 48], compress={L + ".*": 0.5},
        config=MixtralConfig(tie_word_embeddings=False, num_local_experts=3, num_experts_per_tok=2, sliding_window=11, rope_parameters=THETA(1000000.0), rms_norm_eps=1e-5,
                             **dict(SMALL, intermediate_size=24))),
}
