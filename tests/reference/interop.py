"""What transformers and PEFT make of our directories: JSON with the logits of each on the given token ids.

python interop.py BASE IDS ADAPTER MERGED     IDS: JSON list of token ids
"""
import json, os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers, peft
from transformers import AutoModelForCausalLM

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)


def logits(model, ids):
    with torch.no_grad():
        return model.eval()(torch.tensor([ids]), use_cache=False).logits[0].double().flatten().tolist()


def main(base, ids, adapter, merged):
    ids = json.loads(ids)
    load = lambda d: AutoModelForCausalLM.from_pretrained(d, dtype=torch.float32)
    with_adapter = peft.PeftModel.from_pretrained(load(base), adapter)
    scale = {m.scaling["default"] for m in with_adapter.modules() if hasattr(m, "lora_A") and m.scaling}
    print(json.dumps(dict(adapter=logits(with_adapter, ids), merged=logits(load(merged), ids), scale=sorted(scale))))


main(*sys.argv[1:])
