# make run | demo | test: each sets up what it needs in a clean clone, and in a second the next time.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run demo test lint clean

run: $(VENV)/ready
	$(BIN)/flipbot run

demo: $(VENV)/ready
	$(BIN)/flipbot animate examples/photo.jpg "the sun rises" --seconds 5 --seed 7 --data-dir var/demo -o flipbot-demo.mp4

# Hundreds of processes import the same code: it is compiled once, whatever the shell says about that.
test: $(VENV)/ready-test lint
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lint: $(VENV)/ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Flipbot needs Python 3.11, 3.12 or 3.13; $(PYTHON) is another one. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) (a few minutes the first time) ..."
	$(PIP) --editable '.[heic]'
	@touch $@

$(VENV)/ready-test: $(VENV)/ready
	$(PIP) --editable '.[heic,test]'
	@touch $@

clean:
	rm -rf $(VENV) var flipbot-demo.mp4
