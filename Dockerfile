# Two stages: the first builds the wheel (Node makes the pages' styles), the second holds Python and the wheel alone.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/ringlet /opt/build
COPY requirements.lock requirements-node.lock ./
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-node.lock \
 && /opt/build/bin/pip install --no-cache-dir build hatchling==1.33.0 \
 && /opt/ringlet/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN PATH=/opt/build/bin:$PATH /opt/build/bin/python -m build --wheel --no-isolation --outdir /dist \
 && /opt/ringlet/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.11-slim
# The embedded database wants a user with a name; everything is written below its home.
RUN useradd --system --uid 10001 --home-dir /var/lib/ringlet --create-home --shell /usr/sbin/nologin ringlet
COPY --from=build /opt/ringlet /opt/ringlet
ENV PATH=/opt/ringlet/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RINGLET_HOME=/var/lib/ringlet
USER ringlet
VOLUME /var/lib/ringlet
EXPOSE 8080
STOPSIGNAL SIGTERM
# Of web processes; compose and Kubernetes say what is right for a worker.
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
CMD ["ringlet", "serve", "--host", "0.0.0.0"]
