# Bare `make` lists the targets. PYTHON=python3.12 make setup takes another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DEMO_STAMP := $(VENV)/.ready-demo
TRAIN_STAMP := $(VENV)/.ready-train
# The CPU build: on Linux plain torch brings gigabytes of CUDA. For a GPU: make smoke-train TORCH=torch
TORCH ?= torch --index-url https://download.pytorch.org/whl/cpu
IN_RIG := Testing/slicer/in_rig.sh

.DEFAULT_GOAL := help
.PHONY: nnunet-compare release-check docs smoke-train help setup lint fmt test test-all fuzz fuzz-atheris test-lowest test-latest readers-test audit sbom dist-test demo golden bench bench-prompt slicer-test screenshots view-test clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1	\2/' | expand -t 12

setup: $(STAMP)  ## make .venv with the package and the tools of a developer

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FlareSeg needs Python 3.11 or newer, this is " + sys.version + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(STAMP) $(DEMO_STAMP)

$(DEMO_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[preview]'
	@touch $(DEMO_STAMP)

$(TRAIN_STAMP): $(STAMP)
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[dev,train]'
	@touch $(TRAIN_STAMP)

lint: setup  ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: setup  ## format the code, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: setup  ## run the tests but the slow ones
	$(BIN)/python -m pytest -m 'not slow' --ignore=Testing/slicer
	$(IN_RIG) -m pytest -m 'not slow' Testing/slicer

test-all: setup  ## run all tests; those marked torch need `pip install torch` in .venv
	$(BIN)/python -m pytest --ignore=Testing/slicer
	$(IN_RIG) -m pytest Testing/slicer

fuzz: setup  ## open damaged files of every format, FUZZ="--count 500 mha nrrd" to choose; counts findings
	$(BIN)/python -m Testing.fuzz.run $(FUZZ)

fuzz-atheris: setup  ## fuzz our own parsers guided by coverage, FUZZ="--seconds 600 mha" to choose
	$(BIN)/python -m Testing.fuzz.guided $(FUZZ)

demo: $(DEMO_STAMP)  ## fetch a real CT, segment it, show the organ table and where the files are
	$(BIN)/flareseg sample -o demo
	$(BIN)/flareseg segment demo/sample_ct.nii.gz -o demo/organs.seg.nrrd --preview --csv

smoke-train: $(TRAIN_STAMP)  ## train on phantoms: every stage, in minutes on a CPU
	$(BIN)/python -m Testing.training.smoke

nnunet-compare: setup  ## train, import and compare with nnU-Net itself; brings torch and nnunetv2 (gigabytes)
	$(BIN)/python -m pip install --quiet --editable '.[dev,nnunet]'
	$(BIN)/python -m pytest Testing/nnunet
	$(BIN)/python -m Testing.nnunet.compare work/nnunet

golden: setup  ## write the golden cases anew; shows what changed
	$(BIN)/python -m Testing.golden.golden

bench: setup  ## seconds and memory on a large CT, against the peer if its weights are given
	$(BIN)/python -m Testing.benchmarks $(BENCH)

bench-prompt: setup  ## prompts against simple methods, BENCH="../shared/data" says where lesions and CTs lie
	$(BIN)/python -m Testing.benchmarks.bench_prompt $(BENCH)

slicer-test: setup  ## run the tests of the Slicer module in the rig, slow ones too
	RIG=required $(IN_RIG) -m pytest Testing/slicer

screenshots: $(DEMO_STAMP)  ## draw icon, terminology, pictures of panel, prompts and organs in 3-D
	$(BIN)/flareseg sample -o demo
	RIG=required $(IN_RIG) -m Testing.slicer.make_resources
	RIG=required $(IN_RIG) -m Testing.slicer.screenshots demo/sample_ct.nii.gz docs/images
	$(BIN)/python -m Testing.prompting.picture docs/images/prompt.png

view-test: setup  ## run the tests of viewer and cohort page in Chromium, and take their pictures for docs/
	$(BIN)/python -m pip install --quiet --editable '.[view]' playwright
	$(BIN)/python -m pytest Testing/view Testing/batch/test_cohort_browser.py
	$(BIN)/python -m Testing.view.picture docs/images/view.png
	$(BIN)/python -m Testing.batch.picture docs/images/cohort.png

readers-test: setup  ## read all outputs back with other people's programs (Debian: plastimatch dcmtk dicom3tools orthanc)
	$(BIN)/python -m pip install --quiet --editable '.[readers]'
	$(BIN)/python -m pytest Testing/exports Testing/images/test_rtstruct.py Testing/images/test_dicom_seg.py

test-lowest:  ## run the quick tests with the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv --clear .cache/lowest
	.cache/lowest/bin/python -m pip install --quiet uv
	.cache/lowest/bin/uv pip compile --quiet --resolution lowest-direct --extra dev --extra openvino \
		pyproject.toml -o .cache/lowest.txt
	.cache/lowest/bin/python -m pip install --quiet -r .cache/lowest.txt
	.cache/lowest/bin/python -m pytest -m 'not slow' -W ignore::DeprecationWarning

test-latest:  ## run the quick tests with the newest versions that there are, resolved afresh
	$(PYTHON) -m venv --clear .cache/latest
	.cache/latest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --no-cache-dir \
		--editable '.[dev,openvino,speed]'
	.cache/latest/bin/python -m pip freeze --exclude-editable > .cache/latest.txt
	.cache/latest/bin/python -m pytest -m 'not slow'

ALLOWED := MIT;BSD;Apache;Python Software Foundation;PSF;MPL-2.0;ISC;HPND
FLAWS := https://pypi.org/pypi/pip/24.0/json
.cache/user:  # what a user gets, with all extras of a user
	$(PYTHON) -m venv --clear .cache/user
	.cache/user/bin/python -m pip install --quiet '.[preview,openvino,dicom,cluster]'

audit: .cache/user  ## known flaws and licences of all that a user installs; needs the network
	$(PYTHON) -m venv --clear .cache/audit
	.cache/audit/bin/python -m pip install --quiet pip-audit pip-licenses
	.cache/audit/bin/pip-licenses --python .cache/user/bin/python --from=mixed --partial-match \
		--ignore-packages flareseg --allow-only '$(ALLOWED)'
	.cache/user/bin/python -m pip freeze --exclude flareseg > .cache/user.txt
	@.cache/audit/bin/python -c 'from urllib.request import urlopen; urlopen("$(FLAWS)", timeout=30)' \
		2>/dev/null || { echo "AUDIT NOT DONE: $(FLAWS) does not answer, so known flaws cannot be looked up"; exit 1; }
	.cache/audit/bin/pip-audit --vulnerability-service pypi --strict --no-deps --disable-pip -r .cache/user.txt

sbom: .cache/user  ## write dist/flareseg.cdx.json, the list of all parts for a release (CycloneDX)
	$(PYTHON) -m venv --clear .cache/sbom
	.cache/sbom/bin/python -m pip install --quiet cyclonedx-bom
	mkdir -p dist
	.cache/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		-o dist/flareseg.cdx.json .cache/user/bin/python

docs: setup  ## build the site of the documentation into dist/site
	$(BIN)/python -m pip install --quiet 'mkdocs>=1.6'
	$(BIN)/python docs/make_site.py work/site
	$(BIN)/python -m mkdocs build --quiet
	@echo dist/site/index.html

release-check:  ## all that must hold before a release: lint, tests, oldest and newest versions, wheel, audit
	$(MAKE) lint
	$(MAKE) test-all
	$(MAKE) test-lowest
	$(MAKE) test-latest
	$(MAKE) dist-test
	$(MAKE) sbom
	$(MAKE) audit
	@git diff --quiet && echo "RELEASE CHECK PASSED" || { echo "the checkout has changes: commit them"; exit 1; }

dist-test: setup  ## build sdist and wheel into dist/, install the wheel alone, segment a phantom with it
	$(BIN)/python -m Testing.release.dist dist

clean:  ## remove .venv, demo/ and caches
	rm -rf $(VENV) .venv-rig demo build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
