"""Text in, frozen models out. No side effects, but for running a configuration that is written in Python.

* `models` — every setting, written down once. `kinds` and `units` — how their values are written; `addresses` — what `bind` becomes.
* `toml_file`, `python_file`, `words` — the adapters: each turns its language into a `tree.Layer`, values with origins.
* `sources` — lays them over each other in order of precedence. `validate` — the one path from there to a `ServerConfig`.
* `report` and `english` — what is wrong, worded. `places` and `machine` — what this machine has a say in.
* `catalogue`, `schema` — the settings as data, for the command line, the documentation and editors.
"""
