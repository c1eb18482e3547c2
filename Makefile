# Each target makes its own .venv and installs only when pyproject.toml changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The other backends have an environment of their own; a CPU build of PyTorch is enough.
BACKENDS_VENV := .venv-backends
BACKENDS_BIN := $(BACKENDS_VENV)/bin
TORCH ?= torch==2.13.0
# The newest Keras, beyond the limit in pyproject.toml (which pip then names), for a scheduled run.
NEWEST_VENV := .venv-newest-keras
NEWEST_BIN := $(NEWEST_VENV)/bin
NEWEST_TESTS ?= tests/test_keras_internals.py $(wildcard tests/test_bounds_*.py)
# Engines for data sets larger than a machine; Spark needs Java.
ENGINES_VENV := .venv-engines
ENGINES_BIN := $(ENGINES_VENV)/bin
# What depends on the backend and is tested on the others; `BACKEND_TESTS=` for all there is. Those
# that take long come first, so that the processes end at about the same time.
BACKEND_TESTS ?= $(addprefix tests/test_,$(addsuffix .py,training_processes training_devices models \
  backends bounds_rounding certificates certifying constraints export layers_gradient_flow \
  layers_hamiltonian layers_spectral losses metrics optimizers spectral_gram tracing))
# Processes that the tests are spread over; each takes about 2 GB.
WORKERS ?= 2
# A module's tests run in one of them: what they share is made once, and compiled once.
PYTEST := -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

# Python compiles what is imported, once; the other half of 15,000 files is not worth a minute.
PIP_INSTALL := -m pip install --quiet --no-compile --editable

export TF_CPP_MIN_LOG_LEVEL ?= 3
export MPLBACKEND ?= Agg
# Otherwise every process, worker and backend compiles the sources and rewrites the tests anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-backends test-jax test-torch test-newest-keras test-engines docs notebooks \
  format studies benchmarks readme clean

demo: $(VENV)/.installed-demo
	$(BIN)/lipzoo demo

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python $(PYTEST)

test-backends: test-jax test-torch

test-jax test-torch: test-%: $(BACKENDS_VENV)/.installed
	KERAS_BACKEND=$* $(BACKENDS_BIN)/python $(PYTEST) $(BACKEND_TESTS)

test-newest-keras: $(NEWEST_VENV)/.installed
	$(NEWEST_BIN)/python -m pip install --quiet --upgrade keras
	$(NEWEST_BIN)/python -c 'import keras; print("Keras", keras.__version__)'
	$(NEWEST_BIN)/python $(PYTEST) $(NEWEST_TESTS)

# Ray, Spark, Beam, datasets, grain and PyTorch's DataLoader, each started here; minutes.
test-engines: $(ENGINES_VENV)/.installed
	$(ENGINES_BIN)/python -m pytest -W ignore tests/engines

# A link that leads nowhere is an error. The variable silences an advertisement of Material.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

# Executes the programs of docs/notebooks and keeps what they print and draw beside them.
notebooks: $(VENV)/.installed-notebooks
	$(BIN)/python -m documentation.run_notebooks

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

studies: $(VENV)/.installed-test
	$(BIN)/python -m studies.run
	$(BIN)/python -m studies.answers
	$(BIN)/python -m studies.render

# The name that `studies` had.
benchmarks: studies

readme: $(VENV)/.installed-test
	$(BIN)/python -m studies.render

clean:
	rm -rf $(VENV) $(BACKENDS_VENV) $(NEWEST_VENV) $(ENGINES_VENV)

$(sort $(BIN)/python $(BACKENDS_BIN)/python $(NEWEST_BIN)/python $(ENGINES_BIN)/python): %/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "lipzoo needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	       "Choose another one: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $* || { rm -rf $*; \
	  echo "$(PYTHON) cannot make a virtual environment: install its venv module" \
	       "(on Debian and Ubuntu: apt install python3-venv)."; exit 1; }

$(VENV)/.installed-demo: pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP_INSTALL) ".[train]"
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP_INSTALL) ".[test]"
	@touch $@ $(VENV)/.installed-demo

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP_INSTALL) ".[docs]"
	@touch $@

$(VENV)/.installed-notebooks: pyproject.toml | $(BIN)/python
	$(BIN)/python $(PIP_INSTALL) ".[notebooks]"
	@touch $@

$(BACKENDS_VENV)/.installed: pyproject.toml | $(BACKENDS_BIN)/python
	$(BACKENDS_BIN)/python $(PIP_INSTALL) ".[test,jax,torch]" "$(TORCH)"
	@touch $@

$(NEWEST_VENV)/.installed: pyproject.toml | $(NEWEST_BIN)/python
	$(NEWEST_BIN)/python $(PIP_INSTALL) ".[test]"
	@touch $@

$(ENGINES_VENV)/.installed: pyproject.toml | $(ENGINES_BIN)/python
	$(ENGINES_BIN)/python $(PIP_INSTALL) ".[data,engines,jax]" "$(TORCH)" "pytest>=8"
	@touch $@
