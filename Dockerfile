# Drawbridge as one static binary on an empty file system.
FROM golang:1.26-bookworm AS build
WORKDIR /src
# The modules change seldom: a layer of their own keeps them.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/drawbridge ./cmd/drawbridge \
 && mkdir -p /out/data

FROM scratch
# For identity providers and directories whose certificates a public CA signed.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/drawbridge /drawbridge
# Keys and the store. A volume that is mounted here for the first time takes over
# the owner.
COPY --from=build --chown=65532:65532 /out/data /data
ENV DRAWBRIDGE_DATA_DIR=/data
USER 65532:65532
EXPOSE 5001
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["/drawbridge", "health"]
ENTRYPOINT ["/drawbridge"]
CMD ["serve"]
