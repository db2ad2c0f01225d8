"""Fine-tunes on an export with TRL. Only the answers are learned, not the questions (`assistant_only_loss`).

    culturepark export last --format trl --out runs/mine --split 0.9
    python examples/train/sft.py Qwen/Qwen2.5-0.5B-Instruct runs/mine runs/model [STEPS]

TRL knows which part of a text is the answer where the chat template marks it (`{% generation %}`). Qwen's, Llama's,
Gemma's and some more do not; TRL puts a marked copy in their place. For others it stops and says so.
"""

import sys

import torch
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

model, folder, out, *steps = sys.argv[1:]
rows = load_dataset(folder)
trainer = SFTTrainer(
    model,
    args=SFTConfig(
        out,
        assistant_only_loss=True,
        max_length=1024,  # rows of whole dialogues are longer
        learning_rate=2e-5,
        num_train_epochs=2,
        max_steps=int(steps[0]) if steps else -1,
        bf16=torch.cuda.is_available(),
        report_to="none",
    ),
    train_dataset=rows["train"],
    eval_dataset=rows.get("validation"),
)
trainer.train()
trainer.save_model()
