# The few commands of the project. `make` alone shows them.

python := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-install test-providers test-matrix test-stories test-releases test-release-tool test-clients test-metrics test-witnesses test-openapi test-traces check lab bench faults soak fuzz release deb clean lock

help: ## show this list
	@printf '\n  ssh-jit  short-lived SSH certificates, asked for when they are needed\n\n'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-26s %s\n' "$$name" "$$text" | sed 's/^/  /'; done
	@printf '\n  Every target does its own set-up, in .venv and .cache of this folder.\n\n'

setup: ## make .venv from requirements.lock (the others do it by themselves)
	@demo/setup.sh

demo: setup ## play the main job on real parts, and look around afterwards
	@exec $(python) -m demo

test: setup ## run every test, with the time per folder
	@exec $(python) tests/run.py --install --jobs 4 --slowest 25

test-install: setup ## docs/install.md, packages, image, units, joining, sessions, roles on Debian roots: as root, 20 min
	@$(python) tests/packages.py --booting
	@exec $(python) -m pytest -q tests/install

test-providers: setup ## sign in at Canaille, oidc-provider, Keycloak and OpenLDAP behind it: root, network, five minutes
	@exec $(python) -m pytest -q tests/providers tests/keycloak

test-matrix: setup ## ssh-jit and ssh-jit-host beside the OpenSSH of four Debian releases, made by debootstrap: as root
	@SSH_JIT_TEST_SUITES='bullseye bookworm trixie sid' $(python) -m pytest -q \
		tests/unit/hostconfig/test_host_of_every_age.py tests/unit/hostconfig/test_host_join.py \
		tests/unit/hostconfig/test_host_post_quantum.py tests/unit/client/test_dialects.py \
		tests/unit/hostconfig/test_host_joined.py tests/unit/hostconfig/test_host_beside.py \
		tests/unit/hostconfig/test_host_join_killed.py tests/unit/hostconfig/test_host_sessions.py \
		tests/unit/hostconfig/test_host_bastions.py tests/stories/test_ssh_of_every_age.py

test-stories: setup ## what people live through at their terminals, as transcripts on real programs, and by other Pythons: five minutes
	@exec $(python) -m pytest -q tests/stories

test-releases: setup ## try this release with an older one (commit=24add08) and with a made-up later one: ten minutes
	@$(python) tests/releases.py $(commit)
	@$(python) tests/releases.py --tomorrow

test-release-tool: setup ## `make release` itself, in clones of this repository: two minutes
	@exec $(python) -m pytest -q tests/release_tool

test-clients: setup ## log in by other people's SSH libraries, which it installs with their own programs: needs the network
	@exec $(python) -m tests.clients

test-metrics: setup ## Debian's Prometheus reads a live installation, takes the alerts and answers the dashboard: a minute
	@$(python) -m tests.metrics.install
	@exec $(python) -m pytest -q tests/metrics

test-witnesses: setup ## have litewitness sign the log's heads, which it builds: needs Go and the network
	@$(python) -m tests.witnesses.install
	@exec $(python) -m pytest -q tests/witnesses

test-openapi: setup ## try docs/openapi.json on a live installation by schemathesis, which it installs: needs the network
	@$(python) -m tests.openapi.install
	@exec $(python) -m pytest -q tests/openapi

test-traces: setup ## the front end's spans at the OpenTelemetry Collector, which it builds: needs Go and the network
	@$(python) -m tests.traces.install
	@exec $(python) -m pytest -q tests/traces

check: setup ## ruff, format, mypy --strict and the unit tests that start no servers: about a minute
	@$(python) -m ruff check
	@$(python) -m ruff format --check
	@$(python) -m mypy
	@exec $(python) tests/run.py --jobs 2 --quick unit/ca unit/client unit/fuzz unit/sshjit unit/webapp architecture

lab: setup ## start providers, CA, front end and hosts, and keep them until Ctrl-C
	@exec $(python) -m demo.lab

bench: setup ## measure everything against its budget
	@exec $(python) -m bench

faults: setup ## break a real installation under load, in every way we know (minutes=8); needs root or user namespaces
	@exec $(python) -m tests.faults --minutes $(or $(minutes),8) $(OPTIONS)

soak: setup ## half of what the machine can do for a quarter of an hour (minutes=15): no error; memory and p99 are printed
	@exec $(python) -m tests.soak --minutes $(or $(minutes),15) $(OPTIONS)

fuzz: setup ## look for inputs that break a reader, a minute for each (seconds=60)
	@exec $(python) -m tests.fuzz.run --seconds $(or $(seconds),60)

deb: setup ## the Debian packages into dist/deb (suite=bookworm), with all that the server needs; needs the network
	@exec $(python) -m tools.deb dist/deb --suite $(or $(suite),bookworm)

release: setup ## VERSION=x.y.z KEY=file: check, build, sign and tag; publishes nothing (docs/release.md)
	@exec $(python) -m tools.release $(VERSION) $(if $(KEY),--key '$(KEY)') $(OPTIONS)

clean: ## remove .venv, caches and build results
	@rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# For whoever changes pyproject.toml: pin the newest versions again. Needs pip-compile (pip-tools) and the network; the
# result names no address, and not this project itself.
lock:
	@mkdir -p .cache && rm -f .cache/lock
	@CUSTOM_COMPILE_COMMAND='make lock' pip-compile -q --upgrade --generate-hashes --extra dev --strip-extras \
		--unsafe-package ssh-jit --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--annotation-style line -o .cache/lock pyproject.toml
	@sed '/^# WARNING/,$$d' .cache/lock > requirements.lock
	@! grep -nE '://|@ ' requirements.lock
