"""The README that each golden fixture gets."""
STEPS = 20


def about(c):
    if c.model_type == "gpt2":
        return f"hidden {c.n_embd}, layers {c.n_layer}, heads {c.n_head}, inner {c.n_inner}, positions {c.n_positions}, vocabulary {c.vocab_size}, tied embeddings {c.tie_word_embeddings}"
    hd = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    return (f"hidden {c.hidden_size}, layers {c.num_hidden_layers}, heads {c.num_attention_heads}, kv heads {c.num_key_value_heads}, head_dim {hd}, intermediate {c.intermediate_size}, "
            f"vocabulary {c.vocab_size}, tied embeddings {c.tie_word_embeddings}, rope {c.rope_parameters}")


def notes(fx, js):
    """What is odd about this fixture."""
    c, out = fx["config"], []
    if js["storedDtype"] != "float32":
        out.append(f"The checkpoint is {js['storedDtype']}, and so what is written from it: the emulator's u and v and the merged weights are rounded to it, in both runs. `wprime` is not.")
    if getattr(c, "sliding_window", None) and c.model_type != "qwen2":
        out.append(f"Sliding window {c.sliding_window}: a token sees itself and the {c.sliding_window - 1} before it" + (f", in the layers that slide ({c.layer_types})." if c.model_type == "gemma3_text" else "."))
    if c.model_type == "gpt2":
        out.append("Weights in model.safetensors are d_in x d_out (Conv1D); all matrices in golden.safetensors are d_out x d_in. adapter_config.json has fan_in_fan_out.")
    if "starve" in fx:
        seen = {m: n for m, n in js["rows"].items() if ".experts." in m and m.endswith("gate_proj")}
        out.append(f"Experts: {c.num_experts}, {c.num_experts_per_tok} a token, dense layers {c.mlp_only_layers}. A Gram holds the rows that were routed to its expert (`rows` in golden.json, from {min(seen.values())} to {max(seen.values())} here). "
                   f"A linear that fewer rows than its rank came to keeps its full weight (`keptFull`: {', '.join(js['keptFull'])}). The router is neither compressed nor trained, no auxiliary loss; "
                   "gradients flow through the weights of the chosen experts. LoRA on an expert that no token of a batch came to has the gradient 0 in that step.")
    return out


def readme(key, fx, c, js, info):
    d = js["relativeDifferenceF32vsF64"]
    table = "\n".join(f"| {k} | " + (f"{v['maxAbsOverMax']:.1e} | {v['frobenius']:.1e} |" if "frobenius" in v else f"{v['maxRelative']:.1e} (relative, per value) | |") for k, v in d.items())
    un = "`delta.uncorrected.<m>` is stored too (d_out x d_in)." if fx.get("dense_uncorrected") else "`delta.uncorrected` is not stored (size limit): it is scale * lora_B @ lora_A."
    full = [m for m in js["lora"]["modules"] if m not in js["rank"]]
    odd = "".join(f"{line}\n" for line in notes(fx, js))
    return f"""# {js['fixture']}: golden values for EMLoC

Made by `tests/reference/make_golden.py {key}` (PyTorch {js['versions']['torch']}, transformers {js['versions']['transformers']}, peft {js['versions']['peft']}).
Random {c['model_type']} model with power-law weight spectra, correlated embeddings, non-trivial norms and biases. No real data.
{about(fx['config'])}.
{odd}
**All golden values come from a float64 run (float64 also inside norms, RoPE, routers and softmax) of the {js['storedDtype']} weights on disk**; tensors are
rounded to float32 on storing, JSON numbers are full doubles.

## Files
- `config.json`, weights: Hugging Face layout, {js['storedDtype']}{', in shards' if 'shard' in fx else ''}; expert matrices one by one, as checkpoints have them.
- `calib.json` `{{sequences: int[][]}}`: 8 sequences of different lengths, each run alone, no padding. `probe.json` `{{ids}}`: one sequence of 24.
- `train.json` `{{batches: [{{ids, labels}}][]}}`: 5 batches of 4 rows of different lengths; labels are aligned with ids (label t is token t, predicted at t-1), -100 = ignored.
- `golden.json`: compress config, ranks, LoRA set-up, both trajectories, clamp ratios, float32 differences. `golden.safetensors`: tensors below.
- `adapter-uncorrected/`, `adapter-corrected/`: as peft's `save_pretrained` writes them (float32).

## golden.safetensors (`<m>` = full module name, e.g. `model.layers.0.self_attn.q_proj`; W is d_out x d_in, y = W x)
- `gram.<m>` d_in x d_in: sum over all tokens of x x^T (no mean removed, not divided); linears with the same input share one, see `gramOf` in golden.json. The ORIGINAL model's activations.
- `sigma.<m>` all min(d_out, d_in) singular values of W S, S S^T = G with eigenvalues of G/f clamped below at 1e-7 (f = trace(G)/d_in). Clamped eigenvalues here: {sum(js['eigenvaluesClamped'].values())} in all grams{' (fewer calibration tokens than d_in: rank-deficient on purpose)' if sum(js['eigenvaluesClamped'].values()) else ''}.
- `wprime.<m>` d_out x d_in: the emulated weight u v = U_r U_r^T W, r = floor(d_in d_out ratio / (d_in + d_out)) = `rank` in golden.json. u = U_r sqrt(Sigma_r), v = sqrt(Sigma_r) V_r^T S^-1; free of signs. Smallest relative gap (sigma_r - sigma_r+1)/sigma_r: {js['smallestGapAtRank']:.3f}.
- `logits.full`, `logits.emulator`, `logits.emulator_trained` (emulator + trained LoRA), `logits.merged_uncorrected`, `logits.merged` (ORIGINAL model + corrected LoRA): 24 x vocabulary, on the probe.
- `lora_A_init.<m>` r x d_in (B starts at 0), `lora_A.<m>` r x d_in and `lora_B.<m>` d_out x r after the {STEPS} steps of `training`.
- `delta.corrected.<m>` d_out x d_in = scale * B'' A'' (compare products: the factors have free signs). {un}

LoRA: r {fx['r']}, alpha {fx['alpha']}, **scale {js['lora']['scale']:g}**, no dropout, no bias; y = W' x + scale * B (A x). Modules: `lora.modules` in golden.json.

## training (golden.json)
Step s uses batch s mod 5. Loss = mean cross entropy over all labelled positions of the batch (sum over the 4 rows / total count), natural log.
AdamW: lr 1e-3 constant, betas 0.9/0.999, eps 1e-8 (added after the square root of the bias-corrected second moment), bias correction on, weight decay 0, no clipping.
p -= lr * mhat / (sqrt(vhat) + eps). `loss[s]` is before the update of step s; `gradNorm[s]` the L2 norm over all A and B gradients. A's gradient is exactly 0 at step 0 (B = 0).

`trainerLike` starts anew from the same init: as the HF Trainer: peak lr 2e-3, linear warm-up over 3 steps from 0, then half a cosine over the {STEPS} steps (values in `lr`; step 0 has lr 0),
decoupled weight decay 0.01 on A and B (p *= 1 - lr*wd before the update), global-norm clipping at {js['trainerLike']['hyperparameters']['maxGradNorm']} (factor min(1, max/(norm + 1e-6)); `gradNorm` is before clipping). `deltaFrobenius.<m>`: norm of the final scale*B A.
Loss and gradient are those of the whole batch, so 2 x 2 accumulation with weights count_i/total gives the same numbers.

## correction
A^T = U diag(s) V^T (thin), A'' = U^T, B' = diag(s) V^T B^T (r x d_out), C = full(A'') - emulator(A'') without bias, ratio_i = mean|C_i| / mean|scale * B'_i|,
k_i = min(1, 3/ratio_i), B''^T = B' - k_i C_i / scale. `correction.clampRatio.<m>`: the ratios before clamping, sorted ascending.
Here {info['clampedRows']} of {info['rows']} rows are clamped, ratios {info['ratioRange'][0]:.3g} .. {info['ratioRange'][1]:.3g}.{' A linear that was not compressed has ratio 0 and an unchanged product.' if full else ''}

Relative distance of the probe logits: emulator to full {info['emulatorVsFull']:.3f}; to the trained emulator: merged {info['mergedVsEmulatorTrained']:.3f}, merged without correction {info['uncorrectedVsEmulatorTrained']:.3f}.

## How far PyTorch float32 is from these values (the floor of any tolerance)
max|a-b| / max|b| and Frobenius norms, worst module of each kind. `wprime` by the paper's u v with S^-1. `projectedEig` is P P^T W with P the top-r
eigenvectors of W G W^T, `projectedSvd` with P = U_r of the SVD of W S: the same matrix in float64 (all within {info['projectedVsWprime']:.0e} here), with other float32 errors:
the eigenvectors of W G W^T see the square of the condition number and need float64. Allow about 10x for another float32 implementation (other summation order).

| quantity | max/max | Frobenius |
|---|---|---|
{table}

Single elements of A and B: Adam turns a gradient near zero into a step of full size, so compare trained factors by Frobenius norm, losses by value.
"""
