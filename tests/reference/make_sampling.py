"""Probabilities of the next token as transformers' logits processors make them of random logits: the golden numbers of
the sampler. Needs torch and transformers (made with torch 2.15, transformers 5.24).

python make_sampling.py > ../fixtures/sampling/sampling.json
"""

import json

import torch
from transformers import GenerationConfig
from transformers.generation.utils import GenerationMixin
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 60
CASES = [
    dict(do_sample=False),
    dict(do_sample=False, repetition_penalty=1.3),
    dict(do_sample=True, top_k=0),
    dict(do_sample=True, top_k=0, temperature=0.6),
    dict(do_sample=True, top_k=7),
    dict(do_sample=True, top_k=1),
    dict(do_sample=True, top_k=0, top_p=0.8),
    dict(do_sample=True, top_k=0, top_p=0.05),
    dict(do_sample=True, top_k=0, min_p=0.1),
    dict(do_sample=True, top_k=20, top_p=0.9, temperature=1.7),
    dict(do_sample=True, top_k=20, top_p=0.9, min_p=0.15, temperature=0.8, repetition_penalty=1.2),
    dict(do_sample=True, top_k=0, repetition_penalty=0.7),
]

model = LlamaForCausalLM(
    LlamaConfig(vocab_size=VOCABULARY, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
)
generator = torch.Generator().manual_seed(1)
cases = []
for case in CASES:
    logits = (3 * torch.randn(VOCABULARY, generator=generator)).float()
    ids = torch.randint(0, VOCABULARY, (1, 9), generator=generator)
    config = GenerationConfig(**case)
    processors = GenerationMixin._get_logits_processor(model, generation_config=config, input_ids_seq_length=9)
    scores = processors(ids, logits[None].clone())[0]
    cases.append(
        dict(
            options=case,
            ids=ids[0].tolist(),
            logits=logits.tolist(),
            probabilities=scores.double().softmax(-1).tolist(),
            log_probabilities=logits.double().log_softmax(-1).tolist(),
        )
    )
print(json.dumps(cases))
