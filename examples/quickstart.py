"""The whole way from a question to training files, in Python: python examples/quickstart.py

The scripted model needs no key and no network, and says what its persona cards say. For a real one put
`model="openai:NAME@BASE_URL"` in its place, or leave `model` out for the small model that runs on this machine.
"""

import culturepark

edition = culturepark.load_scenario("quickstart")
print(
    f"{edition.scenario.title}: {', '.join(edition.scenario.cultures)}, {len(edition.personas)} people to choose from"
)

run = culturepark.simulate(edition, model="scripted", seed=1, tell=print)
print(f"{run.id}: {run.status}")

for dialogue in run.dialogues()[:1]:
    for turn in dialogue.turns[:4]:
        print(f"  {turn.speaker}: {turn.text}")

samples = run.samples()
print(f"{len(samples)} samples, the first of them:")
for message in samples[0].messages:
    print(f"  {message['role']}: {message['content']}")

trace = run.store.trace(samples[0].statement_id)
print(f"It rests on what was said in {trace.turn.id}.")

exported = run.export("trl", "runs/quickstart-in-python")
print(f"{exported.rows} rows in {exported.files[0]}")
