"""How good is each stage from turn to sample: `make quality MODEL=SPEC [DATA=folder] [PREDICT=folder]`.

`harness` asks models outside any run, `measures` scores, and one module a stage holds three ways to do it: ours (the
very code that a run runs), the reference's, and the cheapest sensible one.
"""
