# Everything happens in dev.py, so that it also works where there is no make: python dev.py test
PYTHON ?= python3
COMMANDS := setup demo test check bench docs clean

.PHONY: help $(COMMANDS)

help:
	@$(PYTHON) dev.py --help

$(COMMANDS):
	@$(PYTHON) dev.py $@ $(ARGS)
