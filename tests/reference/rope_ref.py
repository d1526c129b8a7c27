"""Inverse frequencies of rotary embeddings in float64, for every kind of scaling that checkpoints carry.

Written after transformers' modeling_rope_utils.py, which computes in float32; `compare` holds one to the other.
"""
import math
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS


def inverse_frequencies(params, head_dim, max_positions, seq_len=None):
    """(inverse frequencies [rotary_dim / 2], factor on cos and sin). `params`: a config's rope_parameters."""
    kind, theta = params.get("rope_type", "default"), params["rope_theta"]
    dim = int(head_dim * params.get("partial_rotary_factor", 1.0))
    steps = torch.arange(0, dim, 2, dtype=torch.float64) / dim
    inv, factor = theta ** -steps, params.get("factor")
    if kind == "default":
        return inv, 1.0
    if kind == "linear":
        return inv / factor, 1.0
    if kind == "dynamic":
        length = max(seq_len or max_positions, max_positions)
        theta = theta * (factor * length / max_positions - (factor - 1)) ** (dim / (dim - 2))
        return theta ** -steps, 1.0
    if kind == "llama3":
        return llama3(params, inv), 1.0
    original = params["original_max_position_embeddings"]
    if kind == "longrope":
        factor = max_positions / original if factor is None else factor
        scale = params.get("attention_factor") or (1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original)))
        ext = params["long_factor" if (seq_len or 0) > original else "short_factor"]
        return inv / torch.tensor(ext, dtype=torch.float64), scale
    assert kind == "yarn", kind
    return yarn(params, inv, dim, original)


def llama3(params, inv):
    old, low, high, factor = (params[k] for k in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor", "factor"))
    wave = 2 * math.pi / inv
    smooth = ((old / wave - low) / (high - low)).clamp(0, 1)          # 1: as it is, 0: divided by the factor
    return (1 - smooth) * inv / factor + smooth * inv


def yarn(params, inv, dim, original):
    factor = params["factor"]
    mscale = lambda m: 1.0 if factor <= 1 else 0.1 * m * math.log(factor) + 1
    scale = params.get("attention_factor")
    if scale is None:
        m, all_dim = params.get("mscale"), params.get("mscale_all_dim")
        scale = mscale(m) / mscale(all_dim) if m and all_dim else mscale(1)
    at = lambda rotations: dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(params["rope_theta"]))
    low, high = at(params.get("beta_fast") or 32), at(params.get("beta_slow") or 1)
    if params.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    high += 0.001 if low == high else 0
    ramp = ((torch.arange(dim // 2, dtype=torch.float64) - low) / (high - low)).clamp(0, 1)
    return inv / factor * ramp + inv * (1 - ramp), scale


def compare(config, seq_len=None):
    """The largest relative distance to what transformers computes in float32 from the same config."""
    p = config.rope_parameters
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    inv, scale = inverse_frequencies(p, head_dim, config.max_position_embeddings, seq_len)
    theirs, their_scale = ROPE_INIT_FUNCTIONS[p["rope_type"]](config, None, seq_len=seq_len)
    return max(((theirs.double() - inv).abs() / inv).max().item(), abs(their_scale - scale) / scale)
