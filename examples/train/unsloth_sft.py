"""Fine-tunes on an export with Unsloth. NOT TRIED: Unsloth wants a GPU, and none was there when this was written.

    culturepark export last --format trl --out runs/mine --split 0.9
    python examples/train/unsloth_sft.py unsloth/Qwen2.5-0.5B-Instruct runs/mine runs/model

`train_on_responses_only` finds the answers by what the template puts before them; these marks are Qwen's.
"""

import sys

from unsloth import FastLanguageModel  # isort: skip - before all others: it changes them
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer
from unsloth.chat_templates import train_on_responses_only

name, folder, out = sys.argv[1:]
model, tokenizer = FastLanguageModel.from_pretrained(name, max_seq_length=1024, load_in_4bit=True)
model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=16)


def as_text(batch: dict) -> dict:
    return {"text": [tokenizer.apply_chat_template(messages, tokenize=False) for messages in batch["messages"]]}


rows = load_dataset(folder, split="train").map(as_text, batched=True)
trainer = SFTTrainer(
    model=model,
    processing_class=tokenizer,
    train_dataset=rows,
    args=SFTConfig(out, dataset_text_field="text", num_train_epochs=2, learning_rate=2e-4, report_to="none"),
)
trainer = train_on_responses_only(
    trainer, instruction_part="<|im_start|>user\n", response_part="<|im_start|>assistant\n"
)
trainer.train()
model.save_pretrained(out)
