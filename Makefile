# Everything needs only python3 (3.11 or newer), git and make; `make setup` does the rest in .venv.

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo top published test outages lint check bench screenshots docs image constraints clean

# The agent image: what it is called, with the vendors' CLIs (full) or without (test), and on which Debian.
IMAGE ?= hive-agent:latest
TARGET ?= full
BASE ?=

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv; instant when it is there
	@sh .ci/setup

demo: setup ## a fleet of scripted agents at work, in the console
	@$(BIN)/hive demo

top: setup ## the console on your own fleet
	@$(BIN)/hive top

published: setup ## fetch what GitHub publishes of its API, which tests of the forge need (npm)
	@$(BIN)/python -m tests.fakes.github.published

test: setup published ## all tests but those that take a cluster down
	$(PYTEST) -n 3 --dist worksteal -m "not disruptive"

outages: setup ## tests that cut a test cluster off and kill parts of it (HIVE_TEST_CLUSTER), one by one
	$(PYTEST) -m disruptive

lint: setup ## format, lint, types, import contracts
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: lint test ## what CI runs

bench: setup ## benchmarks, one JSON line each
	$(BIN)/python -m tests.bench

screenshots: setup ## the pictures of the README
	$(BIN)/python -m tests.screenshots

docs: setup ## the generated references in docs/, files in manifests/ and the copy of published prices
	$(BIN)/python -m hive_tui.cli.manual
	$(BIN)/python -m backends.clusters.kubernetes.manifests
	$(BIN)/python -m hive_tui.costs.published

image: setup ## the image of runs' pods, with docker, podman or buildah (IMAGE=, TARGET=, BASE=)
	@$(BIN)/python agent-image/prepare
	@for builder in docker podman buildah; do \
		if $$builder info >/dev/null 2>&1; then \
			echo "Building $(IMAGE) with $$builder."; \
			exec $$builder build --target $(TARGET) $(if $(BASE),--build-arg BASE=$(BASE)) \
				--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null) -t $(IMAGE) agent-image; \
		fi; \
	done; \
	echo "None of docker, podman and buildah works here: install one, or start its daemon." >&2; exit 1

constraints: ## pin the newest packages that pyproject.toml allows (needs uv)
	uv pip compile pyproject.toml --group dev --group build --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --upgrade --quiet -o constraints/dev.txt

clean: ## remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
