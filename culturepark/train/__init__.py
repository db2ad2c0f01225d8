"""Trains models on exports: low-rank adapters (LoRA) for a culture, and filters. Needs the extra `train`.

`examples` reads an export, `base` loads a model into torch, `adapter` trains, `card` writes what somebody who gets the
result has to know, and `artefact` keeps it in the store with the rows that it was trained on.
"""
