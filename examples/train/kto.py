"""Trains on good and bad answers with TRL's KTO. Whose labels they are: docs/export.md, "Preferences and labels".

culturepark export last --format kto --out runs/kto --split 0.9
python examples/train/kto.py Qwen/Qwen2.5-0.5B-Instruct runs/kto runs/model [STEPS]

An export says which weight its labels want where there are more of one kind.
"""

import sys

import torch
from datasets import load_dataset
from trl import KTOConfig, KTOTrainer

model, folder, out, *steps = sys.argv[1:]
rows = load_dataset(folder)
trainer = KTOTrainer(
    model,
    args=KTOConfig(
        out,
        beta=0.1,
        desirable_weight=1.0,
        undesirable_weight=1.0,
        per_device_train_batch_size=4,  # what an answer is worth is told beside the others of its batch
        max_length=1024,
        learning_rate=5e-7,
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
