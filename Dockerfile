FROM python:3.11.15-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/llm-observatory
WORKDIR /src
# .dockerignore lets in what is named there and nothing else.
COPY . .
RUN /opt/llm-observatory/bin/pip install -c constraints.txt .


FROM python:3.11.15-slim-bookworm
# Fixed numbers, so that the owner of a bind-mounted /data can be set on the host.
RUN groupadd --gid 10001 observatory \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin observatory \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/llm-observatory /opt/llm-observatory
# Inside a container the loopback address reaches nobody; which ports are published is decided
# outside.
ENV PATH=/opt/llm-observatory/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LLM_OBSERVATORY_HOST=0.0.0.0
USER 10001:10001
# Settings with a relative path, such as the embedded engine's chdb:./data, end on the volume.
WORKDIR /data
VOLUME ["/data"]
EXPOSE 4317 4318 8080 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; connection = http.client.HTTPConnection('127.0.0.1', 8080, timeout=3); connection.request('GET', '/healthz'); sys.exit(connection.getresponse().status != 200)"]
# SIGTERM drains the queue; give it time with `docker stop --timeout 45`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["llm-observatory"]
CMD ["serve"]
