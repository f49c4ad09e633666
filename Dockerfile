# The digest decides which image is used (the index for all platforms); the tag is for readers. To find a newer
# digest: docker buildx imagetools inspect python:3.12-slim
FROM python:3.12.14-slim-trixie@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock

COPY bot ./bot
COPY handlers ./handlers
COPY providers ./providers
COPY services ./services
COPY storage ./storage
COPY messages ./messages
COPY domain ./domain
COPY manifest.yml LICENSE ./

RUN useradd --uid 10001 --create-home buildbell && mkdir --mode 700 /data && chown buildbell /data
USER buildbell
VOLUME /data

ENV DATABASE_URL=sqlite:////data/buildbell.db PORT=3000
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
CMD ["python", "-m", "bot", "run"]
