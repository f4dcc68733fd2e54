# make demo   from nothing to a trained person search with figures and a picture (CPU, about 10 minutes with bfloat16)
# make test   the whole suite
# make lint   ruff
# make faults 20 killed trainings, 1000 broken files, full disks, lost processes, in one table (docs/faults.md)
# PY=/some/python runs them with an interpreter that is ready, and installs nothing.

VENV := .venv
ifdef PY
PYTHON := $(PY)
READY :=
# An interpreter without Detectron2 gets the engine that comes with this repository.
ENGINE := $(shell $(PY) -c "import detectron2" 2>/dev/null || echo ":$(CURDIR)/d2lite")
export PYTHONPATH := $(CURDIR)$(ENGINE)$(if $(PYTHONPATH),:$(PYTHONPATH))
else
PYTHON := $(VENV)/bin/python
READY := $(VENV)/installed
endif

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

demo: $(READY)
	$(PYTHON) demo/run_demo.py

test: $(READY)
	$(PYTHON) -m pytest

# The embedded engine against real Detectron2: make parity PY=/some/python, with a clone of Detectron2 on PYTHONPATH.
# One interpreter runs both sides, so that nothing but the engine differs.
.PHONY: parity
parity: $(READY)
	INET_D2_PARITY_A="$${INET_D2_PARITY_A:-$(PYTHON):$(CURDIR)/d2lite}" \
	INET_D2_PARITY_B="$${INET_D2_PARITY_B:-$(PYTHON):$(PYTHONPATH)}" $(PYTHON) -m pytest tests/parity

.PHONY: faults
faults: $(READY)
	$(PYTHON) tools/inject_faults.py

lint: $(READY)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

# The engine comes first, so that a later `pip install` of real Detectron2 replaces it.
$(VENV)/installed: requirements.txt setup.py d2lite/setup.py
	python3 -c "import sys; sys.exit(sys.version_info < (3, 10) and 'Python 3.10 or newer is needed')"
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --disable-pip-version-check -r requirements.txt
	$(PYTHON) -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e d2lite -e .
	touch $@

clean:
	rm -rf $(VENV) output
