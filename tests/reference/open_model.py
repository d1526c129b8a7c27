"""A directory as a model that is honest in float64, experts one linear each; and random models with some structure."""
import math, types
import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D
from rope_ref import inverse_frequencies


def load(path, dtype, name):
    m = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="sdpa").eval()
    m.name_or_path = name                            # what peft writes as the base model's name
    split_experts(m)
    return to_double(m) if dtype == torch.float64 else m


# ---------------------------------------------------------------- experts
NAMES = {"MixtralExperts": ("w1", "w3", "w2")}


class Expert(nn.Module):
    def __init__(self, gate, up, down, act, names):
        super().__init__()
        self.names = names
        for name, w in zip(names, (gate, up, down)):
            lin = nn.Linear(w.shape[1], w.shape[0], bias=False, device="meta")
            lin.weight = nn.Parameter(w.detach().clone(), requires_grad=False)
            setattr(self, name, lin)
        self.act = act

    def forward(self, x):
        gate, up, down = (getattr(self, n) for n in self.names)
        return down(self.act(gate(x)) * up(x))


class Experts(nn.ModuleList):
    """transformers 5 fuses the experts' matrices in memory; here they are linears of their own, named as in the checkpoint.

    An expert that no row is routed to is not called.
    """
    def __init__(self, fused):
        halves = [w.chunk(2, 0) for w in fused.gate_up_proj]
        names = NAMES.get(type(fused).__name__, ("gate_proj", "up_proj", "down_proj"))
        super().__init__(Expert(g, u, d, fused.act_fn, names) for (g, u), d in zip(halves, fused.down_proj))

    def forward(self, x, chosen, weights):
        out = torch.zeros_like(x)
        for e, expert in enumerate(self):
            row, place = torch.where(chosen == e)
            if len(row):
                out = out.index_add(0, row, expert(x[row]) * weights[row, place, None])
        return out


def split_experts(model):
    for m in model.modules():
        if type(getattr(m, "experts", None)).__name__.endswith("Experts") and not isinstance(m.experts, Experts):
            m.experts = Experts(m.experts)
            model.config.model_type = "split_experts"    # so that peft does not turn the names of experts into those of fused parameters
    for m in model.modules():
        if type(m).__name__ == "MixtralDecoderLayer" and "mlp" in m._modules:
            m.block_sparse_moe = m._modules.pop("mlp")   # its name in checkpoints
            m.__dict__["mlp"] = m.block_sparse_moe       # which the layer calls


# ---------------------------------------------------------------- honest float64
def to_double(model):
    """transformers casts to float32 inside norms, rope and routers; undo that so that a float64 model is float64 throughout."""
    model.double()
    for m in model.modules():
        kind = type(m).__name__
        if kind.endswith("RMSNorm"):
            m.forward = types.MethodType(gemma_norm if kind.startswith("Gemma") else rms_norm, m)
        elif kind.endswith("RotaryEmbedding"):
            m.forward = types.MethodType(rope, m)
        elif kind.endswith("TopKRouter"):
            m.forward = types.MethodType(router, m)
        elif kind.endswith("ScaledWordEmbedding"):
            m.embed_scale = torch.tensor(m.embedding_dim ** 0.5, dtype=torch.float64)
    return model


def rms_norm(m, x):
    return m.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + m.variance_epsilon))


def gemma_norm(m, x):
    return (1 + m.weight) * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + m.eps))


def rope(m, x, position_ids, layer_type=None):
    c = m.config
    params = c.rope_parameters[layer_type] if layer_type else c.rope_parameters
    head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    inv, scale = inverse_frequencies(params, head_dim, c.max_position_embeddings, int(position_ids.max()) + 1)
    f = position_ids[..., None].double() * inv
    e = torch.cat((f, f), -1)
    return e.cos() * scale, e.sin() * scale


def router(m, x):
    scores = F.linear(x.reshape(-1, m.hidden_dim), m.weight)
    value, chosen = torch.topk(torch.softmax(scores, -1), m.top_k, dim=-1)
    if getattr(m, "norm_topk_prob", True):
        value = value / value.sum(-1, keepdim=True)
    return scores, value, chosen


# ---------------------------------------------------------------- a random model with structure
def randomize(model, seed):
    g = torch.Generator().manual_seed(seed)
    N = lambda *s: torch.randn(*s, generator=g, dtype=torch.float64)
    U = lambda a, b: a + (b - a) * torch.rand((), generator=g, dtype=torch.float64).item()
    conv = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, Conv1D)}
    centre = 0.0 if model.config.model_type == "gemma3_text" else 1.0     # Gemma multiplies by 1 + w

    def spectrum(o, i, gain):                       # power-law spectrum, Frobenius norm of an iid matrix of std gain/sqrt(d_in)
        q1, _ = torch.linalg.qr(N(o, min(o, i)))
        q2, _ = torch.linalg.qr(N(i, min(o, i)))
        s = torch.arange(1, min(o, i) + 1).double() ** -U(0.9, 1.4) * torch.exp(0.05 * N(min(o, i)))
        w = (q1 * s) @ q2.T
        return w * (gain * math.sqrt(o) / w.norm())

    for name, p in model.named_parameters():
        if p.ndim == 1:
            w = 0.15 * N(*p.shape) + (0.0 if name.endswith("bias") else centre)
        elif "embed" in name or "wte" in name:      # correlated: 12 topics with decaying weight + noise, some rows far larger
            k = 12
            w = (N(p.shape[0], k) * torch.arange(1, k + 1).double() ** -0.7) @ N(k, p.shape[1]) * 0.6 + 0.35 * N(*p.shape)
            w *= 0.5 + torch.rand(p.shape[0], 1, generator=g, dtype=torch.float64)
            w *= (0.2 if model.config.tie_word_embeddings else 1.0)   # tied: keeps the logits small
        elif "wpe" in name:
            w = 0.1 * N(*p.shape)
        elif p.ndim == 3:                           # an expert a matrix
            w = torch.stack([spectrum(*p.shape[1:], 0.9) for _ in range(p.shape[0])])
        elif name in conv:
            w = spectrum(*reversed(p.shape), 0.9).T.contiguous()
        elif name.endswith("mlp.gate.weight"):      # a router: far from ties
            w = 0.6 * N(*p.shape)
        else:
            w = spectrum(*p.shape, 1.5 if "lm_head" in name else 0.9)
        p.data = w.to(torch.float32)
    return model


@torch.no_grad()
def starve(model, layer, expert, sequences, most):
    """Turn an expert's router row away from the layer's inputs until some of the sequences' tokens, but at most `most`, choose it."""
    inputs, router = [], model.model.layers[layer].mlp.gate
    hook = router.register_forward_pre_hook(lambda _, a: inputs.append(a[0].reshape(-1, a[0].shape[-1])))
    for s in sequences:
        model(torch.tensor([s]), use_cache=False)
    hook.remove()
    x = torch.cat(inputs)
    for _ in range(20000):                           # as a perceptron learns
        chosen = (torch.topk(x @ router.weight.T, router.top_k).indices == expert).any(1)
        if chosen.sum() <= most:
            assert chosen.any()
            return
        router.weight[expert] -= 0.02 * x[chosen].mean(0)
    raise AssertionError("the expert is not to be starved")
