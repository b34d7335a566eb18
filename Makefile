LITELLM := .venv-litellm
.PHONY: image audit sbom demo test ready browser litellm lint check format docs clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# a small demo and a hunt in it compile the numba kernels, once and for all later runs
TRIAL := $(VENV)/trial
KERNELS := $(shell grep -rlE '@(kernel|njit|intrinsic)' --include=*.py fingerprint)
COMPILE_KERNELS = rm -rf $(TRIAL) && $(BIN)/fingerprint demo --rows 2000 --home $(TRIAL) > /dev/null && \
	$(BIN)/fingerprint hunt "$$($(BIN)/fingerprint families --home $(TRIAL) --flagged --limit 1 --format jsonl | \
	sed 's/.*"family_id": *"\([^"]*\)".*/\1/')" $(TRIAL)/demo/traffic/day4.parquet --home $(TRIAL) --quiet > /dev/null && \
	rm -rf $(TRIAL)
# pip and uv compile nothing here; what many processes import is compiled by the first of them
export PYTHONDONTWRITEBYTECODE =

demo: $(VENV)/.installed
	$(BIN)/fingerprint demo

# files on two processes; then, alone, what measures time
test: ready
	$(BIN)/python -m pytest -m 'not alone' -n 3 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m alone $$(grep -rl 'mark\.alone' --include='test_*.py' tests)

ready: $(VENV)/.installed-dev $(VENV)/.kernels $(LITELLM)/.installed browser

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) -s audit || { test ! -e build/audit.json && echo "advisories cannot be reached: what is installed is not audited"; }

# known faults of what is installed, and a list of it; both need the network. Where advisories cannot be reached there is no
# build/audit.json, and `lint` goes on
audit: $(VENV)/.installed-dev
	mkdir -p build
	rm -f build/audit.json
	$(BIN)/uv pip freeze --quiet --python $(BIN)/python --exclude-editable > build/installed.txt
	$(BIN)/uv tool run pip-audit --strict --no-deps --disable-pip --format json --output build/audit.json \
	--requirement build/installed.txt

sbom: $(VENV)/.installed-dev
	mkdir -p build
	$(BIN)/uv tool run --from cyclonedx-bom cyclonedx-py environment $(BIN)/python --of JSON -o build/sbom.cdx.json

# a builder is rarely at hand where tests run, so `check` does without
image:
	@if docker info > /dev/null 2>&1; then docker build -f deploy/Dockerfile -t fingerprint .; \
	elif command -v podman > /dev/null; then podman build -f deploy/Dockerfile -t fingerprint .; \
	elif command -v buildah > /dev/null; then buildah build -f deploy/Dockerfile -t fingerprint .; \
	else echo "no builder here (a running docker, podman or buildah): the image is not built"; fi

check: lint test

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# the pages that are written from the code; a test compares them
docs: $(VENV)/.installed-dev
	$(BIN)/python docs/make_commands.py
	$(BIN)/python -m benchmarks.write_results

# torch's CPU build first: asked for on its own it is taken from disk where one is at hand
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile torch==2.13.0
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml $(KERNELS)
	$(BIN)/python -m pip install --quiet --no-compile --editable .
	$(COMPILE_KERNELS)
	touch $@

$(VENV)/.installed-dev: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile 'uv>=0.8'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'
	touch $@

$(VENV)/.kernels: $(VENV)/.installed-dev $(KERNELS)
	$(COMPILE_KERNELS)
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
