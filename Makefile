LITELLM := .venv-litellm
.PHONY: demo test browser litellm lint check format clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

demo: $(VENV)/.installed
	$(BIN)/fingerprint demo

test: $(VENV)/.installed-dev $(LITELLM)/.installed browser
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch's CPU build first: asked for on its own it is taken from disk where one is at hand
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	touch $@

# the small demo compiles the numba kernels, once and for all later runs
$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/fingerprint demo --rows 2000 > /dev/null
	touch $@

$(VENV)/.installed-dev: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(VENV)/.installed $@

# the real proxy that tests drive; it pins libraries that this project has newer ones of
$(LITELLM)/.installed: $(VENV)/.installed-dev
	$(BIN)/uv venv --quiet --clear $(LITELLM)
	$(BIN)/uv pip install --quiet --python $(LITELLM)/bin/python 'litellm[proxy]>=1.100'
	touch $@

litellm: $(LITELLM)/.installed

# the console's tests drive it; whoever is not root installs it first
browser:
	@command -v chromium chromium-browser google-chrome > /dev/null || \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium > /dev/null; }

clean:
	rm -rf $(VENV) $(LITELLM) build *.egg-info
