# vmlaunch with Node 20 on Debian 12. Give the container the host's KVM with --device /dev/kvm; without it, guests run
# in a nested host that vmlaunch sets up itself.
#   docker build -t vmlaunch .
#   docker run --rm -it --device /dev/kvm vmlaunch doctor
# For a mirror of the image: --build-arg BASE=…; of npm: --build-arg NPM_CONFIG_REGISTRY=…
ARG BASE=node:20-bookworm-slim
FROM ${BASE}
ARG NPM_CONFIG_REGISTRY
WORKDIR /opt/vmlaunch
COPY . .
RUN node src/bootstrap.mjs build
RUN ln -s /opt/vmlaunch/dist/bundle/vmlaunch.cjs /usr/local/bin/vmlaunch
WORKDIR /root
ENTRYPOINT ["vmlaunch"]
