# syntax=docker/dockerfile:1
#
# For the CPU (the tiny checkpoint), and for an NVIDIA GPU (driver and NVIDIA Container Toolkit on the host):
#   docker build -t flipbot .
#   docker build -t flipbot:cuda --build-arg TORCH=cuda .
#
# Everything that is kept stands in the volume /data; the page is at http://127.0.0.1:8765. It asks for the password that
# you choose here: in its container it cannot tell this machine from others.
#   docker run --init -e FLIPBOT_PASSWORD='…' -v flipbot:/data -p 127.0.0.1:8765:8765 flipbot
#   docker run --init -e FLIPBOT_PASSWORD='…' -v flipbot:/data -p 127.0.0.1:8765:8765 --gpus all flipbot:cuda
#
# So that it comes back after a restart of the machine: docker run -d --restart unless-stopped …
# Another configuration:  -v ./config.toml:/etc/flipbot/config.toml:ro  (leave data_dir and host as below)
# Another command:        docker run --rm -v flipbot:/data flipbot doctor
# Several machines:       docker run … -e PGPASSWORD -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY … flipbot worker

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG TORCH=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/flipbot
WORKDIR /source
COPY constraints.txt ./
# torch comes first, in a layer of its own: it is by far the largest and seldom changes. The wheels for the CPU stand in
# PyTorch's own index; 2.x.y+cpu counts as newer than 2.x.y there, so that pip prefers it.
RUN --mount=type=cache,target=/root/.cache/pip \
    case "$TORCH" in \
      cpu)  index="--extra-index-url https://download.pytorch.org/whl/cpu" ;; \
      cuda) index="" ;; \
      *)    echo "TORCH is cpu or cuda, not $TORCH" >&2; exit 1 ;; \
    esac; \
    /opt/flipbot/bin/pip install $index --constraint constraints.txt torch
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/flipbot/bin/pip install --constraint constraints.txt ".[heic,postgres,s3]"

FROM python:${PYTHON}-slim
COPY --from=build /opt/flipbot /opt/flipbot
ENV PATH=/opt/flipbot/bin:$PATH PYTHONUNBUFFERED=1 HF_HOME=/data/huggingface
# In a container 127.0.0.1 would be out of everyone's reach; who may reach the page is said by -p above.
RUN useradd --uid 1000 --home-dir /data --no-create-home flipbot \
 && install --directory --owner=flipbot --group=flipbot /data \
 && mkdir /etc/flipbot \
 && printf '[service]\ndata_dir = "/data"\n\n[web]\nhost = "0.0.0.0"\n' > /etc/flipbot/config.toml
USER flipbot
# `flipbot` reads the config.toml of the folder it is started in.
WORKDIR /etc/flipbot
VOLUME /data
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8765/', timeout=4)"]
ENTRYPOINT ["flipbot"]
CMD ["run"]
