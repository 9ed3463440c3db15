# Drawbridge as one static binary on an empty file system. The compiler runs on the
# machine's own platform and nothing in the last stage, so that no emulation is needed
# for others. docs/packages.md has the command, and `make release` the same image without
# any engine. The classic builder knows no BUILDPLATFORM: there it is the machine's own
# with the word linux. The base is a moving tag, for its fixes; nothing of it but the
# certificate authorities is in the image. Pin it by the digest that you have verified.
FROM --platform=${BUILDPLATFORM:-linux} golang:1.26-bookworm AS build
WORKDIR /src
# The modules change seldom: a layer of their own keeps them.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
# BuildKit sets the platform that --platform names; the classic builder leaves them
# empty, and the compiler then builds for the machine's own.
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/drawbridge ./cmd/drawbridge \
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
