# The two commands of a newcomer are `make demo` and `make test`; CI runs `make check`; `make bench` measures.
# Nothing but Python 3.11+ and make is needed: uv is put into .tools when it is not there.

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --frozen --all-extras
JOBS ?= auto

.PHONY: demo test check format lint types docs bench bench-guarantees clean

demo: .venv/ready
	$(RUN) remit demo freight --dir .demo/freight

test: .venv/ready
	$(RUN) pytest -n $(JOBS) -q

check: .venv/ready
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) python docs/reference/generate.py --check
	$(MAKE) test

format: .venv/ready
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

docs: .venv/ready
	$(RUN) python docs/reference/generate.py

bench: .venv/ready
	$(RUN) python -m bench

bench-guarantees: .venv/ready
	$(RUN) python -m bench.guarantees $(if $(DATA),--data $(DATA))

.venv/ready: pyproject.toml uv.lock $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)
	$(UV) sync --frozen --all-extras
	@touch $@

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/python -m pip install --quiet uv

clean:
	rm -rf .venv .tools .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
