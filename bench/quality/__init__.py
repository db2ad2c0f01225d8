"""How good is each stage from turn to sample: `make quality MODEL=SPEC [DATA=folder] [PREDICT=folder]`.

`harness` and `turns` ask models outside any run. One module a kind of rows holds the ways to judge them: ours (the very
code that a run runs), and what it is compared with; `kinds` lists them. `lists` is what the product did once.
"""
