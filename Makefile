# The two commands of the README: `make try` and `make check`. Each makes its own environment.
PYTHON ?= python3
PHOTO ?= build/photo/skimage/data/coffee.png
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: try check lint types imports test golden models clean

try: build/try/done $(PHOTO)
	build/try/bin/shufflenet predict $(PHOTO)

build/try/done: pyproject.toml $(shell find src -name '*.py')
	$(PYTHON) -m venv build/try
	build/try/bin/pip install --quiet .
	touch $@

# A cup of coffee that scikit-image carries, CC0: https://scikit-image.org/docs/stable/api/skimage.data.html
build/photo/skimage/data/coffee.png: | build/try/done
	build/try/bin/pip install --quiet --no-deps --target build/photo scikit-image==0.26.0

check: lint types imports test

.venv/done: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --editable '.[dev]'
	.venv/bin/pip install --quiet --no-deps executorch==1.5.1  # what only its converter needs: 300 MB
	touch $@

lint: .venv/done
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .

types: .venv/done
	.venv/bin/mypy

imports: .venv/done
	.venv/bin/lint-imports

test: .venv/done
	OMP_NUM_THREADS=1 .venv/bin/pytest --numprocesses auto --dist loadgroup --max-worker-restart 0 --durations 40

# Needs torchvision, in an environment of its own: see tools/make_golden.py.
golden:
	PYTHONPATH=tests $(PYTHON) tools/make_golden.py

# The tables of docs/models.md, from the catalogue; a test tells when they are older than it.
models: .venv/done
	.venv/bin/python tools/make_models_md.py

clean:
	rm -rf build .venv
