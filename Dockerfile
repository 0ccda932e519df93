# A static binary, authorities and nothing else: no shell, no package manager, no root.
#   make image
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY approvals approvals
COPY bot bot
COPY cmd cmd
COPY configs configs
COPY engine engine
COPY storage storage
ARG VERSION=""
# timetzdata puts the time zones into the binary.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata \
        -ldflags "-s -w -X main.version=${VERSION}" -o /out/usr/bin/recycler ./cmd/recycler \
    && mkdir -p /out/etc/ssl/certs /out/etc/recycler /out/var/lib/recycler /out/tmp \
    && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
    && chown -R 65532:65532 /out/var/lib/recycler /out/tmp

FROM scratch
COPY --from=build /out/ /
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
VOLUME ["/var/lib/recycler"]
# SIGTERM ends the process in seconds; a rebuild goes on on its server and is adopted by the next start.
STOPSIGNAL SIGTERM
# With api.listen: 127.0.0.1:8080 in the configuration it asks the server itself; without, as is the
# default, it looks for the server's heartbeat in the database.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["/usr/bin/recycler", "health"]
ENTRYPOINT ["/usr/bin/recycler"]
CMD ["serve", "--config", "/etc/recycler/recycler.yaml"]
