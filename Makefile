# make demo | test | lint | bench | images | clean      (everything is set up on the way)
# On Debian as root the packages below are installed when missing; elsewhere they are only named.

SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PACKAGES := mmdebstrap iproute2 iptables e2fsprogs util-linux debian-archive-keyring openssh-client openssh-server \
            sudo postgresql nginx-light openssl zstd procps chromium docker-registry skopeo \
            dosfstools fusefat systemd

# Most tests wait for servers rather than compute: three side by side suit two cores.
WORKERS ?= 3
STAMP := $(VENV)/.ready

.PHONY: demo test lint bench images packages venv clean translations reference

demo: packages venv
	$(BIN)/smartcity demo --workspace .

test: packages venv
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir $(VENV)/.import_linter

bench: packages venv
	@bash .ci/packages casync rsync xdelta3
	@for b in benchmarks/*/run.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

images: packages venv
	$(BIN)/smartcity catalogue build

translations: venv
	$(BIN)/pybabel -q extract -F pyproject.toml --no-location --keywords N_ --project smartcity -o $(VENV)/smartcity.pot smartcity_pkg
	$(BIN)/pybabel -q update -w 100 --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date -D smartcity -l id \
	  -i $(VENV)/smartcity.pot -d smartcity_pkg/locale

reference: venv
	$(BIN)/python tests/support/command_reference.py docs/commands.md
	$(BIN)/python tests/support/lint_rules.py docs/lint-rules.md
	$(BIN)/python tests/support/refusals.py docs/refusals.md </dev/null

packages:
	@bash .ci/packages $(PACKAGES)

venv: $(STAMP)

$(STAMP): pyproject.toml hatch_build.py $(wildcard smartcity_pkg/locale/*/LC_MESSAGES/*.po)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
