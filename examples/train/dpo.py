"""Trains on pairs of answers with TRL's DPO. `rejected` does not mean wrong: docs/export.md, "Pairs".

culturepark export last --format preference --out runs/pairs --split 0.9
python examples/train/dpo.py Qwen/Qwen2.5-0.5B-Instruct runs/pairs runs/model [STEPS]
"""

import sys

import torch
from datasets import load_dataset
from trl import DPOConfig, DPOTrainer

model, folder, out, *steps = sys.argv[1:]
rows = load_dataset(folder)
trainer = DPOTrainer(
    model,
    args=DPOConfig(
        out,
        beta=0.1,
        max_length=1024,
        learning_rate=5e-6,
        num_train_epochs=1,
        max_steps=int(steps[0]) if steps else -1,
        bf16=torch.cuda.is_available(),
        report_to="none",
    ),
    train_dataset=rows["train"],
    eval_dataset=rows.get("validation"),
)
trainer.train()
trainer.save_model()
