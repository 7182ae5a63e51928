UV_COMPILE = .venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock:
	$(UV_COMPILE) --extra build pyproject.toml -o requirements/run.txt
	$(UV_COMPILE) --extra build --extra test pyproject.toml -o requirements/test.txt
