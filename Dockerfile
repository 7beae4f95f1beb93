# syntax=docker/dockerfile:1

# A tag, so that a rebuild takes in the distribution's security updates. For the same image every time name
# what the tag stands for today: --build-arg BASE=python:3.13-slim-trixie@sha256:…
# Debian's and not Alpine's: the wheels of our parts are built for glibc.
ARG BASE=python:3.13-slim-trixie

# Python's own modules come without their compiled files, and where the root is read-only they would be compiled
# anew at each start and each health check. Compiled files that carry no times are the same in every build.
FROM ${BASE} AS base
RUN python -m compileall -q --invalidation-mode unchecked-hash /usr/local/lib

FROM base AS build
# The time of the files in the wheel; a number, so that they are the same in every build.
ARG SOURCE_DATE_EPOCH=1767225600
# Optional parts, such as analytics: charts and Parquet, which make it twice as large.
ARG EXTRAS=
WORKDIR /src
COPY config/constraints.txt config/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /tools \
    && /tools/bin/pip install --constraint config/constraints.txt hatchling
COPY LICENSE README.md pyproject.toml ./
COPY receiver receiver
RUN --mount=type=cache,target=/root/.cache/pip \
    /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist .
# Wheels only, so that no compiler is needed. Names of places by phone number are a third of it, and not asked for.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/receiver \
    && /tools/bin/pip --python /opt/receiver/bin/python install --no-compile --only-binary :all: \
        --constraint config/constraints.txt "receiver[${EXTRAS}] @ file://$(echo /dist/receiver-*.whl)" \
    && rm -r /opt/receiver/lib/python3.*/site-packages/phonenumbers/geodata \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/receiver/lib \
    && mkdir /data

FROM base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="receiver" \
      org.opencontainers.image.description="Webhook receiver and event-processing service for callback-task lifecycles" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/receiver /opt/receiver
# A number and no name: Kubernetes then sees that it is not root.
COPY --from=build --chown=65532:65532 /data /data
ENV PATH=/opt/receiver/bin:$PATH \
    HOME=/data \
    MPLCONFIGDIR=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RECEIVER_API__HOST=0.0.0.0 \
    RECEIVER_API__PORT=8081 \
    RECEIVER_HOST=0.0.0.0 \
    RECEIVER_LOG_FORMAT=json \
    RECEIVER_PORT=8080
USER 65532:65532
# The only folder that is written to: receiver.db, where the store is a file. receiver.toml is looked for here.
WORKDIR /data
VOLUME ["/data"]
# Hooks, for the Internet; and the API, documentation and metrics, which are to be published to your own network only.
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# Healthy is what can keep a hook. No curl, and no proxy that the surroundings may name.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; ask = http.client.HTTPConnection('127.0.0.1', int(os.environ['RECEIVER_API__PORT']), timeout=4); ask.request('GET', '/readyz'); sys.exit(ask.getresponse().status != 200)"]
ENTRYPOINT ["receiver"]
CMD ["serve"]
