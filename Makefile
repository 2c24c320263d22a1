# Everything runs in .venv, which the first target that needs it makes from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BROWSER := tests/browser/node_modules
OUT ?= build/alerts
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help run demo alerts-demo generate rules dashboards pictures test coverage lint format bench constraints clean

help:
	@echo "make run      start the service with the embedded engine in ./data"
	@echo "make demo     send it the traffic of a small LLM application"
	@echo "make dashboards GRAFANA_URL=... GRAFANA_TOKEN=...   into your Grafana"
	@echo "make alerts-demo   break it on purpose, and see which alerts arrive"
	@echo "make generate dashboards, alert rules and routes, from dashboards_py/"
	@echo "make rules RUNBOOK_BASE_URL=...   your own alert rules, into build/alerts"
	@echo "make test     run every test"
	@echo "make lint     formatter, linter, types, import rules"
	@echo "make bench    one million spans through the whole path"

run: $(VENV)/.run
	LLM_OBSERVATORY_LOG_FORMAT=text $(BIN)/llm-observatory serve

demo: $(VENV)/.demo
	$(BIN)/llm-observatory demo

# What is committed below dashboards_py/generated; a test compares it.
generate: $(VENV)/.run
	$(BIN)/python -m dashboards_py.generate

# Your own alert rules and routes: with CONFIG, a file of thresholds, and links to the runbooks
# below RUNBOOK_BASE_URL, see docs/alerts.md.
rules: $(VENV)/.run
	$(BIN)/python -m dashboards_py.generate_rules --out $(OUT) $(if $(CONFIG),--config $(CONFIG))

# Into the Grafana at GRAFANA_URL with GRAFANA_TOKEN; OPTIONS for more, see docs/push.md.
dashboards: $(VENV)/.run
	$(BIN)/llm-observatory dashboards push $(OPTIONS)

# The demo application breaks on purpose; a real Prometheus and Alertmanager tell local stand-ins.
alerts-demo: $(VENV)/.test
	$(BIN)/python -m tests.demo.alerts

# The pictures of the documentation: the demo's table, flame graphs and dashboards, drawn by
# Grafana's own components.
pictures: $(VENV)/.demo $(VENV)/.test $(BROWSER)/.installed
	$(BIN)/llm-observatory demo --rounds 40 --picture docs/demo.svg
	UPDATE_PICTURES=1 $(BIN)/python -m pytest tests/e2e/test_flame_clients.py
	$(BIN)/python -m tests.pictures

test: $(VENV)/.test $(BROWSER)/.installed
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

coverage: $(VENV)/.test $(BROWSER)/.installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(VENV)/.lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --project . --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(VENV)/.lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test
	$(BIN)/python -m tests.bench.write_path
	$(BIN)/python -m tests.bench.flame
	$(BIN)/python -m tests.bench.flame_queries

# The tested versions of everything, from a new environment with the newest that the bounds allow.
constraints:
	rm -rf $(VENV)-new
	$(PYTHON) -m venv $(VENV)-new
	$(VENV)-new/bin/python -m pip install --quiet --editable '.[demo,test,lint]'
	{ echo "# The versions that are tested together; made by 'make constraints'."; \
	  $(VENV)-new/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	rm -rf $(VENV)-new

clean:
	rm -rf $(VENV) $(BROWSER) build *.egg-info

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.demo: $(VENV)/.run
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(PIP) --editable '.[demo,test]'
	@touch $@

# Grafana's panel and speedscope: about a minute and 600 MB, once.
$(BROWSER)/.installed: tests/browser/package.json tests/browser/package-lock.json
	cd tests/browser && npm ci --no-progress --silent
	@touch $@

$(VENV)/.lint: $(VENV)/.run
	$(PIP) --editable '.[demo,test,lint]'
	@touch $@
